"""What the text encoder computes from a prompt: one vector a position, before and after.

    e_i = E[id_i]                     the token embedding, a row of a table: no context, no order
    h_i^0 = e_i + p_i                 with the position embedding: what enters the first layer
    c_i = LN(h_i^L)                   the contextual embedding: what the network is given

As CLIP's encoder is causal, c_i depends on id_0 ... id_i only. Two prompts that begin alike have
equal vectors up to their first different token; and the start token's vector is the same for every
prompt.

T5's encoder is not causal: each c_i depends on the whole prompt, and on the pads too unless the
pipeline masks them. It has no position embedding, so that h_i^0 = e_i: order enters each layer's
attention, as a bias b(j - i) by distance. It has no start token, and no vector of the whole prompt.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdlab.text.parts import TextPart, text_part
from sdlab.text.self_attention import MEAN, recorded
from sdlab.text.tokenized import Tokenized, tokenized
from sdlab.text.tokens import labels

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model


@dataclass(frozen=True, eq=False)
class Encoding(Tokenized):
    """A prompt encoded; all arrays are NumPy's, n positions (CLIP: 77), D the encoder's width.

    Attributes:
        token: Token embeddings e, float32 [n, D].
        entering: What enters the first layer, e + p, float32 [n, D].
        contextual: Contextual embeddings c, as the network is given them, float32 [n, D].
        attention: Self-attention, float32 [layers, heads, n, n], if it was recorded.
        causal: Whether a position sees only those before it: CLIP's do, T5's do not.
        pooled: Whether the pipeline uses only one vector of the prompt, not this sequence.
    """

    token: np.ndarray
    entering: np.ndarray
    contextual: np.ndarray
    attention: np.ndarray | None = None
    causal: bool = True
    pooled: bool = False


def encode(
    source: "Model | Any",
    prompt: str,
    part: str | None = None,
    clip_skip: int = 0,
    attention: bool | str = False,
) -> Encoding:
    """Return the encoding of a prompt, computed by the same call that the pipeline makes.

    Args:
        source: A loaded model or a diffusers pipeline.
        prompt: Any text.
        part: "text_encoder", "text_encoder_2", ...; the first by default.
        clip_skip: Layers to leave out at the end, as diffusers counts them: 1 takes the output of
            the last layer but one (SDXL always leaves out one more). 0 for T5.
        attention: Whether to record the self-attention, of all layers that are used; "mean" for
            the mean of the heads alone, as one head.

    Raises:
        ValueError: If the part is unknown or so many layers cannot be left out.
        ModelError: If the text encoder is neither CLIP's nor T5's.
    """
    chosen = text_part(source, part)
    read = tokenized(source, prompt, chosen.name)
    vectors, maps = _vectors(chosen, read, clip_skip, bool(attention))
    if attention == MEAN:
        maps = [one.mean(dim=0, keepdim=True) for one in maps]
    token, entering, contextual = (_numpy(rows[0]) for rows in vectors)
    return Encoding(
        **vars(read),
        token=token,
        entering=entering,
        contextual=contextual,
        attention=np.stack([_numpy(m) for m in maps]) if attention else None,
        causal=chosen.is_clip,
        pooled=chosen.pooled,
    )


def _vectors(
    chosen: TextPart, read: Tokenized, clip_skip: int, attention: bool
) -> "tuple[tuple[Tensor, ...], list[Tensor]]":
    """Return the vectors of every position, and the attention of each layer that is used.

    Args:
        chosen: The text encoder.
        read: What it is given.
        clip_skip: Layers to leave out at the end.
        attention: Whether to record the self-attention.

    Returns:
        ``token``, ``entering`` and ``contextual``, each [1, L, D], and maps [heads, L, L].
    """
    import torch

    used = _used_layers(chosen, clip_skip)
    device = chosen.encoder.device
    ids = torch.tensor(read.ids)[None].to(device)
    mask = torch.tensor(read.mask)[None].to(device) if read.masks_pads else None
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, args, out: kept.__setitem__(name, _tensor(out))

    handles = [chosen.layers[used - 1].register_forward_hook(keep("layer"))]
    if chosen.is_clip:
        handles.append(chosen.body.embeddings.register_forward_hook(keep("entering")))
    maps: list[Tensor] = []
    try:
        with torch.no_grad():
            if attention:
                with recorded(chosen.body, mask) as maps:
                    out = chosen.encoder(ids, attention_mask=mask)
            else:
                out = chosen.encoder(ids, attention_mask=mask)
            contextual = _contextual(chosen, out, kept["layer"], clip_skip)
            token = chosen.table(ids.to(chosen.table.weight.device))
    finally:
        for handle in handles:
            handle.remove()
    return (token, kept.get("entering", token), contextual), maps[:used]


def norms(encoding: Encoding) -> pd.DataFrame:
    """Return the Euclidean norm of each position's vectors.

    Returns:
        ``position``, ``label``, ``kind``, ``token``, ``entering``, ``contextual``.
    """
    table = _positions(encoding)
    for name in ("token", "entering", "contextual"):
        table[name] = np.linalg.norm(getattr(encoding, name), axis=1)
    return table


def compare(encoding: Encoding, other: Encoding) -> pd.DataFrame:
    """Return, position by position, how far the contextual embeddings of two prompts differ.

    Args:
        encoding: Of a prompt.
        other: Of another prompt by the same encoder, for instance the empty one.

    Returns:
        ``position``, ``label``, ``kind`` and ``other_label`` (of the other prompt); ``same_token``;
        ``same_so_far``, whether all tokens up to here are the same, so that causality makes the
        vectors equal (of T5, whether all tokens are); ``distance``, Euclidean; ``relative``, over
        the other's norm; ``cosine``.

    Raises:
        ValueError: If they come from two different encoders.
    """
    if encoding.part != other.part or encoding.contextual.shape != other.contextual.shape:
        raise ValueError(
            f"both prompts must be encoded by one text encoder, got {encoding.part} "
            f"{encoding.contextual.shape} and {other.part} {other.contextual.shape}."
        )
    same = encoding.ids == other.ids
    if encoding.masks_pads or other.masks_pads:
        same &= encoding.mask == other.mask
    table = _positions(encoding)
    table["other_label"] = labels(other.tokens)
    table["same_token"] = encoding.ids == other.ids
    table["same_so_far"] = np.logical_and.accumulate(same) if encoding.causal else same.all()
    distance = np.linalg.norm(encoding.contextual - other.contextual, axis=1)
    table["distance"] = distance
    table["relative"] = distance / np.maximum(np.linalg.norm(other.contextual, axis=1), 1e-12)
    table["cosine"] = (_unit(encoding.contextual) * _unit(other.contextual)).sum(axis=1)
    return table


def _used_layers(part: TextPart, clip_skip: int) -> int:
    layers = len(part.layers)
    most = layers - 1 - part.skipped if part.is_clip else 0
    if not isinstance(clip_skip, Integral) or not 0 <= clip_skip <= most:
        raise ValueError(
            f"clip_skip must be from 0 to {most} for a text encoder of {layers} layers, "
            f"got {clip_skip!r}."
        )
    return layers - part.skipped - clip_skip


def _contextual(part: TextPart, out: Any, layer: "Tensor", clip_skip: int) -> "Tensor":
    if part.final_norm and clip_skip == 0:
        layer = out.last_hidden_state
    elif part.final_norm:
        layer = part.body.final_layer_norm(layer)
    return layer


def _positions(encoding: Encoding) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "position": range(len(encoding.ids)),
            "label": labels(encoding.tokens),
            "kind": encoding.kinds,
        }
    )


def _tensor(out: Any) -> "Tensor":
    tensor: Tensor = out[0] if isinstance(out, tuple) else out
    return tensor


def _numpy(tensor: "Tensor") -> np.ndarray:
    return tensor.detach().float().cpu().numpy()


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return unit
