"""The parts of a denoising network by name: its blocks, attention modules and activations."""

from typing import TYPE_CHECKING, Any

from sdlab.attention.layers import find_layers, is_unet
from sdlab.attention.layouts import is_known
from sdlab.causes.transformer_blocks import (
    ALL,
    PICTURE,
    is_attention,
    streams_of,
    transformer_blocks,
)
from sdlab.errors import ModelError, unknown

if TYPE_CHECKING:
    from torch import nn

ANY = "any"
KINDS = ("cross", "self", ANY)
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
        network: A U-Net or a transformer.
        kind: "cross", "self" or "any".

    Raises:
        ValueError: If there is no such kind.
        ModelError: If it is a transformer without blocks that can be told.
    """
    return list(dict.fromkeys(_block_of(name) for name in _attentions(network, kind)))


def joint_blocks(network: Any) -> list[str]:
    """Return the names of the blocks of a transformer whose attention is of text and picture."""
    both = set(_attentions(network, "cross")) & set(_attentions(network, "self"))
    return list(dict.fromkeys(_block_of(name) for name in both))


def attentions(network: Any, block: str, kind: str) -> "list[nn.Module]":
    """Return the attention modules of a block, of one kind, in calling order.

    Args:
        network: A U-Net or a transformer.
        block: The beginning of their names, or "all".
        kind: "cross" or "self", of which a joint module of a transformer is both, or "any".

    Raises:
        ValueError: If there is no such kind, or the block has none; the message lists those that
            have.
        ModelError: If it is a transformer without blocks that can be told, or computes attention
            and MLP in one product.
    """
    chosen = [name for name in _attentions(network, kind) if within(name, block)]
    if not chosen:
        names = [ALL, *attention_blocks(network, kind)]
        what = "attention" if kind == ANY else f"{kind}-attention"
        raise ValueError(unknown(f"block with {what}", block, names))
    modules = [network.get_submodule(name) for name in chosen]
    for name, module in zip(chosen, modules, strict=True):
        if any("mlp" in own for own, _ in module.named_children()):
            raise ModelError(
                f"{name}, a {type(module).__name__}, computes attention and MLP in one product, so"
                " its attention cannot be switched alone. Skip the block, or choose another one."
            )
    return modules


def activations(network: Any, block: str = ALL) -> "list[nn.Module]":
    """Return the activation modules of a block, each once.

    Raises:
        ValueError: If it has none; the message lists the parts of the network that have.
    """
    from diffusers.models import activations as own
    from torch import nn

    projected = (own.GELU, own.GEGLU, own.ApproximateGELU)
    kinds = (nn.SiLU, nn.GELU, nn.ReLU, nn.Mish, own.FP32SiLU, *projected)
    found = {name: m for name, m in network.named_modules() if isinstance(m, kinds)}
    chosen: list[nn.Module] = [m for name, m in found.items() if within(name, block)]
    if not chosen:
        there = dict.fromkeys(_block_of(name) for name in found)
        raise ValueError(unknown("block with activations", block, [ALL, *there]))
    return chosen


def _attentions(network: Any, kind: str) -> list[str]:
    """Return the names of the attention modules of a kind, each once, in calling order."""
    if kind not in KINDS:
        raise ValueError(unknown("kind of attention", kind, KINDS))
    if is_unet(network):
        return [name for name, kinds in _known(network).items() if kind in (*kinds, ANY)]
    known = _known(network) if is_known(network) else {}
    return [
        name
        for block, module in transformer_blocks(network).items()
        for name in _outermost(block, module)
        if kind == ANY or kind in known.get(name, _guessed(name, module))
    ]


def _known(network: Any) -> dict[str, set[str]]:
    """Return the kinds of the attention modules whose layout is known."""
    found: dict[str, set[str]] = {}
    for layer in find_layers(network, _ANY_SIZE):
        if not layer.of_text:
            found.setdefault(layer.module, set()).add("cross" if layer.cross else "self")
    return found


def _outermost(block: str, module: "nn.Module") -> list[str]:
    found: list[str] = []
    for own, part in module.named_modules(prefix=block):
        if own != block and is_attention(part) and not any(within(own, one) for one in found):
            found.append(own)
    return found


def _guessed(name: str, block: "nn.Module") -> set[str]:
    """Return the kinds of an attention module by its name, as diffusers' authors choose them."""
    own = name.rpartition(".")[2]
    if "2" in own or "cross" in own:
        return {"cross"}
    return {"self"} if "1" in own or streams_of(block) == PICTURE else {"cross", "self"}


def within(name: str, block: str) -> bool:
    """Return whether a module is a block, given by the beginning of its dotted name, or in it."""
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
