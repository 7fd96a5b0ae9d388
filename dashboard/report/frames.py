"""The frames of a run for its report: a few of those that it kept, evenly through the run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.report.parts import Gallery, Picture
from dashboard.report.pictures import png_of
from dashboard.worker.frames import read_sheet

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.runs.run import Run

MOST = 8
SHOWN = {
    "x_t": "x_t, the noisy latents that the network is given",
    "x0_pred": "x0_pred, its guess of the clean picture; early ones are a mean of many",
}
SHEETS = Path(".dashboard") / "frames"
"""Where the dashboard keeps the frames that it has drawn, in the folder of all runs."""
HOW = {
    "decoded": "Decoded by the model's VAE.",
    "linear": "By a linear map from latents to colours.",
    "false colour": "In false colours, latent channels 0 to 2.",
}


def frames_of(run: "Run", root: Path, model: "Model | None") -> tuple[Gallery, ...]:
    """Return a row of pictures for each quantity that the run kept.

    Args:
        run: The run.
        root: The folder of all runs, where the dashboard may have drawn them.
        model: Decodes them where it has not; None leaves them out then.
    """
    drawn = _by_model(run, model) if model is not None else _of_sheet(run, root)
    sigmas = run.trace.sigmas
    return tuple(
        Gallery(
            tuple(
                Picture(png, f"evaluation {number}", f"sigma {sigmas[number]:.3g}")
                for number, png in zip(kept, pngs, strict=True)
            ),
            f"{SHOWN[name]}. {HOW[how]}",
            side=130,
        )
        for name, kept, pngs, how in drawn
    )


def spread(kept: Sequence[int], most: int = MOST) -> list[int]:
    """Return at most so many places of a sequence, evenly, with the first and the last."""
    count = min(len(kept), most)
    if count < 2:
        return list(range(count))
    return [round(place * (len(kept) - 1) / (count - 1)) for place in range(count)]


Drawn = tuple[str, list[int], list[bytes], str]


def _by_model(run: "Run", model: "Model") -> list[Drawn]:
    from sdlab.latents.frames import frames_of as drawer_of

    frames = drawer_of(run, model.decode)
    places = spread(frames.kept)
    kept = [frames.kept[place] for place in places]
    return [
        (name, kept, [png_of(frames.draw(name, place)) for place in places], "decoded")
        for name in SHOWN
        if name in frames.names
    ]


def _of_sheet(run: "Run", root: Path) -> list[Drawn]:
    sheet = read_sheet(root / SHEETS, run.id)
    if sheet is None:
        return []
    places = spread(sheet.kept)
    kept = [sheet.kept[place] for place in places]
    return [
        (name, kept, [png_of(one) for one in sheet.pictures(name, places)], sheet.how)
        for name in SHOWN
        if name in sheet.names
    ]
