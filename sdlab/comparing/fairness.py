"""Why a sampler cannot be compared fairly, in sentences, found out from its course.

In a fair comparison all samplers solve the same probability-flow ODE, from the same noise at the
same level, down to sigma 0. A sampler that does not is still compared, but the difference is noted.
Where only the call of a pipeline tells its times, the runs themselves are asked for their start.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdlab.bench.ready_solver import is_stochastic
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.converged import REFERENCE_STEPS
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.entrant_course import entrant_course, knows_times
from sdlab.comparing.words import listed
from sdlab.experiment.experiment import Experiment
from sdlab.noise.flow import is_flow, path_of, sigma_to_time
from sdlab.noise.schedule import NoiseSchedule
from sdlab.noise.spacings import SPACINGS
from sdlab.sampler_names import OWN_STEPS
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.course import Course
from sdlab.solvers.protocol import Answer, Query
from sdlab.solvers.registry import solvers
from sdlab.work import drive

if TYPE_CHECKING:
    from sdlab.runs.run import Run

SAME_LEVEL = 0.01
"""Start levels within this share of each other count as equal: diffusers' tables are float32."""
SAME_TIME = 1e-3
"""Flow matching's start times this near to each other count as equal: x_t differs by as much."""
SAME_SCALE = 1e-3
ROUNDED = 0.05
"""Timesteps farther than this from their sigma's own are rounded (training timesteps)."""

STOCHASTIC = (
    "draws noise: its distance to the ODE's picture says nothing about quality; it is judged by"
    " fidelity and spread instead"
)
EXTRAPOLATES = (
    "its last step, to sigma 0, weighs earlier predictions too, where the reference takes the last"
    " one as it is: a few thousandths of its distance stay however many steps it takes"
)
OFF_CURVE = "{}: not made with that curve, so sampler and curve are compared together."
UNKNOWN_TIMES = (
    "only its run tells over which times this pipeline draws, so that its start is not known before"
)


class Profile(NamedTuple):
    """What is known of an entrant's course without running it.

    Attributes:
        nfe: Network evaluations; None if it does not run.
        start: The level at which it starts; NaN if it does not run, or that is not known.
        end: The level at which it ends; NaN if it does not run, or that is not known.
        deterministic: Whether it draws no noise after the start.
        notes: Why it cannot be compared fairly; empty if it can.
    """

    nfe: int | None
    start: float
    end: float
    deterministic: bool
    notes: tuple[str, ...]


def notes(
    comparison: Comparison,
    entrant: Entrant,
    config: Mapping[str, Any],
    pipeline: type | None = None,
) -> list[str]:
    """Return why an entrant cannot be compared fairly; empty if it can.

    Args:
        comparison: Gives budget, curve and alignment.
        entrant: The entrant.
        config: The model's scheduler config.
        pipeline: The class that draws, which may hand over times of its own; None if unknown.
    """
    return list(profile(comparison, entrant, config, pipeline).notes)


def profile(
    comparison: Comparison,
    entrant: Entrant,
    config: Mapping[str, Any],
    pipeline: type | None = None,
) -> Profile:
    """Return the profile of an entrant in a comparison, at the first budget.

    Args:
        comparison: Gives budget, curve and alignment.
        entrant: The entrant.
        config: The model's scheduler config.
        pipeline: The class that draws, which may hand over times of its own; None if unknown.
    """
    frozen = json.dumps(dict(config), sort_keys=True, default=str)
    try:
        num_steps = comparison.steps_for(entrant, comparison.budget, config, pipeline)
    except ValueError as error:
        return _refused(entrant, config, str(error))
    going = (entrant, comparison.curve, num_steps, frozen, pipeline)
    steps = comparison.reference_steps or REFERENCE_STEPS  # where its levels would be
    return _profile(*going, comparison.drawn, steps)


def seen(about: Profile, run: "Run", reference: "Run") -> Profile:
    """Return a profile whose start was not known, with what two runs tell of it.

    Args:
        about: The entrant's.
        run: One of its runs.
        reference: The reference of the same picture.
    """
    start, own = (float(one.trace.sigmas[0]) for one in (run, reference))
    if UNKNOWN_TIMES not in about.notes or math.isnan(start) or math.isnan(own):
        return about
    notes = [note for note in about.notes if note != UNKNOWN_TIMES]
    elsewhere = _elsewhere(start, own, flow=True)
    return about._replace(start=start, notes=(*notes, *([elsewhere] if elsewhere else ())))


