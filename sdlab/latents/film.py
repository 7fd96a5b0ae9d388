r"""The course of a run as pictures: any quantity at any evaluation, a strip, a film.

A run records x_t (VP) and x0_pred; the predicted noise follows from them:
eps_pred = (x_t sqrt(1 + sigma^2) - x0_pred) / sigma, and with flow matching
(x_t - (1 - t) x0_pred) / t.
"""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from sdlab.errors import unknown
from sdlab.noise.flow import sigma_to_time

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model
    from sdlab.runs.trace import Trace
    from sdlab.work import Work

QUANTITIES = ("x_t", "x0_pred", "eps_pred")
FILMS = {"gif": "image/gif", "webp": "image/webp", "mp4": "video/mp4"}


def quantity(trace: "Trace", name: str, index: int, flow: bool = False) -> "Tensor":
    """Return a quantity of one kept evaluation, float32 [1, C, h, w].

    Args:
        trace: Of a run that recorded x_t and x0_pred.
        name: One of ``QUANTITIES``.
        index: Place in ``trace.kept``.
        flow: Whether it is a run of flow matching, whose ``steps`` have a ``flow_time``.

    Raises:
        ValueError: If the name is unknown, the index outside, or the tensors were not recorded.
    """
    if name not in QUANTITIES:
        raise ValueError(unknown("quantity", name, QUANTITIES))
    if not 0 <= index < len(trace.kept):
        raise ValueError(f"index must be from 0 to {len(trace.kept) - 1}, got {index}.")
    if name != "eps_pred":
        return trace.tensor(name)[index][None].float()
    sigma = trace.sigmas[trace.kept[index]]
    x_t, x0_pred = (trace.tensor(n)[index][None].float() for n in ("x_t", "x0_pred"))
    if math.isinf(sigma):
        return x_t  # noise alone
    if flow:
        time = float(sigma_to_time(sigma))
        return (x_t - (1.0 - time) * x0_pred) / time
    return (x_t * math.sqrt(1.0 + sigma**2) - x0_pred) / sigma


def strip(frames: Sequence[Image.Image], columns: int, gap: int = 4) -> Image.Image:
    """Return frames of one size side by side, ``columns`` in a row, on a transparent background.

    Raises:
        ValueError: If there is no frame or ``columns`` is below 1.
    """
    if not frames or columns < 1:
        raise ValueError(f"a strip needs frames and columns, got {len(frames)} and {columns}.")
    width, height = frames[0].size
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    size = columns * (width + gap) - gap, rows * (height + gap) - gap
    out = Image.new("RGBA", size, (0, 0, 0, 0))
    for index, frame in enumerate(frames):
        row, column = divmod(index, columns)
        out.paste(frame.convert("RGB"), (column * (width + gap), row * (height + gap)))
    return out


def decoding(model: "Model", latents: "Tensor", total: int) -> "Work[list[Image.Image]]":
    """Return the decoded pictures of latents as a computation that yields after each.

    Args:
        model: The loaded model.
        latents: Clean, scaled latents, [B, C, h, w].
        total: What the progress stays at, for what came before was counted by evaluations.
    """
    pictures = []
    for one in latents.split(1):
        pictures.append(model.decode(one))
        yield total, total
    return pictures


def film(frames: Sequence[Image.Image], kind: str, seconds: float = 4.0) -> bytes:
    """Return frames as a film that loops (GIF, WebP) or plays once (MP4, H.264).

    Args:
        frames: Of one size, in order.
        kind: "gif", "webp" or "mp4".
        seconds: From the first frame to the last, > 0; the last is held for a second more.

    Raises:
        ValueError: If the kind is unknown, there is no frame, or the time is not above 0.
    """
    if kind not in FILMS:
        raise ValueError(unknown("film", kind, FILMS))
    if not frames or not seconds > 0:
        raise ValueError(f"a film needs frames and seconds above 0, got {len(frames)}, {seconds}.")
    each = max(20, round(1000 * seconds / len(frames)))
    if kind == "mp4":
        return _mp4(frames, each)
    out = io.BytesIO()
    times = [each] * (len(frames) - 1) + [each + 1000]
    first, rest = frames[0].convert("RGB"), [frame.convert("RGB") for frame in frames[1:]]
    more = {"quality": 90} if kind == "webp" else {"disposal": 1}
    first.save(out, kind.upper(), save_all=True, append_images=rest, duration=times, loop=0, **more)
    return out.getvalue()


def _mp4(frames: Sequence[Image.Image], each: int) -> bytes:
    from fractions import Fraction

    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(1000, each))
        # The H.264 that every browser plays needs even sides.
        stream.width, stream.height = (side + side % 2 for side in frames[0].size)
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "16"}
        held = [frames[-1]] * max(1, 1000 // each)
        for frame in (*frames, *held):
            even = frame.convert("RGB").resize((stream.width, stream.height))
            container.mux(stream.encode(av.VideoFrame.from_image(even)))
        container.mux(stream.encode())
    return out.getvalue()
