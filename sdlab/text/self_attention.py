"""The text encoder's self-attention, recorded without changing what the encoder computes.

CLIP's text encoder is causal: position i attends to positions 0 ... i, so that nothing is known of
the words that follow. A = softmax(q k^T / sqrt(d) + M) with M = -inf above the diagonal, and also
at the pads where a pipeline passes the attention mask (SD 1.x and SDXL do not).

T5's encoder has no causal mask and no scale, but a bias by distance, which its first layer holds
for all (UMT5: each its own): A = softmax(q k^T + b + M), with M at the pads alone.

The encoder computes with fused kernels that return no A. Hooks on ``q_proj`` and ``k_proj`` read q
and k, and A is computed again from them in float32; the encoder's result stays the same bit for
bit.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdlab.text.parts import positions_of, text_part
from sdlab.text.tokens import labels

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.text.encoder import Encoding

MEAN = "mean"
LARGEST = 2**27  # bytes of all heads' maps
KINDS = ("start", "word", "end", "pad")


@dataclass(frozen=True)
class Heads:
    """The attention of one layer, as the two families of encoders have it.

    Attributes:
        queries: The module that makes q.
        keys: The module that makes k.
        count: How many heads.
        scale: What scores are multiplied by.
        bias: Called with (n, n), gives what is added to the scores, [1, heads, n, n]; None for
            CLIP, which is causal instead.
    """

    queries: Any
    keys: Any
    count: int
    scale: float
    bias: "Callable[[int, int], Tensor] | None"


def _layers(body: Any) -> list[Heads]:
    if not hasattr(body, "block"):
        own = [layer.self_attn for layer in body.encoder.layers]
        return [Heads(one.q_proj, one.k_proj, one.num_heads, one.scale, None) for one in own]
    own = [block.layer[0].SelfAttention for block in body.block]
    holders = [one if one.has_relative_attention_bias else own[0] for one in own]
    return [
        Heads(one.q, one.k, one.n_heads, 1.0, holder.compute_bias)
        for one, holder in zip(own, holders, strict=True)
    ]


@contextmanager
def recorded(body: Any, pads: "Tensor | None" = None) -> "Iterator[list[Tensor]]":
    """Record the attention of every layer while the encoder runs inside the ``with``.

    Args:
        body: The module that has the layers, see ``TextPart.body``.
        pads: The attention mask handed to the encoder, [1, n], or None.

    Yields:
        A list that holds, once the encoder has run, one float32 tensor [heads, n, n] a layer:
        query by key, on the encoder's device.
    """
    maps: list[Tensor] = []
    queries: dict[int, Tensor] = {}
    handles = []

    def keep_queries(layer: int, out: "Tensor") -> None:
        queries[layer] = out

    def keep_map(layer: int, head: "Heads", keys: "Tensor") -> None:
        maps.append(_probabilities(queries.pop(layer), keys, head, pads))

    try:
        for i, heads in enumerate(_layers(body)):
            handles.append(
                heads.queries.register_forward_hook(
                    lambda module, args, out, i=i: keep_queries(i, out)
                )
            )
            handles.append(
                heads.keys.register_forward_hook(
                    lambda module, args, out, i=i, of=heads: keep_map(i, of, out)
                )
            )
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def fitting(source: Any, part: str) -> bool | str:
    """Return what ``encode`` is to keep of a part's attention: True, or "mean" where it is large.

    Args:
        source: A loaded model or a diffusers pipeline.
        part: "text_encoder", "text_encoder_2", ...
    """
    chosen = text_part(source, part)
    heads = sum(one.count for one in _layers(chosen.body))
    positions = positions_of(source, part) or 0
    return True if 4 * heads * positions**2 <= LARGEST else MEAN


def masks(encoding: "Encoding") -> dict[str, np.ndarray]:
    """Return the masks, boolean, True where a query may look.

    Returns:
        ``causal`` [n, n], query by key, True everywhere for T5; ``padding`` [n, n], the tokenizer's
        attention mask, the same for every query; ``allowed`` [n, n], what the encoder really uses:
        causal alone, unless the pipeline passes the mask.
    """
    n = len(encoding.ids)
    causal = np.ones((n, n), bool)
    if encoding.causal:
        causal = np.tril(causal)
    padding = np.broadcast_to(encoding.mask.astype(bool), (n, n)).copy()
    allowed = causal & padding if encoding.masks_pads else causal
    return {"causal": causal, "padding": padding, "allowed": allowed}


def attention_map(encoding: "Encoding", layer: int, head: int | str = MEAN) -> np.ndarray:
    """Return one map, float32 [n, n], query by key; each row sums to 1.

    Args:
        encoding: Made with ``attention=True``.
        layer: From 0; negative counts from the last.
        head: From 0, or "mean" over all heads.

    Raises:
        ValueError: If there is no such layer or head, or attention was not recorded.
    """
    maps = _maps(encoding)
    if not -len(maps) <= layer < len(maps):
        raise ValueError(f"layer must be from 0 to {len(maps) - 1}, got {layer}.")
    if head == MEAN:
        mean: np.ndarray = maps[layer].mean(axis=0)
        return mean
    if not isinstance(head, Integral) or not 0 <= head < maps.shape[1]:
        raise ValueError(f"head must be 'mean' or from 0 to {maps.shape[1] - 1}, got {head!r}.")
    return maps[layer, head]


def attention_table(
    encoding: "Encoding", layer: int, head: int | str = MEAN, last: int | None = None
) -> pd.DataFrame:
    """Return one map as a table: ``query``, ``key``, their labels, ``weight``.

    Args:
        encoding: Made with ``attention=True``.
        layer: From 0; negative counts from the last.
        head: From 0, or "mean".
        last: The last position to list; None for all. Keys that are hidden are left out.
    """
    weights = attention_map(encoding, layer, head)
    allowed = masks(encoding)["allowed"]
    n = len(weights) if last is None else last + 1
    names = np.array(labels(encoding.tokens))
    query, key = np.nonzero(allowed[:n, :n])
    return pd.DataFrame(
        {
            "query": query,
            "key": key,
            "query_label": names[query],
            "key_label": names[key],
            "weight": weights[query, key],
        }
    )


def mask_table(encoding: "Encoding") -> pd.DataFrame:
    """Return the masks as runs of keys: for each query, what it may see and what is hidden.

    Returns:
        ``query``, ``first``, ``last`` (excluded), ``state``: "seen", "pad, seen", "pad, hidden",
        or "future, hidden". The tokenizer's mask is 0 on both kinds of pads.
    """
    n, end = len(encoding.ids), encoding.end + 1
    pads = "pad, hidden" if encoding.masks_pads else "pad, seen"
    rows = []
    for query in range(n):
        known = query + 1 if encoding.causal else n
        rows.append((query, 0, min(known, end), "seen"))
        rows.append((query, end, known, pads))
        rows.append((query, known, n, "future, hidden"))
    table = pd.DataFrame(rows, columns=["query", "first", "last", "state"])
    return table[table["first"] < table["last"]].reset_index(drop=True)


def mass_table(encoding: "Encoding") -> pd.DataFrame:
    """Return how much attention each kind of position gives to each kind, by layer and head.

    Returns:
        ``layer``, ``head``, ``query_kind``, ``key_kind``, ``mass``: the attention that falls on
        all keys of that kind together, averaged over the queries of the other; over the key kinds
        it sums to 1.
    """
    maps = _maps(encoding)
    kinds = encoding.kinds
    present = [kind for kind in KINDS if kind in kinds]
    layer, head = np.indices(maps.shape[:2]).reshape(2, -1)
    frames = []
    for query_kind in present:
        given = maps[:, :, kinds == query_kind].mean(axis=2)
        for key_kind in present:
            mass = given[:, :, kinds == key_kind].sum(axis=2)
            frames.append(
                pd.DataFrame(
                    {
                        "layer": layer,
                        "head": head,
                        "query_kind": query_kind,
                        "key_kind": key_kind,
                        "mass": mass.reshape(-1),
                    }
                )
            )
    table = pd.concat(frames, ignore_index=True)
    return table.sort_values(["layer", "head"], kind="stable", ignore_index=True)


def heads_table(encoding: "Encoding") -> pd.DataFrame:
    """Return where each head looks from the words and the end token.

    Returns:
        ``layer``, ``head`` and, averaged over those queries: ``start``, ``previous``, ``self``,
        the attention to the start token, to the position before, to itself (at position 1 the
        start is the one before, and counts as both); ``entropy`` in nat. T5 has no start token:
        ``start`` is its first position, which has none before it.
    """
    maps = _maps(encoding)
    queries = np.flatnonzero(np.isin(encoding.kinds, ("word", "end")))
    rows = maps[:, :, queries]
    entropy = -(rows * np.log(np.maximum(rows, 1e-30))).sum(axis=-1)
    layer, head = np.indices(maps.shape[:2]).reshape(2, -1)
    values = {
        "start": maps[:, :, queries, 0],
        "previous": maps[:, :, queries, np.maximum(queries - 1, 0)],
        "self": maps[:, :, queries, queries],
        "entropy": entropy,
    }
    means = {name: value.mean(axis=-1).reshape(-1) for name, value in values.items()}
    return pd.DataFrame({"layer": layer, "head": head, **means})


def _maps(encoding: "Encoding") -> np.ndarray:
    if encoding.attention is None:
        raise ValueError("attention was not recorded: call encode(..., attention=True).")
    return encoding.attention


def _probabilities(
    queries: "Tensor", keys: "Tensor", heads: Heads, pads: "Tensor | None"
) -> "Tensor":
    import torch

    n = queries.shape[1]
    q, k = (t.detach()[0].float().view(n, heads.count, -1).transpose(0, 1) for t in (queries, keys))
    scores = q @ k.transpose(1, 2) * heads.scale
    hidden = torch.zeros(n, n, dtype=torch.bool, device=scores.device)
    if heads.bias is None:
        hidden = (~hidden).triu(1)
    else:
        scores = scores + heads.bias(n, n)[0].float()
    if pads is not None:
        hidden = hidden | (pads[0] == 0).to(hidden.device)
    shares: Tensor = scores.masked_fill(hidden, float("-inf")).softmax(dim=-1)
    return shares
