"""Large attention on a CPU in slices, so that others may go first in its midst.

Attention over a large picture is one operation that takes a minute: 65,536 places at 2048x2048.
torch's kernel for a CPU (``cpu_flash_attention``) computes it block by block, each block of 256
queries of each head by itself. Slices of whole blocks are therefore the same blocks, and the result
the same bit for bit; whether that holds is tried once for each kind before it is relied on.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from sdlab.attention.interception import ARGUMENTS, is_flash_on_cpu

BLOCK = 256
LARGE = 2**30
"""From how many multiplications of queries with keys attention is computed in slices."""


class SlicedAttention(TorchFunctionMode):
    """While it is on, large attention is computed in slices.

    Args:
        between: Called between two slices.
    """

    def __init__(self, between: Callable[[], None]) -> None:
        super().__init__()
        self._between = between

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Pass a call on, or compute large attention in slices."""
        if func is scaled_dot_product_attention:
            given = {**dict(zip(ARGUMENTS, args, strict=False)), **(kwargs or {})}
            if _is_large(given) and is_flash_on_cpu(given) and _is_exact(*_kind(given)):
                scale = given.get("scale")
                return sliced(
                    given["query"], given["key"], given["value"], scale, slice_size(), self._between
                )
        return func(*args, **(kwargs or {}))


def sliced(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float | None,
    size: int,
    between: Callable[[], None],
) -> Tensor:
    """Return attention [B, H, N, d], computed head by head, ``size`` queries at a time.

    Args:
        query: [B, H, N, d].
        key: [B, H, L, d].
        value: [B, H, L, d].
        scale: Factor of q k^T; None for d^-0.5.
        size: Queries of a slice, whole blocks; the last slice is longer.
        between: Called after each.
    """
    batch, heads, count, width = query.shape
    shape = (batch, count, heads, width)  # as the kernel lays it out
    out = torch.empty(shape, dtype=query.dtype, device=query.device).transpose(1, 2)
    starts = range(0, max(1, count - size + 1), size)
    for row in range(batch):
        for head in range(heads):
            place = slice(row, row + 1), slice(head, head + 1)
            for start in starts:
                end = count if start == starts[-1] else start + size
                out[(*place, slice(start, end))] = scaled_dot_product_attention(
                    query[(*place, slice(start, end))], key[place], value[place], scale=scale
                )
                between()
    return out


def slice_size() -> int:
    """Return how many queries a slice has: whole blocks, enough of them for every thread."""
    return BLOCK * max(4, 2 * torch.get_num_threads())


def _is_large(given: Mapping[str, Any]) -> bool:
    query, key = given["query"], given["key"]
    work = query.numel() * key.shape[-2]
    return bool(work >= LARGE and query.shape[-2] >= 2 * slice_size())


def _kind(given: Mapping[str, Any]) -> tuple[torch.dtype, int, int]:
    return given["query"].dtype, given["query"].shape[-1], torch.get_num_threads()


@cache
def _is_exact(dtype: torch.dtype, width: int, threads: int) -> bool:
    """Return whether slices give the same bits on this processor, tried on random numbers."""
    size = slice_size()
    generator = torch.Generator().manual_seed(0)
    shape = (1, 2, 2 * size + 77, width)
    q, k, v = (torch.randn(shape, generator=generator).to(dtype) for _ in range(3))
    whole = scaled_dot_product_attention(q, k, v)
    return bool(torch.equal(whole, sliced(q, k, v, None, size, lambda: None)))
