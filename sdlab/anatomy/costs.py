r"""How many multiply-adds a call of a network takes, block by block.

One multiply-add is one multiplication and the addition of its product: two floating-point
operations. Counted are the products of matrices, where nearly all of the work is:

    linear      places x in x out
    convolution output places x out x (in / groups) x kernel
    attention   queries x keys x width for q k^T, and as many again for the weights times v

Biases, normalisations, activations, softmax and sums are left out, as ``torch.utils.flop_counter``
leaves them out; its figures are twice these.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

OUTSIDE = ""
"""Under this name stands what is computed in no block."""


class _Counting(TorchFunctionMode):
    """Adds up the multiply-adds of what torch is asked for, under the name of the current block."""

    def __init__(self) -> None:
        super().__init__()
        self.block = OUTSIDE
        self.counts: dict[str, int] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = _COUNTED.get(func)
        if count is not None:
            added = count(out, *args, **(kwargs or {}))
            self.counts[self.block] = self.counts.get(self.block, 0) + added
        return out


@contextmanager
def counting(blocks: "Mapping[str, nn.Module]") -> "Iterator[dict[str, int]]":
    """Count the multiply-adds of what is computed inside the ``with``, by block.

    Args:
        blocks: By name; what is computed outside of them is counted under ``OUTSIDE``.
    """
    handles: list[Any] = []
    with _Counting() as mode:
        try:
            for name, block in blocks.items():
                handles.append(block.register_forward_pre_hook(_enter(mode, name)))
                handles.append(block.register_forward_hook(_leave(mode), always_call=True))
            yield mode.counts
        finally:
            for handle in handles:
                handle.remove()


def _enter(mode: _Counting, name: str) -> "Callable[..., None]":
    def hook(module: Any, args: Any) -> None:
        mode.block = name

    return hook


def _leave(mode: _Counting) -> "Callable[..., None]":
    def hook(module: Any, args: Any, output: Any) -> None:
        mode.block = OUTSIDE

    return hook


def _linear(out: "Tensor", x: "Tensor", *args: Any, **kwargs: Any) -> int:
    return out.numel() * x.shape[-1]


def _convolution(
    out: "Tensor", input: "Tensor", weight: "Tensor", *args: Any, **kwargs: Any
) -> int:
    return out.numel() * math.prod(weight.shape[1:])  # weight [out, in / groups, kernel ...]


def _transposed(out: "Tensor", input: "Tensor", weight: "Tensor", *args: Any, **kwargs: Any) -> int:
    return input.numel() * math.prod(weight.shape[1:])  # weight [in, out / groups, kernel ...]


def _attention(
    out: "Tensor", query: "Tensor", key: "Tensor", value: "Tensor", *args: Any, **kwargs: Any
) -> int:
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


def _product(out: "Tensor", first: "Tensor", second: "Tensor", *args: Any, **kwargs: Any) -> int:
    return out.numel() * first.shape[-1]


def _added(
    out: "Tensor", before: "Tensor", first: "Tensor", second: "Tensor", *args: Any, **kwargs: Any
) -> int:
    return out.numel() * first.shape[-1]


_COUNTED: "dict[Any, Callable[..., int]]" = {
    functional.linear: _linear,
    torch.conv1d: _convolution,
    torch.conv2d: _convolution,
    torch.conv3d: _convolution,
    torch.conv_transpose1d: _transposed,
    torch.conv_transpose2d: _transposed,
    torch.conv_transpose3d: _transposed,
    functional.scaled_dot_product_attention: _attention,
    torch.matmul: _product,
    torch.Tensor.matmul: _product,
    torch.Tensor.__matmul__: _product,
    torch.bmm: _product,
    torch.baddbmm: _added,
}
