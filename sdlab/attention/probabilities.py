"""Attention probabilities, computed from queries and keys in pieces of bounded size.

A[i, j] = softmax_j(q_i . k_j scale), in float32 (float64 for a float64 network) over all keys,
whatever the network computes in. The network's fast attention returns no probabilities, so they are
computed here again, as ``upcast_attention`` and ``upcast_softmax`` would: never less exactly than
the network does.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Scores of one piece.
CHUNK_BYTES = 16 * 2**20


def chunks(query: "Tensor", key: "Tensor", heads: int, scale: float) -> "Iterator[Tensor]":
    """Yield the probabilities, [B, heads, L, n], for n queries at a time.

    Keys come before queries because maps are kept so, and because it is quicker on a CPU.

    Args:
        query: [B, N, heads * d].
        key: [B, L, heads * d].
        heads: Attention heads.
        scale: Factor of the scores.
    """
    import torch

    q = query.unflatten(-1, (heads, -1)).permute(0, 2, 3, 1)
    k = _wide(key.unflatten(-1, (heads, -1)).transpose(1, 2)) * scale
    query_bytes = len(query) * heads * key.shape[1] * k.element_size()
    for part in q.split(max(1, CHUNK_BYTES // query_bytes), dim=-1):
        scores = k.matmul(_wide(part))
        yield torch.softmax(scores, -2, out=scores)


def reduce_heads(probabilities: "Tensor", how: str) -> "Tensor":
    """Return [B, heads or 1, ...]: the heads' mean or max, or all of them."""
    if how == "all":
        return probabilities
    if how == "max":
        return probabilities.amax(1, keepdim=True)
    return probabilities.mean(1, keepdim=True)


def cross_maps(
    query: "Tensor", key: "Tensor", heads: int, scale: float, how: str, dtype: str, tokens: int
) -> "Tensor":
    """Return the maps of the first ``tokens`` keys, [B, heads or 1, tokens, N]."""
    whole = _empty(query, heads, how, dtype, tokens, query.shape[1])
    start = 0
    for p in chunks(query, key, heads, scale):
        stop = start + p.shape[-1]
        whole[..., start:stop] = reduce_heads(p[:, :, :tokens], how)
        start = stop
    return whole


def self_maps(
    query: "Tensor", key: "Tensor", heads: int, scale: float, how: str, dtype: str
) -> "Tensor":
    """Return where each place looks, [B, heads or 1, N, N]: queries, then keys."""
    whole = _empty(query, heads, how, dtype, query.shape[1], key.shape[1])
    start = 0
    for p in chunks(query, key, heads, scale):
        stop = start + p.shape[-1]
        whole[:, :, start:stop] = reduce_heads(p, how).mT
        start = stop
    return whole


def _empty(query: "Tensor", heads: int, how: str, dtype: str, rows: int, columns: int) -> "Tensor":
    import torch

    shape = len(query), heads if how == "all" else 1, rows, columns
    return torch.empty(shape, dtype=getattr(torch, dtype), device=query.device)


def _wide(x: "Tensor") -> "Tensor":
    return x if x.dtype.itemsize > 4 else x.float()
