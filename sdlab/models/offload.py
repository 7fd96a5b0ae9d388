"""Runs a pipeline whose weights wait in the machine's memory and come to the device in turn.

Whole parts ("model"): whichever part is called comes, and the one before goes back; the device
holds one at a time, whichever of several runs calls. Layer by layer ("sequential"): accelerate's,
many times slower, for parts that do not fit even alone. What comes out is the same, bit for bit.
"""

from typing import TYPE_CHECKING, Any

from accelerate.hooks import ModelHook, add_hook_to_module
from accelerate.utils import send_to_device

from sdlab.errors import unknown

if TYPE_CHECKING:
    import torch
    from torch import nn

WAYS = ("model", "sequential")


class Turns:
    """Whose turn on the device it is.

    Args:
        device: Where parts compute.
        rest: Where they wait.
    """

    def __init__(self, device: "torch.device", rest: "torch.device") -> None:
        self.device = device
        self.rest = rest
        self.current: nn.Module | None = None

    def take(self, module: "nn.Module") -> None:
        """Bring a part to the device, after the one that was there has gone."""
        if module is self.current:
            return
        if self.current is not None:
            self.current.to(self.rest)
        self.current = None  # if there is no room for the next, none is there
        module.to(self.device)
        self.current = module


class Turn(ModelHook):  # type: ignore[misc]
    """Brings a part to the device when it is called; diffusers asks it where that is."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.execution_device = turns.device

    def pre_forward(self, module: "nn.Module", *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Take the turn, and bring the arguments along."""
        self.turns.take(module)
        device = self.turns.device
        return send_to_device(args, device), send_to_device(kwargs, device)


def check_way(way: str, device: "torch.device") -> None:
    """Raise unless a way of offloading is known and of use on a device.

    Raises:
        ValueError: If it is not.
    """
    if way not in WAYS:
        raise ValueError(unknown("way to offload", way, WAYS))
    if device.type == "cpu":
        raise ValueError(
            f"offload={way!r} is of no use on the CPU, whose memory is where the weights would"
            " wait. Leave it out."
        )


def give_turns(pipeline: Any, device: "torch.device", way: str) -> None:
    """Give the parts of a pipeline turns on a device.

    Args:
        pipeline: On the CPU.
        device: Where it computes.
        way: "model" or "sequential".
    """
    import torch

    modules = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    if way == "sequential":
        from accelerate import cpu_offload

        for module in modules:
            cpu_offload(module, device, offload_buffers=bool(module._parameters))
        return
    turns = Turns(device, torch.device("cpu"))
    for module in modules:
        add_hook_to_module(module, Turn(turns))
