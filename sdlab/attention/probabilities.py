"""Attention probabilities, computed from queries and keys in pieces of bounded size.

A[i, j] = softmax_j(q_i . k_j scale + mask_ij), in float32 (float64 for a float64 network) over all
keys, whatever the network computes in. The network's fast attention returns no probabilities, so
they are computed here again, as ``upcast_attention`` and ``upcast_softmax`` would: never less
exactly than the network does.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

# Scores of one piece.
CHUNK_BYTES = 16 * 2**20


class Scores(NamedTuple):
    """What the probabilities of one layer follow from.

    Attributes:
        query: [B, H, N, d].
        key: [B, H, L, d].
        scale: Factor of q k^T.
        keys: The keys whose probabilities are wanted, among the L of the softmax.
        mask: Broadcast to [B, H, N, L]; true where a query may look, or what is added to a score.
        texts: Positions of each row's text, where they are not those of the sequence.
        total: The logarithm of the sum of all keys' exponentials, [B, H, N], if the network has
            computed it; then ``key`` has only those wanted.
    """

    query: "Tensor"
    key: "Tensor"
    scale: float
    keys: slice
    mask: "Tensor | None" = None
    texts: tuple[int, ...] | None = None
    total: "Tensor | None" = None

    def rows(self, rows: list[int]) -> "Scores":
        """Return those of some rows of the batch."""
        mask = self.mask if self.mask is None or len(self.mask) == 1 else _rows(self.mask, rows)
        texts = None if self.texts is None else tuple(self.texts[row] for row in rows)
        query, key = _rows(self.query, rows), _rows(self.key, rows)
        total = None if self.total is None else _rows(self.total, rows)
        return self._replace(query=query, key=key, mask=mask, texts=texts, total=total)


def joined(scores: "list[Scores]") -> Scores:
    """Return those of layers alike, none with a mask, as rows of one batch."""
    import torch

    if len(scores) == 1:
        return scores[0]
    query = torch.cat([one.query for one in scores])
    totals = [one.total for one in scores if one.total is not None]
    total = torch.cat(totals) if totals else None
    return scores[0]._replace(query=query, key=torch.cat([one.key for one in scores]), total=total)


def chunks(scores: Scores) -> "Iterator[Tensor]":
    """Yield the probabilities of all keys given, [B, H, n, L], for n queries at a time.

    Keys come last: over another side torch's float32 softmax of 700 keys sums to 1 within 1e-5
    only, over the last within 2e-7, in the same time.
    """
    import torch

    k = (_wide(scores.key) * scores.scale).mT
    start, query_bytes = 0, k[:, :, 0].numel() * k.element_size()
    for part in scores.query.split(max(1, CHUNK_BYTES // query_bytes), dim=2):
        found = _wide(part).matmul(k)
        stop = start + part.shape[2]
        if scores.total is None:
            _hide(found, scores.mask, slice(start, stop))
            torch.softmax(found, -1, out=found)
        else:
            found.sub_(scores.total[:, :, start:stop, None]).exp_()
        start = stop
        yield found


def reduce_heads(probabilities: "Tensor", how: str) -> "Tensor":
    """Return [B, heads or 1, ...]: the heads' mean or max, or all of them."""
    if how == "all":
        return probabilities
    if how == "max":
        return probabilities.amax(1, keepdim=True)
    return probabilities.mean(1, keepdim=True)


def cross_maps(scores: Scores, how: str, dtype: str, tokens: int) -> "Tensor":
    """Return the maps of the first ``tokens`` keys wanted, [B, heads or 1, tokens, N]."""
    return _maps(scores, how, dtype, tokens)[0]


def joint_maps(scores: Scores, how: str, dtype: str, tokens: int) -> "tuple[Tensor, Tensor]":
    """Return the maps as ``cross_maps``, and the share of all keys wanted, [B, heads or 1, N]."""
    whole, share = _maps(scores, how, dtype, tokens, shared=True)
    assert share is not None
    return whole, share


def self_maps(scores: Scores, how: str, dtype: str) -> "Tensor":
    """Return where each query looks, [B, heads or 1, N, keys wanted]: queries, then keys."""
    query, keys = scores.query, scores.keys
    whole = _empty(scores, how, dtype, query.shape[2], keys.stop - keys.start)
    start = 0
    for p in chunks(scores):
        stop = start + p.shape[2]
        whole[:, :, start:stop] = reduce_heads(p[..., keys], how)
        start = stop
    return whole


def _maps(
    scores: Scores, how: str, dtype: str, tokens: int, shared: bool = False
) -> "tuple[Tensor, Tensor | None]":
    whole = _empty(scores, how, dtype, tokens, scores.query.shape[2])
    share = whole.new_empty(*whole.shape[:2], whole.shape[3]) if shared else None
    start, first = 0, scores.keys.start
    for p in chunks(scores):
        stop = start + p.shape[2]
        whole[..., start:stop] = reduce_heads(p[..., first : first + tokens], how).mT
        if share is not None:
            share[..., start:stop] = reduce_heads(p[..., scores.keys].sum(-1), how)
        start = stop
    return whole, share


def _hide(found: "Tensor", mask: "Tensor | None", queries: slice) -> None:
    """Apply a mask to the scores [B, H, n, L] of some queries."""
    import torch

    if mask is None:
        return
    own = mask if mask.shape[2] == 1 else mask[:, :, queries]
    if own.dtype == torch.bool:
        found.masked_fill_(~own, -torch.inf)
    else:
        found += own


def _empty(scores: Scores, how: str, dtype: str, rows: int, columns: int) -> "Tensor":
    import torch

    query = scores.query
    shape = len(query), query.shape[1] if how == "all" else 1, rows, columns
    return torch.empty(shape, dtype=getattr(torch, dtype), device=query.device)


def _rows(x: "Tensor", rows: list[int]) -> "Tensor":
    if rows == list(range(rows[0], rows[-1] + 1)):
        return x[rows[0] : rows[-1] + 1]
    return x[rows]


def _wide(x: "Tensor") -> "Tensor":
    return x if x.dtype.itemsize > 4 else x.float()
