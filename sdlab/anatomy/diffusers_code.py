"""The code that computes a block of a loaded network: its class's own ``forward`` in diffusers.

Where ``sdlab.reference`` has no code of its own, the loaded implementation itself is shown, with
the lines marked that call the block's attention and its MLPs.
"""

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

from sdlab.anatomy.reference_code import Excerpt, excerpt
from sdlab.causes.transformer_blocks import is_attention, is_mlp, unwrapped

if TYPE_CHECKING:
    from torch import nn


def diffusers_code(network: "nn.Module", block: str) -> Excerpt | None:
    """Return the ``forward`` of a block's class, the lines with attention and MLP marked.

    Args:
        network: The loaded network.
        block: The name of one of its blocks.

    Returns:
        None if it is one of torch's own layers, or its code is not to be had.
    """
    module = unwrapped(network.get_submodule(block))
    if type(module).__module__.startswith("torch."):
        return None
    forward: Any = inspect.unwrap(type(module).forward)
    try:
        found = excerpt(forward)
    except OSError:
        return None
    parts = {name for name, one in module.named_children() if is_attention(one) or is_mlp(name)}
    return found.marking(_calls("\n".join(found.lines), parts, found.first))


def _calls(source: str, parts: set[str], first: int) -> tuple[int, ...]:
    """Return the numbers of the lines in which ``self.<part>`` is called, or handed to a call."""
    lines = set()
    for node in ast.walk(ast.parse(textwrap.dedent(source))):
        if isinstance(node, ast.Call):
            used = [one for one in (node.func, *node.args) if isinstance(one, ast.Attribute)]
            lines |= {one.lineno for one in used if _is_own(one) and one.attr in parts}
    return tuple(first + line - 1 for line in sorted(lines))


def _is_own(attribute: ast.Attribute) -> bool:
    return isinstance(attribute.value, ast.Name) and attribute.value.id == "self"
