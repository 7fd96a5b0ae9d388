"""Runs a pipeline whose weights wait in the machine's memory and come to the device in turn.

Whole parts ("model"): whichever part is called comes, and the one before goes back; the device
holds one at a time, whichever of several runs calls. Layer by layer ("sequential"): accelerate's,
many times slower, for parts that do not fit even alone. What comes out is the same, bit for bit.
"""

from typing import TYPE_CHECKING, Any

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
    from accelerate import cpu_offload
    from accelerate.hooks import add_hook_to_module

    modules = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    turns = Turns(device, torch.device("cpu"))
    for module in modules:
        if way == "sequential":
            cpu_offload(module, device, offload_buffers=bool(module._parameters))
        else:
            add_hook_to_module(module, _turn(turns))


def _turn(turns: Turns) -> Any:
    """Return a hook that brings its part to the device when it is called."""
    from accelerate.hooks import ModelHook
    from accelerate.utils import send_to_device

    class Turn(ModelHook):  # type: ignore[misc]
        execution_device = turns.device  # diffusers asks for it

        def pre_forward(self, module: "nn.Module", *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            turns.take(module)
            return send_to_device(args, turns.device), send_to_device(kwargs, turns.device)

    return Turn()


def decode_in_tiles(pipeline: Any) -> None:
    """Let a pipeline's VAE work on large pictures tile by tile, if it can."""
    vae: Any = getattr(pipeline, "vae", None)
    if hasattr(vae, "enable_tiling"):
        vae.enable_tiling()
