"""Which tokens of a transformer's attention are the text and which the picture.

A transformer puts text and picture into one sequence in an order of its own, and nothing in a call
tells it. It is a property of the network's class, written down here for each class that is known;
``tests/attention/test_layouts.py`` proves every line by changing one word or one place of the
input. The lengths are told by the call and by the latents' size, never inferred from each other:
where they do not add up, the layer is not read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sdlab.attention.layers import OF_PICTURE, OF_TEXT, Layer
from sdlab.attention.layouts_known import (
    CROSS,
    LAYOUTS,
    NATIVE,
    PROCESSORS,
    SELF,
    TEXT_FIRST,
    Layout,
)
from sdlab.attention.network_text import Text, bound, text_of
from sdlab.errors import ModelError


class Places(NamedTuple):
    """Where a layer's tokens are in the sequence of its module.

    Attributes:
        queries: The tokens that look.
        keys: The tokens that they are recorded to look at.
    """

    queries: slice
    keys: slice


def layout_of(network: Any) -> Layout:
    """Return the layout of a network.

    Raises:
        ModelError: If its class is not known.
    """
    for cls in type(network).__mro__:
        if cls.__name__ in LAYOUTS:
            return LAYOUTS[cls.__name__]
    raise ModelError(
        f"The attention of {type(network).__name__} cannot be read: which of its tokens are words"
        " and which are places is not known of this class. Its attention is left out."
    )


def is_known(network: Any) -> bool:
    """Return whether a network is of a class whose layout is known."""
    return any(cls.__name__ in LAYOUTS for cls in type(network).__mro__)


def layers_of(network: Any, size: tuple[int, int]) -> list[Layer]:
    """Return the attention layers of a transformer in calling order.

    Args:
        network: The transformer.
        size: (h, w) of the latents, unpacked.

    Raises:
        ModelError: If its class is not known.
    """
    layout = layout_of(network)
    side = layout.side(network)
    height, width = size[0] // side, size[1] // side
    found: list[Layer] = []
    for name, module, order in _modules(network, layout):
        grid = _heads(network, module), height, width, side
        if order in (CROSS, SELF):
            found.append(Layer(name, order == CROSS, *grid))
        else:
            found.append(Layer(name, True, *grid, joint=True))
            found.append(Layer(f"{name}{OF_PICTURE}", False, *grid, joint=True))
            found.append(Layer(f"{name}{OF_TEXT}", False, *grid, joint=True, of_text=True))
    return found


def text_of_call(network: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Text:
    """Return how long the text of a call of a transformer is.

    Raises:
        ModelError: If its class is not known, or the call has no text.
    """
    return text_of(network, layout_of(network), bound(network, args, kwargs))


def expected(network: Any, layer: Layer, text: Text) -> tuple[int, int]:
    """Return how many queries and keys a layer's module has where it sees what is known."""
    layout, order = layout_of(network), _order(network, layer)
    cells = _padded(layer.cells, layout.multiple) + text.others
    if order in (CROSS, SELF):
        return cells, text.length if order == CROSS else cells
    whole = _before(network, layout) + cells + _padded(text.length, layout.multiple)
    return whole, whole


def places(network: Any, layer: Layer, text: Text, queries: int, keys: int) -> Places:
    """Return where the tokens of a layer are.

    Args:
        network: The transformer.
        layer: One of its layers.
        text: The text of the call.
        queries: Length of the module's sequence of queries.
        keys: Length of its keys.

    Raises:
        ModelError: If the lengths do not add up.
    """
    wanted = expected(network, layer, text)
    if (queries, keys) != wanted:
        raise ModelError(
            f"{layer.name} has {queries} queries and {keys} keys, where a picture of"
            f" {layer.width} x {layer.height} places and a text of {text.length} tokens have"
            f" {wanted[0]} and {wanted[1]}: it sees something else too (another picture, several"
            " frames, merged tokens), which this recorder does not read."
        )
    layout, order = layout_of(network), _order(network, layer)
    if order in (CROSS, SELF):
        cells = slice(0, layer.cells)
        return Places(cells, slice(0, text.length) if order == CROSS else cells)
    start = _before(network, layout)
    if order == TEXT_FIRST:
        words = slice(start, start + text.length)
        cells = slice(words.stop, words.stop + layer.cells)
    else:
        cells = slice(start, start + layer.cells)
        first = start + _padded(layer.cells, layout.multiple) + text.others
        words = slice(first, first + text.length)
    if layer.cross:
        return Places(cells, words)
    return Places(words if layer.of_text else cells, cells)


def head_width(network: Any, layer: Layer) -> int:
    """Return the width of one of a layer's heads."""
    module = network.get_submodule(layer.module)
    for name in ("head_dim", "dim_head"):
        if isinstance(getattr(module, name, None), int):
            return int(getattr(module, name))
    inner = getattr(module, "inner_dim", None) or module.to_q.weight.shape[0]
    return int(inner) // layer.heads


def check_module(name: str, module: Any) -> None:
    """Raise if it is not sure what a module gives to torch's own attention function.

    Raises:
        ModelError: The message says what to switch off.
    """
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    processor: Any = getattr(module, "processor", None)
    kind = type(processor).__name__
    if kind not in PROCESSORS:
        raise ModelError(
            f"{name} computes attention by {kind}, of which it is not known what is a word and what"
            " is a place. Switch off what has put it there, or record no attention."
        )
    if getattr(processor, "_parallel_config", None) is not None:
        raise ModelError(f"{name} is split over several devices; its attention cannot be read.")
    if hasattr(processor, "_attention_backend"):
        backend = processor._attention_backend or _AttentionBackendRegistry.get_active_backend()[0]
        backend = str(getattr(backend, "value", backend))
        if backend not in NATIVE:
            raise ModelError(
                f"{name} computes attention by {backend!r}, which this recorder does not read."
                " Call transformer.set_attention_backend('native') first."
            )


def _modules(network: Any, layout: Layout) -> Iterator[tuple[str, Any, str]]:
    for name, module in network.named_modules():
        for pattern, order in layout.modules.items():
            if re.fullmatch(pattern, name):
                yield name, module, order


def _order(network: Any, layer: Layer) -> str:
    patterns = layout_of(network).modules
    return next(o for pattern, o in patterns.items() if re.fullmatch(pattern, layer.module))


def _before(network: Any, layout: Layout) -> int:
    """Return how many tokens stand before text and picture: registers that the network learned."""
    return int(getattr(network, layout.before).shape[1]) if layout.before else 0


def _padded(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _heads(network: Any, module: Any) -> int:
    for name in ("heads", "num_heads", "n_heads"):
        if isinstance(getattr(module, name, None), int):
            return int(getattr(module, name))
    return int(network.config.num_attention_heads)
