"""Attention maps as files: safetensors, which can be opened again, and npz for others.

``attention.safetensors`` holds one tensor a layer and half, named ``cond/<layer>``: cross-attention
[K, H, T, h, w], self-attention [K, H, cells, h, w]; of a joint layer also the text's share,
``cond/<layer>/share`` [K, H, h, w]. Its header's ``attention`` entry is JSON: what
was asked for, the layers with their grids, the evaluations with steps and noise levels, and the
token tables; so the file can be read without its run.
"""

import json
from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sdlab.errors import StoreError
from sdlab.runs.tensors import StoredTensors, checksums, read_tensors

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from sdlab.attention.layers import Layer
    from sdlab.attention.maps import AttentionMaps, MapsSource

ATTENTION = "attention.safetensors"
ENTRY = "attention"
FORMAT = 1
TOKEN_COLUMNS = ("position", "id", "piece", "word", "word_index", "kind", "mask", "cut")


def save_attention(maps: "AttentionMaps", path: Path) -> None:
    """Write a picture's maps as a safetensors file.

    Raises:
        OSError: If it cannot be written.
    """
    from safetensors.torch import save_file

    tensors = _contiguous(maps)
    save_file(tensors, path, metadata={ENTRY: describe(maps), **checksums(tensors)})


def attention_bytes(maps: "AttentionMaps") -> bytes:
    """Return a picture's maps as the bytes of the file that ``save_attention`` writes."""
    from safetensors.torch import save

    tensors = _contiguous(maps)
    return save(tensors, metadata={ENTRY: describe(maps), **checksums(tensors)})


def open_attention(
    path: str | Path, table: "Callable[[], pd.DataFrame] | None" = None
) -> "AttentionMaps":
    """Return the maps of a file, each still on the disk until it is used.

    Args:
        path: As ``save_attention`` wrote it.
        table: Loads the ``attention`` table, if that is stored too.

    Raises:
        StoreError: If it is missing or damaged, or is no file of attention maps.
    """
    from sdlab.attention.maps import AttentionMaps, key_of, share_key

    path = Path(path).expanduser()
    text, shapes = read_tensors(path, _header)
    facts, tokens = _facts(path, text)
    for layer in facts.layers:
        for half in (half for half in tokens if key_of(half, layer) in shapes):
            _check_shape(path, facts, layer, shapes[key_of(half, layer)])
            if layer.cross and layer.joint:
                count, heads, _, *grid = shapes[key_of(half, layer)]
                if shapes.get(share_key(half, layer)) != (count, heads, *grid):
                    raise StoreError(f"{path} is damaged: it lacks the text's share of a layer.")
    if any(key_of("cond", layer) not in shapes for layer in facts.layers if facts.evaluations):
        raise StoreError(f"{path} is damaged: it lacks maps that its header names.")
    return AttentionMaps(facts, StoredTensors(path, list(shapes)), tokens, table)


def write_npz(maps: "AttentionMaps", stream: BinaryIO) -> None:
    """Write a picture's maps as a compressed npz; ``about`` in it is the JSON that describes them.

    bfloat16, which NumPy lacks, becomes float32.
    """
    import numpy as np
    import torch

    arrays: dict[str, Any] = {}
    for name, tensor in maps.tensors.items():
        arrays[name] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    np.savez_compressed(stream, about=np.array(describe(maps)), **arrays)


def describe(maps: "AttentionMaps") -> str:
    """Return the description of a picture's maps as JSON."""
    tokens = {
        half: json.loads(frame[_token_columns(frame)].to_json(orient="records"))
        for half, frame in maps.tokens.items()
    }
    return json.dumps({"format": FORMAT, "facts": maps.facts.to_dict(), "tokens": tokens})


def _token_columns(named: "Container[str]" = ()) -> list[str]:
    """Return the columns kept of a token table; which tokenizer only where it is told."""
    return [*TOKEN_COLUMNS, *(("tokenizer",) if "tokenizer" in named else ())]


def _contiguous(maps: "AttentionMaps") -> "dict[str, Tensor]":
    return {name: maps.tensors[name].contiguous() for name in maps.tensors}


def _header(file: Any) -> tuple[str, dict[str, tuple[int, ...]]]:
    shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    return (file.metadata() or {})[ENTRY], shapes


def _facts(path: Path, text: str) -> "tuple[MapsSource, dict[str, pd.DataFrame]]":
    import pandas as pd

    from sdlab.attention.maps import MapsSource

    try:
        about = json.loads(text)
        if about["format"] != FORMAT:
            raise StoreError(
                f"{path} is of format {about['format']!r}; this version of sdlab reads format"
                f" {FORMAT}. A newer sdlab may have written it: update."
            )
        facts = MapsSource.from_dict(about["facts"])
        tokens = {
            str(half): pd.DataFrame(rows, columns=_token_columns(*rows[:1])).astype(
                {"word_index": "Int64", "cut": bool, "position": int}
            )
            for half, rows in about["tokens"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: its header cannot be read ({error}).") from error
    return facts, tokens


def _check_shape(path: Path, facts: "MapsSource", layer: "Layer", shape: tuple[int, ...]) -> None:
    expected = (len(facts.evaluations), layer.height, layer.width)
    if len(shape) != 5 or (shape[0], *shape[3:]) != expected:
        raise StoreError(f"{path} is damaged: the maps of {layer.name} have the shape {shape}.")
