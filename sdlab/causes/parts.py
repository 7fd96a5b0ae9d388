"""The parts of a denoising network by name: its blocks, attention modules and activations."""

from typing import TYPE_CHECKING, Any

from sdlab.attention.layers import Layer, find_layers, is_unet
from sdlab.errors import ModelError, unknown

if TYPE_CHECKING:
    from torch import nn

KINDS = ("cross", "self")
ALL = "all"
_ANY_SIZE = (64, 64)  # the layers' names do not depend on it


def blocks(network: Any) -> list[str]:
    """Return the names of a U-Net's blocks in calling order.

    Raises:
        ModelError: If it is no U-Net.
    """
    _check_unet(network)
    down = [f"down_blocks.{i}" for i in range(len(network.down_blocks))]
    middle = ["mid_block"] if network.mid_block is not None else []
    return [*down, *middle, *up_blocks(network)]


def up_blocks(network: Any) -> list[str]:
    """Return the names of a U-Net's up blocks, which take its skip connections.

    Raises:
        ModelError: If it is no U-Net.
    """
    _check_unet(network)
    return [f"up_blocks.{i}" for i in range(len(network.up_blocks))]


def chosen_up_blocks(network: Any, block: str) -> list[str]:
    """Return the up blocks that a name means: one, or "all".

    Raises:
        ValueError: If there is no such block; the message lists those that there are.
        ModelError: If the network is no U-Net.
    """
    names = up_blocks(network)
    if block == ALL:
        return names
    if block not in names:
        raise ValueError(unknown("up block", block, [ALL, *names]))
    return [block]


def attention_blocks(network: Any, kind: str = "cross") -> list[str]:
    """Return the names of the blocks of a network that have attention of a kind.

    Args:
        network: A U-Net, or a transformer whose layout is known.
        kind: "cross" or "self".

    Raises:
        ValueError: If there is no such kind.
        ModelError: If it is a transformer of a class that is not known.
    """
    return list(dict.fromkeys(_block_of(layer.module) for layer in _layers(network, kind)))


def attentions(network: Any, block: str, kind: str) -> "list[nn.Module]":
    """Return the attention modules of a block, of one kind, in calling order.

    Args:
        network: A U-Net, or a transformer whose layout is known.
        block: The beginning of their names, or "all".
        kind: "cross" or "self"; a joint module of a transformer is both.

    Raises:
        ValueError: If there is no such kind, or the block has none; the message lists those that
            have.
        ModelError: If it is a transformer of a class that is not known.
    """
    found = [layer.module for layer in _layers(network, kind)]
    chosen = dict.fromkeys(name for name in found if _within(name, block))
    if not chosen:
        names = [ALL, *attention_blocks(network, kind)]
        raise ValueError(unknown(f"block with {kind}-attention", block, names))
    return [network.get_submodule(name) for name in chosen]


def activations(network: Any, block: str = ALL) -> "list[nn.Module]":
    """Return the activation modules of a block, each once.

    Raises:
        ValueError: If it has none; the message lists the parts of the network that have.
    """
    from torch import nn

    kinds = (nn.SiLU, nn.GELU, nn.ReLU, nn.Mish)
    found = {name: m for name, m in network.named_modules() if isinstance(m, kinds)}
    chosen: list[nn.Module] = [m for name, m in found.items() if _within(name, block)]
    if not chosen:
        there = dict.fromkeys(_block_of(name) for name in found)
        raise ValueError(unknown("block with activations", block, [ALL, *there]))
    return chosen


def _layers(network: Any, kind: str) -> list[Layer]:
    if kind not in KINDS:
        raise ValueError(unknown("kind of attention", kind, KINDS))
    layers = [layer for layer in find_layers(network, _ANY_SIZE) if not layer.of_text]
    return [layer for layer in layers if layer.cross == (kind == "cross")]


def _within(name: str, block: str) -> bool:
    return block == ALL or f"{name}.".startswith(f"{block}.")


def _block_of(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if len(parts) > 1 and parts[1].isdigit() else parts[0]


def _check_unet(network: Any) -> None:
    if not is_unet(network):
        raise ModelError(
            f"The {type(network).__name__} is no U-Net: it has no skip connections and no blocks"
            " whose channels could be switched. Attention, activation and timestep can be."
        )