@cache
def _profile(
    entrant: Entrant,
    curve: str | None,
    num_steps: int,
    frozen: str,
    pipeline: type | None,
    drawn: Experiment,
    reference_steps: int,
) -> Profile:
    config = json.loads(frozen)
    path = path_of(config)
    follows = entrant.follows(curve, path)
    try:
        going = entrant_course(entrant, num_steps, curve, config, pipeline, drawn)
    except ValueError as error:
        return _refused(entrant, config, str(error))
    deterministic = not draws_noise(entrant, path)
    against = [] if deterministic else [STOCHASTIC]
    against += _understanding(entrant, going, config)
    if known := knows_times(entrant, num_steps, curve, config, pipeline):
        reference = _reference(frozen, reference_steps, pipeline, drawn)
        against += _levels(going, reference, drawn) if reference else []
    else:
        against.append(UNKNOWN_TIMES)
    against += [EXTRAPOLATES] if deterministic and _extrapolates(going) else []
    against += _curve(entrant, curve, follows)
    against += _timesteps(going) if known else []
    start = going.sigmas[0] if known else math.nan
    end = going.end if known or going.end == 0 else math.nan
    return Profile(going.nfe, start, end, deterministic, tuple(against))


def off_curve(comparison: Comparison) -> str:
    """Return which samplers follow a curve that they were not made with, in a sentence, or "".

    It is no objection, as all follow one curve, but it says what is compared.
    """
    off = [
        f"{entrant.solver} over {curve}"
        for entrant in comparison.entrants
        if entrant.solver in OWN_STEPS
        and (curve := entrant.follows(comparison.curve)) not in (None, "lcm", *SPACINGS)
    ]
    return OFF_CURVE.format(listed(list(dict.fromkeys(off)))) if off else ""


def draws_noise(entrant: Entrant, path: str = "vp") -> bool:
    """Return whether an entrant draws noise after the start, found out by running it.

    Args:
        entrant: The sampler.
        path: The model's: "vp" or "flow".
    """
    options = dict(entrant.solver_options)
    if entrant.eta is not None:
        options["eta"] = entrant.eta
    if entrant.solver in solvers() and "eta" not in solvers()[entrant.solver].options:
        options.pop("eta", None)  # refused when it is to run
    try:
        return is_stochastic(entrant.solver, options, path)
    except Exception:  # options that are refused, or a solver that raises: what it declares
        own = solvers().get(entrant.solver)
        return not (own or adapter.probe(entrant.solver)).deterministic


def _refused(entrant: Entrant, config: Mapping[str, Any], reason: str) -> Profile:
    against = [*_understanding(entrant, None, config), f"cannot run here: {reason}"]
    drawn = draws_noise(entrant, path_of(config))
    return Profile(None, math.nan, math.nan, not drawn, tuple(against))


def _understanding(entrant: Entrant, going: Course | None, config: Mapping[str, Any]) -> list[str]:
    """Return notes on how it reads the network's output, and on its noise schedule."""
    trained = config.get("prediction_type") or "epsilon"
    against: list[str] = []
    if is_flow(config):  # who cannot read its velocity was refused
        return against
    if entrant.solver not in solvers():
        known = adapter.prediction_types(entrant.solver)
        if trained not in known:
            against.append(
                f"does not understand this model's prediction type, {trained} (only"
                f" {', '.join(known)})"
            )
    if going is None:
        return against
    read = going.scheduler.config.get("prediction_type", trained) if going.scheduler else trained
    if read != trained:
        against.append(f"reads the network's output as {read}; the model was trained on {trained}")
    own, model = going.schedule.alpha_bar, NoiseSchedule.from_config(config).alpha_bar
    if len(own) != len(model) or not np.allclose(own, model, rtol=1e-4, atol=1e-8):
        against.append("assumes another noise schedule than the model was trained on")
    return against


@cache
def _reference(
    frozen: str, num_steps: int, pipeline: type | None, drawn: Experiment
) -> Course | None:
    """Return the reference's course, in two steps if the number is no matter; None for none."""
    config = json.loads(frozen)
    curve = None if is_flow(config) else "karras"
    steps = 2 if drawn == Experiment() else num_steps
    try:
        return entrant_course(Entrant("heun"), steps, curve, config, pipeline, drawn)
    except ValueError:
        return None  # its run says so, as it fails


