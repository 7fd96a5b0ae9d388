"""Where ``sdlab.reference`` computes what a block computes: the file, the lines, the call.

The reference has the parts of Stable Diffusion 1.x and 2.x under names of its own. Files and line
numbers are asked of Python (``inspect``), so that they stay right when the text changes.
"""

import inspect
from dataclasses import dataclass, replace
from typing import Any

from sdlab.reference import unet, vae

LAYER = "x = layer(x, time, context)"
RESIZED = "x = stage.resize("
_CALLS = {
    "conv_in": ("", "self.conv_in("),
    "time_embedding": ("", "self.time("),
    "down_blocks": ("in self.down:", LAYER),
    "downsamplers": ("in self.down:", RESIZED),
    "mid_block": ("in self.middle:", LAYER),
    "up_blocks": ("in self.up:", "layer(torch.cat("),
    "upsamplers": ("in self.up:", RESIZED),
    "conv_norm_out": ("", "self.norm_out("),
    "conv_out": ("", "self.conv_out("),
}
"""By part of a block's name: the call stands in the first line with the second text after the
first."""
_VAE_CALLS = {
    **_CALLS,
    "down_blocks": ("in self.down:", "x = layer(x)"),
    "mid_block": ("", "self.middle("),
    "up_blocks": ("in self.up:", "x = layer(x)"),
}
_PARTS = {"resnets": unet.ResBlock, "attentions": unet.Transformer, "time": unet.TimeEmbedding}
_VAE_PARTS = {"resnets": vae.ResBlock, "attentions": vae.Attention}


@dataclass(frozen=True)
class Excerpt:
    """Lines of a file.

    Attributes:
        file: Its path, from the package's folder on.
        name: The class or function.
        first: Number of the first line.
        lines: The lines.
        marked: Numbers of the lines that are meant; none for all of them.
    """

    file: str
    name: str
    first: int
    lines: tuple[str, ...]
    marked: tuple[int, ...] = ()

    def text(self, mark: str = "  # <-- here") -> str:
        """Return the lines as text, the marked ones with a remark behind them."""
        numbered = enumerate(self.lines, self.first)
        return "\n".join(
            line + (mark if number in self.marked else "") for number, line in numbered
        )

    def marking(self, lines: tuple[int, ...]) -> "Excerpt":
        """Return the same with other lines marked."""
        return replace(self, marked=lines)


def reference_code(block: str) -> tuple[Excerpt, ...]:
    """Return where the reference computes a block of a U-Net or of a VAE.

    Args:
        block: Its name in diffusers, "down_blocks.0.resnets.1"; of a VAE "decoder.conv_in".

    Returns:
        The network's ``forward`` with the line that calls the block, then the class of the block if
        it is more than one convolution. Nothing if the reference has no such block.
    """
    half, _, name = block.partition(".")
    if half in ("encoder", "decoder"):
        calls, parts = _VAE_CALLS, _VAE_PARTS
        whole: Any = vae.Encoder if half == "encoder" else vae.Decoder
    else:
        name, calls, parts, whole = block, _CALLS, _PARTS, unet.UNet
    words = name.split(".")
    place = next((calls[word] for word in reversed(words) if word in calls), None)
    if place is None:
        return ()
    found = [_marked(whole.forward, *place)]
    part = next((cls for word, cls in parts.items() if words[-2:][0].startswith(word)), None)
    return (*found, excerpt(part)) if part else tuple(found)


def _marked(function: Any, after: str, text: str) -> Excerpt:
    whole = excerpt(function)
    begin = next(n for n, line in enumerate(whole.lines) if after in line)
    lines = enumerate(whole.lines[begin:], whole.first + begin)
    return whole.marking((next(number for number, line in lines if text in line),))


def excerpt(thing: Any) -> Excerpt:
    """Return the lines of a function or class.

    Raises:
        OSError: If its source is not there.
    """
    lines, first = inspect.getsourcelines(thing)
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    module = inspect.getmodule(thing)
    assert module is not None
    file = module.__name__.replace(".", "/") + ".py"
    cut = tuple(line.rstrip("\n")[indent:] for line in lines)
    return Excerpt(file, thing.__qualname__, first, cut)
