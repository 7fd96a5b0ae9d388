"""Which tokens of a transformer's attention are the text and which the picture.

A transformer puts text and picture into one sequence in an order of its own, and nothing in a call
tells it. It is a property of the network's class, written down here for each class that is known;
``tests/attention/test_layouts.py`` proves every line by changing one word or one place of the
input. The lengths are told by the call and by the latents' size, never inferred from each other:
where they do not add up, the layer is not read.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sdlab.attention.layers import OF_PICTURE, OF_TEXT, Layer
from sdlab.errors import ModelError

TEXT_FIRST = "text, picture"
PICTURE_FIRST = "picture, text"
CROSS = "cross"
SELF = "self"
# Attention backends of diffusers that call torch's scaled_dot_product_attention.
NATIVE = ("native", "_native_cudnn", "_native_efficient", "_native_flash", "_native_math")


class Layout(NamedTuple):
    """How a class of networks lays out its attention.

    Attributes:
        modules: Pattern of a module's dotted name -> the order of its tokens.
        pack: Cells along a side that the pipeline packs into one token before the network.
        text: The argument of the network's call whose second side is the text's length.
    """

    modules: Mapping[str, str]
    pack: int = 1
    text: str = "encoder_hidden_states"


BLOCKS = r"transformer_blocks\.\d+\.attn"
SINGLE = r"single_transformer_blocks\.\d+\.attn"
_FLUX = Layout({BLOCKS: TEXT_FIRST, SINGLE: TEXT_FIRST}, pack=2)

LAYOUTS: Mapping[str, Layout] = {
    "SD3Transformer2DModel": Layout({BLOCKS: PICTURE_FIRST, rf"{BLOCKS}2": SELF}),
    "FluxTransformer2DModel": _FLUX,
}


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


def layers_of(network: Any, size: tuple[int, int]) -> list[Layer]:
    """Return the attention layers of a transformer in calling order.

    Args:
        network: The transformer.
        size: (h, w) of the latents, unpacked.

    Raises:
        ModelError: If its class is not known.
    """
    layout = layout_of(network)
    side = layout.pack * _patch(network)
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


def text_length(network: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Return how many text tokens a call gives to a transformer.

    Args:
        network: The transformer.
        args: Of the call.
        kwargs: Of the call.

    Raises:
        ModelError: If the call has no text.
    """
    import inspect

    name = layout_of(network).text
    given = inspect.signature(network.forward).bind_partial(*args, **kwargs).arguments
    text = given.get(name, given.get("kwargs", {}).get(name))
    if text is None:
        raise ModelError(f"{type(network).__name__} was called without {name}, its text.")
    return int(text.shape[1])


def places(network: Any, layer: Layer, text: int, queries: int, keys: int) -> Places:
    """Return where the tokens of a layer are.

    Args:
        network: The transformer.
        layer: One of its layers.
        text: Length of the text.
        queries: Length of the module's sequence of queries.
        keys: Length of its keys.

    Raises:
        ModelError: If the lengths do not add up.
    """
    order = _order(network, layer)
    if order in (CROSS, SELF):
        wanted = layer.cells, text if order == CROSS else layer.cells
    else:
        wanted = layer.cells + text, layer.cells + text
    if (queries, keys) != wanted:
        raise ModelError(
            f"{layer.name} has {queries} queries and {keys} keys, where a picture of"
            f" {layer.width} x {layer.height} places and a text of {text} tokens have {wanted[0]}"
            f" and {wanted[1]}: it sees something else too (another picture, several frames,"
            " merged tokens), which this recorder does not read."
        )
    if order in (CROSS, SELF):
        return Places(slice(0, queries), slice(0, keys))
    first, second = (text, layer.cells) if order == TEXT_FIRST else (layer.cells, text)
    parts = slice(0, first), slice(first, first + second)
    words, cells = parts if order == TEXT_FIRST else parts[::-1]
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
    """Raise if a module's attention is not computed by torch's own function.

    Raises:
        ModelError: The message says what to switch off.
    """
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    processor: Any = getattr(module, "processor", None)
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


def _patch(network: Any) -> int:
    patch = getattr(network.config, "patch_size", None) or 1
    return int(patch if isinstance(patch, int) else patch[-1])


def _heads(network: Any, module: Any) -> int:
    for name in ("heads", "num_heads", "n_heads"):
        if isinstance(getattr(module, name, None), int):
            return int(getattr(module, name))
    return int(network.config.num_attention_heads)
