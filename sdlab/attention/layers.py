"""The attention layers of a network: their names, sizes and heads, and whether they can be read.

A layer's name is the dotted path of its attention module, the same in every model of a family:
``up_blocks.1.attentions.0.transformer_blocks.0.attn2``. The grid that it works on follows from the
latents' own height and width, halved once for every downsampling before it (``layouts``: divided by
the patch of a transformer); never from the square root of its token count, so non-square pictures
are right.

In a joint transformer text and picture stand in one softmax. Its modules are up to three layers:
by its own name how the picture looks at the text; ``.picture`` after it, at itself; ``.text`` after
it, how the text looks at the picture.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sdlab.errors import ModelError, unknown

# Processors that compute plain softmax(q k^T scale) v, by whatever kernel.
PLAIN = (
    "AttnProcessor",
    "AttnProcessor2_0",
    "SlicedAttnProcessor",
    "XFormersAttnProcessor",
    "FusedAttnProcessor2_0",
)
SHARE = re.compile(r"1/(\d+)")
SIZE = re.compile(r"(\d+)x(\d+)")
OF_PICTURE, OF_TEXT = ".picture", ".text"


@dataclass(frozen=True)
class Layer:
    """One attention layer.

    Attributes:
        name: Dotted path in the network.
        cross: Whether its keys are the text; else the picture's own cells.
        heads: Attention heads.
        height: Rows of its grid.
        width: Columns of its grid.
        share: How many latent cells along a side one of its cells covers: 1, 2, 4, 8.
        joint: Whether text and picture stand in one softmax: what a place gives to the words sums
            to the text's share, not to 1.
        of_text: Whether it is the text that looks at the picture.
    """

    name: str
    cross: bool
    heads: int
    height: int
    width: int
    share: int
    joint: bool = False
    of_text: bool = False

    @property
    def module(self) -> str:
        """Dotted path of its attention module."""
        if not self.joint or self.cross:
            return self.name
        return self.name.removesuffix(OF_TEXT if self.of_text else OF_PICTURE)

    @property
    def cells(self) -> int:
        """Places of the grid."""
        return self.height * self.width

    @property
    def size(self) -> str:
        """The grid as text, width first, as for pictures: '24x16'."""
        return f"{self.width}x{self.height}"


def find_layers(network: Any, size: tuple[int, int]) -> list[Layer]:
    """Return the attention layers of a network in calling order.

    Args:
        network: A U-Net or a transformer.
        size: (h, w) of the latents.

    Raises:
        ModelError: If it is of a class whose attention this recorder does not know.
    """
    if not is_unet(network):
        from sdlab.attention.layouts import layers_of

        return layers_of(network, size)
    levels = _levels(network)
    found = []
    for block in levels:
        for name, module in network.get_submodule(block).named_modules(prefix=block):
            if name.rpartition(".")[2] in ("attn1", "attn2"):
                height, width = _halved(network, size, levels[block])
                cross = bool(module.is_cross_attention)
                found.append(Layer(name, cross, module.heads, height, width, 2 ** levels[block]))
    return found


def is_unet(network: Any) -> bool:
    """Return whether a network is one of Stable Diffusion's U-Nets, by the names of its blocks."""
    return all(hasattr(network, name) for name in ("down_blocks", "mid_block", "up_blocks"))


def select(layers: Sequence[Layer], wanted: Iterable[str]) -> list[Layer]:
    """Return the layers that any of the names in ``wanted`` matches, in calling order.

    Args:
        layers: All layers.
        wanted: See ``AttentionRecord``.

    Raises:
        ValueError: If a name matches none; the message lists what there is.
    """
    chosen = set()
    for word in wanted:
        named = [layer for layer in layers if _named(layer, word)]
        if not named:
            sizes = dict.fromkeys(layer.size for layer in layers)
            shares = dict.fromkeys(f"1/{layer.share}" for layer in layers)
            names = [layer.name for layer in layers]
            raise ValueError(unknown("attention layer", word, ["all", *sizes, *shares, *names]))
        chosen.update(named)
    return [layer for layer in layers if layer in chosen]


