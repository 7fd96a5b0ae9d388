"""The command ``sdlab fit-schedule``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdlab.cli.compare import numbers
from sdlab.cli.options import Csv, Fields, Loading
from sdlab.cli.registry import command
from sdlab.cli.terminal import Prompted, progress, show
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from sdlab.fitting.fitted import Fitted

OF_EVERY_RUN = "negative_prompt guidance_scale guidance_rescale width height model"


@dataclass(frozen=True)
class Judging:
    """How a schedule is fitted and judged.

    Attributes:
        seeds: Of the pictures that it is fitted to, such as 0-3.
        held_out: Of the pictures that judge it.
        against: A curve that it is held against. Again for another; else karras and ays_sd15.
        teacher_steps: Heun's, of the converged pictures.
        save: Name under which it is kept as a curve of your own.
        json: File for the curve, which the dashboard and `sdlab run --curve` read.
    """

    seeds: str = "0-3"
    held_out: str = "100-107"
    against: tuple[str, ...] = ()
    teacher_steps: int = 60
    save: str = ""
    json: Path | None = None


@command(cls=Prompted)
def fit_schedule(
    *,
    spec: Annotated[
        dict[str, Any],
        Fields(
            Experiment,
            f"prompt solver solver_options num_steps eta {OF_EVERY_RUN}",
            solver="dpmpp_2m",
            num_steps=8,
        ),
    ],
    judging: Annotated[dict[str, Any], Fields(Judging)],
    csv: Csv = False,
    loading: Annotated[dict[str, Any], Fields(Loading, "device dtype revision variant config")],
) -> None:
    """Fit the noise levels of a few steps to a model and sampler; judge them on other seeds."""
    import sdlab
    from sdlab.fitting.fit import AGAINST

    asked = Judging(**judging)
    seeds, held_out = numbers("seeds", asked.seeds), numbers("held-out", asked.held_out)
    against = asked.against or AGAINST
    experiment = Experiment(**spec)
    with progress(lines=True) as advance:
        loaded = sdlab.load(experiment.model, **loading)
        fitted = sdlab.fit_schedule(
            loaded, experiment, seeds, held_out, against, asked.teacher_steps, advance
        )
    _print(fitted, csv)
    for place in _kept(fitted, asked, loaded.schedule):
        typer.echo(place, err=csv)


def _print(fitted: "Fitted", csv: bool) -> None:
    if csv:
        show(fitted.table, csv)
        return
    typer.echo(", ".join(f"{sigma:.6g}" for sigma in fitted.sigmas))
    typer.echo("")
    for sentence in fitted.sentences:
        typer.echo(sentence)


def _kept(fitted: "Fitted", asked: Judging, schedule: Any) -> list[str]:
    """Keep the schedule where it was asked for, and return the places."""
    from sdlab.noise.exchange import NamedCurve, curve_json
    from sdlab.runs.atomic import write_file
    from sdlab.runs.curves import save_curve

    named = NamedCurve("sigmas", {"sigmas": fitted.sigmas}, len(fitted.sigmas) - 1)
    places = []
    if asked.save:
        places.append(str(save_curve(asked.save, named, schedule)))
    if asked.json:
        text = curve_json(named.curve, named.options, schedule, named.num_steps)
        places.append(str(write_file(asked.json, lambda stream: stream.write(text.encode()))))
    return places
