"""The blocks of a diffusers transformer, told from the modules themselves, whatever its class.

A transformer's blocks are the items of its lists of modules that hold attention. What a block is
given and what it gives are told by its ``forward``: ``return encoder_hidden_states, hidden_states``
are the names of two of its own arguments, so a block that is skipped gives these back as they came.
"""

import ast
import inspect
import re
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Any

from sdlab.attention.layers import is_unet
from sdlab.attention.network_text import bound
from sdlab.errors import ModelError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

ALL = "all"
JOINT, SINGLE, PICTURE, TEXT = "joint", "single", "picture", "text"
"""What a block works on: two streams with weights of their own, one of text and picture, the
picture alone, which may look at the text, or the text alone."""
TIMES = ("temb", "timestep", "adaln_input", "emb", "time_embed", "time_embedding", "conditioning")
"""What a block calls the vector that tells it the time."""
_TEXT = re.compile(r"encoder|context|caption|txt|text|_t$")
_MLP = re.compile(r"(^|_)(ff|ffn|mlp|feed_?forward)(_|$)")
_NO_MLP = re.compile(r"norm|proj|(^|_)ln(_|$)")
_MODULATED = re.compile(r"norm|mod|ada", re.IGNORECASE)


def transformer_blocks(network: Any) -> "dict[str, nn.Module]":
    """Return the blocks of a transformer by name, "transformer_blocks.0" and so on, in order.

    Raises:
        ModelError: If it is a U-Net, or none of its lists of modules holds attention.
    """
    from torch import nn

    if is_unet(network) or hasattr(network, "down_blocks"):
        raise ModelError(
            f"The {type(network).__name__} is a U-Net, whose blocks change size and channels: none"
            " can be left out. Its skips, attention and channels can be switched."
        )
    lists = [(n, one) for n, one in network.named_children() if isinstance(one, nn.ModuleList)]
    found = {
        f"{name}.{number}": block
        for name, blocks in lists
        for number, block in enumerate(blocks)
        if any(is_attention(module) for module in block.modules())
    }
    if not found:
        raise ModelError(
            f"The {type(network).__name__} has no list of blocks with attention, so that none of"
            " its blocks can be switched."
        )
    return found


def chosen_blocks(network: Any, name: str) -> "dict[str, nn.Module]":
    """Return the blocks that a name means: one, or "all".

    Raises:
        ValueError: If there is no such block; the message lists those that there are.
        ModelError: If the network has none that can be told.
    """
    found = transformer_blocks(network)
    if name == ALL:
        return found
    if name not in found:
        raise ValueError(unknown("block", name, [ALL, *found]))
    return {name: found[name]}


def is_attention(module: Any) -> bool:
    """Return whether a module computes attention, by what diffusers' attention modules have."""
    return hasattr(module, "processor") or hasattr(module, "to_q")


def is_mlp(name: str) -> bool:
    """Return whether a module is an MLP by its own name, as diffusers has it."""
    return _MLP.search(name) is not None and _NO_MLP.search(name) is None


def streams_of(block: "nn.Module") -> str:
    """Return what a block works on: ``JOINT``, ``SINGLE``, or ``PICTURE`` for one sequence.

    A block that gives back text and picture is joint if parts of it are for the text alone.
    """
    inner = unwrapped(block)
    if not any(is_text(name) for names in _returns(type(inner).forward) for name in names):
        return PICTURE
    return JOINT if any(is_text(name) for name, _ in inner.named_children()) else SINGLE


def unwrapped(block: "nn.Module") -> "nn.Module":
    """Return what a block hands its arguments on to, where that is all that it does."""
    children = dict(block.named_children())
    return children["block"] if list(children) == ["block"] else block


def passed_by(block: "nn.Module", args: Any, kwargs: "Mapping[str, Any]", output: Any) -> Any:
    """Return what a block would put out if it did nothing: what it was given.

    Args:
        block: The block.
        args: Of its call.
        kwargs: Of its call.
        output: What it did put out.

    Raises:
        ModelError: If its code does not tell which of its arguments it gives back.
    """
    given = bound(block, args, kwargs)
    names = _returned(block, output)
    if isinstance(output, tuple):
        pairs = zip(names, output, strict=True)
        return tuple(None if made is None else given[name] for name, made in pairs)
    return given[names[0]]


