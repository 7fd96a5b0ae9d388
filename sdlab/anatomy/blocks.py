"""The blocks of a network, under the names that diffusers gives them.

A block is the smallest part that a drawing of the network would show as a box: a ResBlock, a
transformer (self-attention, cross-attention and MLP at one place), a resampling convolution, the
first and the last convolution, the time embedding; of a transformer one of its layers. Lists are
opened, and so are the stages of a U-Net, which hold ``resnets``, ``attentions`` and resamplers.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

STAGE_LISTS = ("resnets", "attentions", "downsamplers", "upsamplers", "motion_modules")
KINDS = {
    "resnet": "ResBlock",
    "attention": "attention",
    "downsample": "downsampling",
    "upsample": "upsampling",
    "time": "time embedding",
    "layer": "transformer layer",
    "text": "text embedding",
    "norm": "normalisation",
    "in": "input",
    "out": "output",
}
"""What kinds there are, in words."""


def blocks_of(network: "nn.Module") -> "dict[str, nn.Module]":
    """Return the blocks that have weights by their dotted names, in the order of definition.

    Args:
        network: A U-Net, a transformer, or a part of one such as a VAE's decoder.
    """
    found: dict[str, nn.Module] = {}
    for name, child in network.named_children():
        _open(name, child, found)
    return {name: block for name, block in found.items() if _has_weights(block)}


def kind_of(name: str, block: "nn.Module") -> str:
    """Return the kind of a block in words, a value of ``KINDS``."""
    last = next(part for part in reversed(name.split(".")) if not part.isdigit())
    kind = type(block).__name__.lower()
    if last in ("resnets", "attentions", "motion_modules"):
        return KINDS["resnet" if last == "resnets" else "attention"]
    if last in ("downsamplers", "upsamplers"):
        return KINDS[last.removesuffix("rs")]
    if "time" in last or "adaln" in last:
        return KINDS["time"]
    if name.rpartition(".")[2].isdigit():
        return KINDS["layer"]
    if any(word in last for word in ("context", "caption", "text", "encoder_hid", "add_embedding")):
        return KINDS["text"]
    if "norm" in kind or "norm" in last:
        return KINDS["norm"]
    return KINDS["out" if "out" in last or "final" in last else "in"]


def stage_of(name: str) -> str:
    """Return the stage that a block belongs to: "down 0", "middle", "up 2", or "" outside."""
    first, _, rest = name.removeprefix("encoder.").removeprefix("decoder.").partition(".")
    if first in ("down_blocks", "up_blocks"):
        return f"{first.removesuffix('_blocks')} {rest.partition('.')[0]}"
    return "middle" if first == "mid_block" else ""


def _open(name: str, module: "nn.Module", found: "dict[str, nn.Module]") -> None:
    from torch import nn

    children = dict(module.named_children())
    if isinstance(module, (nn.ModuleList, nn.ModuleDict)) or set(children) & set(STAGE_LISTS):
        for own, child in children.items():
            _open(f"{name}.{own}", child, found)
    else:
        found[name] = module


def _has_weights(block: "nn.Module") -> bool:
    return next(block.parameters(), None) is not None
