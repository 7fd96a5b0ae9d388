"""The frames in the zip of a run: drawn anew from its tensors, so that nothing is lost.

The sheet that the viewer shows is lossy, and no finer than a sheet may be. It is used only where
the model in memory decodes so slowly that somebody has waited for that sheet before.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sdlab.errors import SdlabError
from sdlab.latents.frames import ABOUT, DECODED, README, false_colour, frames_of
from sdlab.latents.frames import add_frames as add_drawn

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from zipstream import ZipStream

    from dashboard.worker.frames import Sheet
    from sdlab.runs.run import Run

WAYS = {
    "decoded": DECODED,
    "linear": (
        "x_t, x0_pred and eps_pred are drawn by a linear map from latents to colours that is fitted"
        ' to the decoder of {model}; decoding them all takes long. "Decode all frames" on the'
        " run's page does it."
    ),
    "false colour": (
        "x_t, x0_pred and eps_pred are in false colours (latent channels 0 to 2): another model"
        " than {model}, which made the run, was in memory."
    ),
}
FROM_SHEET = (
    "x_t, x0_pred and eps_pred were decoded by the VAE of {model} and then stored as WebP of"
    " quality 88, {width} x {height} pixels each: a little is lost."
)
INSTEAD = " From picture {number} on they are in false colours (latent channels 0 to 2): {error}"


def add_frames(
    archive: "ZipStream", run: "Run", how: str, ask: Callable[..., Any], sheet: "Sheet | None"
) -> None:
    """Add the frames of a run to its zip; a README.txt among them says how they were drawn.

    Args:
        archive: The zip.
        run: The run.
        how: The best way to draw them there is, of ``WAYS``.
        ask: ``Worker.ask``; the model draws each picture when the zip comes to it.
        sheet: The frames that are there.
    """
    under, model = f"{run.id}/frames/", run.manifest["model"]
    if how != "decoded" and sheet is not None and sheet.how == "decoded":
        for name, data in sheet.frames():
            archive.add(data, under + name)
        width, height = sheet.size
        said = FROM_SHEET.format(model=model["name"], width=width, height=height)
        archive.add(f"{ABOUT}\n{said}\n", under + README)
        return
    drawn, instead = 0, ""

    def draw(latents: "Tensor") -> "Image":
        nonlocal drawn, instead
        drawn += 1
        if how != "false colour" and not instead:
            try:
                picture: Image = ask(
                    lambda held: (held.decode if how == "decoded" else held.preview)(latents),
                    model["hash"],
                )
                return picture
            except SdlabError as error:
                instead = INSTEAD.format(number=drawn, error=error)
        return false_colour(latents)

    frames = frames_of(run, draw)
    add_drawn(archive, frames, under, lambda: WAYS[how].format(model=model["name"]) + instead)