def with_picture(block: "nn.Module", output: Any, picture: "Tensor") -> Any:
    """Return a block's output with another picture, [B, N, C], in the place of its own."""
    if not isinstance(output, tuple):
        return picture
    place = _place_of_picture(block, output)
    return (*output[:place], picture, *output[place + 1 :])


def picture_of(block: "nn.Module", output: Any) -> "Tensor":
    """Return the picture's part of a block's output, [B, N, C]; text too in a single stream."""
    if not isinstance(output, tuple):
        alone: Tensor = output
        return alone
    part: Tensor = output[_place_of_picture(block, output)]
    return part


def width_of(block: "nn.Module") -> int:
    """Return how many channels the places of a block have: what its first queries are made of.

    Raises:
        ModelError: If its attention has no ``to_q``.
    """
    for module in block.modules():
        for name in ("to_q", "to_qkv", "to_qkv_mlp_proj"):
            if hasattr(module, name):
                return int(getattr(module, name).weight.shape[1])
    raise ModelError(f"The width of a {type(block).__name__} is not known: it has no to_q.")


def mlps_of(name: str, block: "nn.Module") -> "dict[str, nn.Module]":
    """Return the modules of a block whose outputs are its MLPs', by name.

    Args:
        name: Of the block.
        block: The block.

    Raises:
        ModelError: If it has none under a name that diffusers uses.
    """
    found: dict[str, nn.Module] = {}
    for own, module in block.named_modules():
        inside = any(own.startswith(f"{other}.") for other in found)
        if not inside and is_mlp(own.rpartition(".")[2]):
            found[own] = module
    if not found:
        raise ModelError(
            f"{name}, a {type(block).__name__}, has no MLP under a name that is known here."
        )
    return {f"{name}.{own}": one for own, one in found.items()}


def time_argument(name: str, block: "nn.Module") -> str:
    """Return the argument by which a block is told the time.

    Args:
        name: Of the block.
        block: The block.

    Raises:
        ModelError: If it has none, or no scales and shifts of its own.
    """
    asked = inspect.signature(type(block).forward).parameters
    found = next((one for one in TIMES if one in asked), None)
    if found is None:
        raise ModelError(
            f"{name}, a {type(block).__name__}, is told no time by an argument that is known here:"
            f" it has none of {', '.join(TIMES)}."
        )
    if not _modulates(block):
        raise ModelError(
            f"{name}, a {type(block).__name__}, has no scales and shifts of its own that would be"
            " left without the time: they come ready made, or there are none."
        )
    return found


def _modulates(block: "nn.Module") -> bool:
    from torch import nn

    linears = [own for own, one in block.named_modules() if isinstance(one, nn.Linear)]
    tables = [own for own, _ in block.named_parameters() if own.endswith("_table")]
    return bool(tables) or any(_MODULATED.search(own) for own in linears)


def _place_of_picture(block: "nn.Module", output: tuple[Any, ...]) -> int:
    names = _returned(block, output)
    return next(place for place, name in enumerate(names) if not is_text(name))


def _returned(block: "nn.Module", output: Any) -> tuple[str, ...]:
    """Return the arguments whose changed values make up an output.

    Raises:
        ModelError: If the code of the block does not tell.
    """
    count = len(output) if isinstance(output, tuple) else 1
    asked = list(inspect.signature(type(block).forward).parameters)[1:]
    for names in reversed(_returns(type(unwrapped(block)).forward)):
        if len(names) == count and set(names) <= set(asked):
            return names
    if count == 1:
        return (asked[0],)
    raise ModelError(
        f"{type(block).__name__} gives {count} things, and its code does not say which of its"
        " arguments they are, so it cannot be left out."
    )


@cache
def _returns(forward: "Callable[..., Any]") -> tuple[tuple[str, ...], ...]:
    """Return the names in each ``return`` of a block's ``forward``; "" for what has none."""
    try:
        source = inspect.getsource(inspect.unwrap(forward))
    except (OSError, TypeError):
        return ()
    tree = ast.parse(textwrap.dedent(source))
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    parts = [value.elts if isinstance(value, ast.Tuple) else [value] for value in values]
    return tuple(tuple(part.id if isinstance(part, ast.Name) else "" for part in p) for p in parts)


def is_text(name: str) -> bool:
    """Return whether a name is of something of the text."""
    return _TEXT.search(name) is not None