def check_readable(network: Any, layers: Iterable[Layer]) -> list[Any]:
    """Return the modules of these layers of a network, once it is sure that they can be read.

    Raises:
        ModelError: If one cannot; the message says what to switch off.
    """
    unet = is_unet(network)
    what, name = ("U-Net", "unet") if unet else ("transformer", "transformer")
    modules = (network,) if unet else network.modules()
    compiled = any(getattr(one, "_compiled_call_impl", None) is not None for one in modules)
    if hasattr(network, "_orig_mod") or compiled:
        raise ModelError(
            f"The {what} is compiled, and compiled code calls no hooks. Record attention with the"
            f" plain {what} (pipe.{name}._orig_mod), and compile it afterwards."
        )
    if unet and getattr(network, "encoder_hid_proj", None) is not None:
        raise ModelError(
            "An IP-Adapter is loaded: its layers attend to the text and to a picture at once, which"
            " this recorder does not read. Call pipe.unload_ip_adapter() first."
        )
    found = []
    for layer in layers:
        module = network.get_submodule(layer.module)
        if unet:
            _check_module(layer.name, module)
        else:
            from sdlab.attention.layouts import check_module

            check_module(layer.module, module)
        found.append(module)
    return found


def scale_of(module: Any) -> float:
    """Return the factor of q k^T that a layer's processor uses.

    ``scaled_dot_product_attention`` uses 1 / sqrt(d) whatever the module's ``scale`` is.
    """
    if type(module.processor).__name__.endswith("2_0"):
        return float((module.inner_dim // module.heads) ** -0.5)
    return float(module.scale)


def _check_module(name: str, module: Any) -> None:
    processor = type(module.processor).__name__
    if "IPAdapter" in processor:
        raise ModelError(
            f"{name} has an IP-Adapter's processor ({processor}): it attends to the text and to a"
            " picture at once, which this recorder does not read. Call pipe.unload_ip_adapter()."
        )
    if processor not in PLAIN:
        raise ModelError(
            f"{name} computes attention by {processor}, whose maps this recorder does not know."
            f" Call unet.set_default_attn_processor() first. Known: {', '.join(PLAIN)}."
        )
    odd = module.norm_q is not None or module.norm_k is not None
    if odd or module.inner_kv_dim != module.inner_dim or module.added_kv_proj_dim is not None:
        raise ModelError(
            f"{name} normalises its queries or keys, shares keys among heads or adds keys of its"
            " own; this recorder reads the layers of Stable Diffusion 1.x, 2.x and XL."
        )


def _levels(unet: Any) -> dict[str, int]:
    """Return how often the latents are halved before each block, in calling order."""
    levels, level = {}, 0
    for i, block in enumerate(unet.down_blocks):
        levels[f"down_blocks.{i}"] = level
        level += bool(getattr(block, "downsamplers", None))
    if unet.mid_block is not None:
        levels["mid_block"] = level
    for i, block in enumerate(unet.up_blocks):
        levels[f"up_blocks.{i}"] = level
        level -= bool(getattr(block, "upsamplers", None))
    return levels


def _halved(unet: Any, size: tuple[int, int], times: int) -> tuple[int, int]:
    # A convolution of stride 2 rounds up with padding on both sides, down with one on one side.
    odd = 1 if unet.config.get("downsample_padding", 1) else 0
    height, width = size
    for _ in range(times):
        height, width = (height + odd) // 2, (width + odd) // 2
    return height, width


def _named(layer: Layer, word: str) -> bool:
    if layer.of_text:
        return word in (OF_TEXT[1:], layer.name)
    if word == "all" or layer.name == word or layer.name.startswith(f"{word}."):
        return True
    if share := SHARE.fullmatch(word):
        return layer.share == int(share[1])
    return SIZE.fullmatch(word) is not None and layer.size == word
