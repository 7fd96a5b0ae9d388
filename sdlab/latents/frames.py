"""The frames of a run: its tensors as pictures at every kept evaluation, for viewers and zips.

x_t, x0_pred and eps_pred are drawn by what the caller gives, best by the decoder of the model that
made them. The channels of x_t are drawn as grey maps, which needs no model.
"""

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from PIL import Image

from sdlab.runs.png import png_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from zipstream import ZipStream

    from sdlab.runs.run import Run
    from sdlab.runs.trace import Trace

CHANNELS = "channels"
FRAMES = ("x_t", "x0_pred", "eps_pred", CHANNELS)
_NEEDS = {"eps_pred": {"x_t", "x0_pred"}, CHANNELS: {"x_t"}}
README = "README.txt"
ABOUT = (
    "The run at every kept evaluation; the number in a file's name is the evaluation's, from 0, as"
    " in steps.csv.\nchannels-*.png: every channel of x_t in grey, one pixel a value; the middle is"
    " 0, black and white the largest of the run. The values themselves are in tensors.safetensors."
)
DECODED = (
    "x_t, x0_pred and eps_pred are decoded by the VAE of {model}, as the finished picture is: 8"
    " bits a colour, nothing else is lost."
)


class RunFrames:
    """Draws the frames of a run, one at a time.

    Args:
        trace: What the run kept.
        picture: Latents [1, C, h, w] -> picture.
        flow: Whether it is a run of flow matching.

    Attributes:
        names: What can be drawn of what was recorded, of ``FRAMES``.
        kept: The evaluation number of each frame.
    """

    def __init__(
        self, trace: "Trace", picture: "Callable[[Tensor], Image.Image]", flow: bool = False
    ) -> None:
        self._trace, self._picture, self._flow = trace, picture, flow
        recorded = set(trace.names())
        self.names = tuple(name for name in FRAMES if _NEEDS.get(name, {name}) <= recorded)
        self.kept = tuple(int(k) for k in trace.kept) if self.names else ()

    def draw(self, name: str, index: int) -> Image.Image:
        """Return one frame; ``index`` is its place in ``kept``."""
        from sdlab.latents.film import quantity

        if name == CHANNELS:
            return grey_channels(quantity(self._trace, "x_t", index), self._reach)
        return self._picture(quantity(self._trace, name, index, self._flow))

    @cached_property
    def _reach(self) -> float:
        """The largest magnitude of x_t in the whole run."""
        return float(self._trace.tensor("x_t").float().nan_to_num().abs().max())


def frames_of(run: "Run", picture: "Callable[[Tensor], Image.Image]") -> RunFrames:
    """Return what draws the frames of a run; ``picture`` as in ``RunFrames``."""
    return RunFrames(run.trace, picture, "flow_time" in run.steps.columns)


def add_frames(
    archive: "ZipStream", frames: RunFrames, under: str, about: Callable[[], str]
) -> None:
    """Add all frames of a run to a zip, each drawn when the zip comes to it.

    Args:
        archive: The zip.
        frames: Draws them.
        under: The folder in the zip, such as "0123456789abcdef/frames/".
        about: Returns how they were drawn, once all are; it goes into a README.txt beside them.
    """

    def drawn(name: str, index: int) -> Iterator[bytes]:
        yield png_bytes(frames.draw(name, index), quick=True)

    def told() -> Iterator[bytes]:
        yield f"{ABOUT}\n{about()}\n".encode()

    for index, number in enumerate(frames.kept):
        for name in frames.names:
            archive.add(drawn(name, index), f"{under}{name}-{number:03}.png")
    if frames.kept:
        archive.add(told(), under + README)


def false_colour(latents: "Tensor") -> Image.Image:
    """Return the first three latent channels as red, green and blue, each over its own range."""
    import numpy as np

    values = latents.detach().float().cpu().numpy().reshape(latents.shape[-3:])[:3]
    low = values.min(axis=(1, 2), keepdims=True)
    span = np.maximum(values.max(axis=(1, 2), keepdims=True) - low, 1e-6)
    pixels = np.nan_to_num((values - low) / span * 255).astype(np.uint8)
    return Image.fromarray(np.moveaxis(pixels, 0, -1))


def grey_channels(latents: "Tensor", reach: float) -> Image.Image:
    """Return all channels of latents [1, C, h, w] in a square of grey maps; 0 is middle grey.

    Args:
        latents: The latents.
        reach: The magnitude that is black or white.
    """
    import numpy as np

    maps = latents.detach().float().cpu().numpy()
    maps = maps.reshape(-1, *maps.shape[-2:])
    grey = np.nan_to_num(128 + 127 * np.clip(maps / max(reach, 1e-6), -1, 1)).astype(np.uint8)
    return Image.fromarray(side_by_side(grey, math.ceil(math.sqrt(len(grey))))).convert("RGB")


def side_by_side(maps: "NDArray[np.uint8]", columns: int) -> "NDArray[np.uint8]":
    """Return maps [n, h, w] as one, row by row; what is left of the last row is 0."""
    import numpy as np

    rows = -(-len(maps) // columns)
    height, width = maps.shape[1:]
    every = np.zeros((rows * columns, height, width), maps.dtype)
    every[: len(maps)] = maps
    square = every.reshape(rows, columns, height, width).swapaxes(1, 2)
    return square.reshape(rows * height, columns * width)
