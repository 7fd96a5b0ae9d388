"""What the Attention page looks at: a run that recorded attention, or a given picture."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import opening
from dashboard.shell.model_choice import say_no_model
from dashboard.views.attention.recording import PAGE
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from PIL import Image

    from sdlab.attention.maps import AttentionMaps

SOURCES = ("A run", "A given picture")


class PickedPicture(NamedTuple):
    """A given picture as it was chosen.

    Attributes:
        png: The picture in its own size.
        timestep: To which it is noised.
        seed: Of the noise.
        scene: The sample that it is, see ``ChosenPicture``, where the caption is the sample's.
    """

    png: bytes
    timestep: int
    seed: int
    scene: str | int | None


@dataclass(frozen=True)
class Subject:
    """A picture with its attention.

    Attributes:
        key: Identifies the maps: equal keys mean equal maps.
        name: For the names of files.
        picture: PNG, at least 512 pixels.
        size: (width, height) of the picture in pixels.
        prompt: The caption.
        model: The name of the model whose attention it is.
        maps: The maps.
        folder: The run's folder, or None.
        flow: Whether its model is one of flow matching, whose noise levels are times.
        run: The run's experiment, plain values; None of a given picture.
        weights: The hash of the weights that made it, if it is a run and they are known.
        picked: A given picture as it was chosen; None of a run.
    """

    key: str
    name: str
    picture: bytes
    size: tuple[int, int]
    prompt: str
    model: str
    maps: "AttentionMaps"
    folder: Path | None
    flow: bool = False
    run: "dict[str, Any] | None" = None
    weights: str | None = None
    picked: PickedPicture | None = None

    @property
    def given(self) -> bool:
        """Whether it is a given picture, not a run."""
        return self.folder is None

    def image(self) -> "Image.Image":
        """Return the picture as a PIL image."""
        from PIL import Image

        return Image.open(io.BytesIO(self.picture)).convert("RGB")


def choose_subject() -> str:
    """Draw the controls; return which of ``SOURCES`` is looked at."""
    return bound().segmented_control("Attention of", SOURCES, key=f"{PAGE}.of", width="stretch")


def model_in_memory() -> ModelView | None:
    """Return the model in memory, or say why there is none."""
    with opening():
        lab().catalogue()
    view = lab().status()
    if view.model is None:
        say_no_model()
    return view.model
