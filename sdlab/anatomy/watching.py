"""Hooks that hand out what blocks of a network compute, and are gone afterwards.

They return nothing, so the network computes what it would have computed without them. What they
hand out is the network's own tensor: whoever keeps it copies it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Take = Callable[[str, tuple[Any, ...], Any], None]
"""Takes a block's name, its positional inputs and its output."""


@contextmanager
def watching(blocks: "Mapping[str, nn.Module]", take: Take) -> Iterator[None]:
    """Call ``take(name, inputs, output)`` whenever a block has computed, inside the ``with``.

    Args:
        blocks: By name.
        take: Must not change what it is given.
    """

    def after(name: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, kwargs: Any, output: Any) -> None:
            take(name, (*args, *kwargs.values()), output)

        return hook

    handles: list[Any] = []
    try:
        for name, block in blocks.items():
            handles.append(block.register_forward_hook(after(name), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def timing(blocks: "Mapping[str, nn.Module]", device: "torch.device") -> Iterator[dict[str, float]]:
    """Give a table of the milliseconds that each block took inside the ``with``, all its calls.

    On CUDA the device is waited for before and after each block, so a call takes longer than
    without this; the blocks' shares of it hold.

    Args:
        blocks: By name.
        device: Where they compute.
    """
    import torch

    spent: dict[str, float] = {}
    began: dict[str, float] = {}

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    def before(name: str) -> Callable[..., None]:
        def hook(module: Any, args: Any) -> None:
            began[name] = now()

        return hook

    def after(name: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, output: Any) -> None:
            spent[name] = spent.get(name, 0.0) + 1e3 * (now() - began[name])

        return hook

    with hooked(blocks, before, after):
        yield spent


@contextmanager
def hooked(
    blocks: "Mapping[str, nn.Module]",
    before: Callable[[str], Callable[..., None]],
    after: Callable[[str], Callable[..., None]],
) -> Iterator[None]:
    """Hook into each block within the ``with``; whatever happens, the hooks are gone after it.

    Args:
        blocks: By name.
        before: Of a block's name, the hook for what it is given.
        after: Likewise for what it puts out.
    """
    handles: list[Any] = []
    try:
        for name, block in blocks.items():
            handles.append(block.register_forward_pre_hook(before(name)))
            handles.append(block.register_forward_hook(after(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def tensors_in(output: Any) -> "list[Tensor]":
    """Return the tensors of what a block puts out, however it packs them, in order."""
    import torch

    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        return [tensor for part in output for tensor in tensors_in(part)]
    return []


def picture_in(output: Any, size: tuple[int, int]) -> "Tensor | None":
    """Return what a block puts out of the picture's places, [B, C, h, w]; None if there is none.

    A transformer's rows [B, N, C] are laid out again where N is the grid of the latents, whole or
    in patches of 2, 4, 8 or 16.

    Args:
        output: Of a block.
        size: (h, w) of the latents.
    """
    rows = []
    for tensor in tensors_in(output):
        if tensor.ndim == 4:
            return tensor
        if tensor.ndim == 3:
            rows.append(tensor)
    for side in (1, 2, 4, 8, 16):
        height, width = size[0] // side, size[1] // side
        for tensor in rows:
            if height * width and tensor.shape[1] == height * width:
                grid: Tensor = tensor.transpose(1, 2).unflatten(2, (height, width))
                return grid
    return None
