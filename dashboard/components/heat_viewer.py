"""The heat viewer: heat maps over a picture, one for each word, moved in the browser.

All frames go to the browser once, 16 bits a cell; moving the slider, the opacity or the threshold
needs no request. A click sends the place back, as shares of the picture's width and height, with
the frame that was looked at; so does coming to rest at another frame.
"""

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dashboard.components.browser_files import component

if TYPE_CHECKING:
    import numpy as np

LEVELS = 65535


@dataclass(frozen=True)
class HeatPlace:
    """A place that was clicked, and what was looked at there.

    Attributes:
        x: 0 ... 1 from the left; None, like ``y``, where no place was clicked.
        y: 0 ... 1 from the top.
        frame: The frame, from 0; None for the mean.
    """

    x: float | None
    y: float | None
    frame: int | None = None

    @property
    def at(self) -> tuple[float, float]:
        """``x`` and ``y`` of a place that was clicked."""
        assert self.x is not None and self.y is not None
        return self.x, self.y


@dataclass(frozen=True)
class HeatFilm:
    """Heat maps to scrub through.

    Attributes:
        id: Changes when anything of it does.
        subject: The viewer keeps its place while this stays the same.
        picture: PNG of the picture below the maps.
        size: (width, height) of the picture, for its shape.
        words: For each map its label.
        frames: For each map float32 [E, h, w], not negative.
        means: For each map float32 [h, w], the mean of the chosen frames.
        labels: The text below each frame.
        mean_label: The text below the mean.
        place: What a viewer that is drawn anew shows, or None.
    """

    id: str
    subject: str
    picture: bytes
    size: tuple[int, int]
    words: Sequence[str]
    frames: "Sequence[np.ndarray]"
    means: "Sequence[np.ndarray]"
    labels: Sequence[str]
    mean_label: str
    place: HeatPlace | None = None


def heat_viewer(film: HeatFilm, key: str) -> HeatPlace | None:
    """Draw the viewer; return where it has just come to rest, or None."""
    pairs = zip(film.words, film.frames, film.means, strict=True)
    data = {
        "id": film.id,
        "subject": film.subject,
        "picture": "data:image/png;base64," + base64.b64encode(film.picture).decode(),
        "aspect": film.size,
        "grid": film.frames[0].shape[1:],
        "words": [_packed(*pair) for pair in pairs],
        "labels": list(film.labels),
        "mean": film.mean_label,
        "place": None if film.place is None else asdict(film.place),
    }
    place = component("heat_viewer")(data=data, key=key, on_place_change=_heard).place
    return _place(place, len(film.labels)) if place else None


def _place(sent: dict[str, Any], count: int) -> HeatPlace:
    """Return the place that the browser sent, of ``count`` frames."""
    frame = sent["frame"]
    known = None if frame is None else min(max(int(frame), 0), count - 1)
    x, y = (None if sent[name] is None else float(sent[name]) for name in ("x", "y"))
    return HeatPlace(x, y, known)


def _heard() -> None:
    """Declare the component's trigger; its value is read from the result."""


def _packed(label: str, frames: "np.ndarray", mean: "np.ndarray") -> dict[str, Any]:
    """Return one word's frames and, last, their mean, as 16-bit shares of the largest value."""
    import numpy as np

    every = np.concatenate([frames, mean[None]])
    top = float(every.max())
    levels = np.round(every / top * LEVELS) if top > 0 else np.zeros_like(every)
    packed = base64.b64encode(levels.astype("<u2").tobytes()).decode()
    return {"label": label, "frames": packed, "top": top}