def _levels(going: Course, reference: Course, drawn: Experiment) -> list[str]:
    """Return how its start and its end differ from the reference's."""
    against = []
    if elsewhere := _elsewhere(going.sigmas[0], reference.sigmas[0], flow=_is_flow(going)):
        against.append(elsewhere)
    elif drawn.image is None and not math.isclose(
        scale := _start_scale(going), 1.0, rel_tol=SAME_SCALE
    ):
        against.append(f"scales its start noise to {scale:.4f} times the reference's")
    if going.end > 0 and not math.isclose(going.end, reference.end, rel_tol=SAME_LEVEL):
        stays = ": some noise is left" if reference.end == 0 else ""
        against.append(
            f"ends at sigma {going.end:.4g}, the reference at {reference.end:.4g}{stays}"
        )
    return against


def _is_flow(going: Course) -> bool:
    return going.schedule.path == "flow"


def _elsewhere(start: float, reference: float, flow: bool) -> str:
    """Return that one starts at another level than the reference, or ""."""
    if flow:
        time, own = (float(t) for t in sigma_to_time([start, reference]))
        same = abs(time - own) <= SAME_TIME
        return "" if same else f"starts at t {time:.4g}, the reference at {own:.4g}"
    same = math.isclose(start, reference, rel_tol=SAME_LEVEL)
    return "" if same else f"starts at sigma {start:.4g}, the reference at {reference:.4g}"


def _start_scale(going: Course) -> float:
    """Return by what the start noise is scaled at the first evaluation, as the network gets it."""
    import torch

    process = going.make_process(torch.ones(1, 1, 1, 1), torch.Generator().manual_seed(0))
    try:
        return float(next(process).x_t.reshape(-1)[0])
    finally:
        process.close()


def _extrapolates(going: Course) -> bool:
    """Return whether it steps to sigma 0 but does not end at its last x0_pred."""
    if going.end > 0:
        return False
    try:
        end, last = _ends(going)
    except Exception:  # a broken solver, which says so when it runs
        return False
    return not math.isclose(end, last, rel_tol=SAME_SCALE)


def _ends(going: Course) -> tuple[float, float]:
    """Return its end and its last x0_pred, run on one number with alternating predictions."""
    import torch

    start = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    process = going.make_process(start, torch.Generator().manual_seed(0))
    values, last = cycle((1.0, 2.2, 1.6)), start

    def answer(query: Query) -> Answer:
        nonlocal last
        last, x = next(values) * start, query.x_t.double()
        if going.schedule.path == "flow":
            return Answer((x - last) / float(sigma_to_time(query.sigma)), last)
        x = x * (1.0 + query.sigma**2) ** 0.5
        return Answer((x - last) / query.sigma, last)

    end = drive(process, answer)
    return end.item(), last.item()


def _curve(entrant: Entrant, curve: str | None, follows: str | None) -> list[str]:
    spacing = dict(entrant.solver_options).get("timestep_spacing")
    if spacing is not None and entrant.curve in SPACINGS and spacing != entrant.curve:
        return [f"follows {spacing}, its timestep_spacing, and not {entrant.curve}"]
    if entrant.curve is not None or curve is None or follows == curve:
        return []
    instead = f"follows {follows} instead" if follows else "keeps the spacing of its own"
    return [f"cannot follow {curve}; {instead}"]


def _timesteps(going: Course) -> list[str]:
    """Return whether the network is given other timesteps than the noise levels are of."""
    given = np.array(going.timesteps)
    if going.schedule.path == "flow":
        return _flow_timesteps(given, going)
    own = going.schedule.sigma_to_timestep(np.maximum(going.sigmas, 1e-12))
    inside = (np.array(going.sigmas) >= going.schedule.sigma_min) & (
        np.array(going.sigmas) <= going.schedule.sigma_max
    )
    off = np.abs(given - own)[inside]
    if not len(off) or off.max() <= ROUNDED:
        return []
    same = len(given) - len(np.unique(given))
    twice = f", {same} of {len(given)} repeat another" if same else ""
    whole = bool((given == np.round(given)).all())
    how = "rounded to whole numbers" if whole else "that are not quite those of its noise levels"
    return [f"tells the network timesteps {how}, up to {off.max():.2g} off{twice}"]


def _flow_timesteps(given: np.ndarray, going: Course) -> list[str]:
    """Return whether the network is told another time than that of its latents."""
    own = sigma_to_time(going.sigmas) * going.schedule.num_timesteps
    off = float(np.abs(given - own).max())
    if off <= ROUNDED:
        return []
    return [f"tells the network other times than those of its latents, up to {off:.2g} off"]
