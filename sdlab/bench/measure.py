"""How far a solver ends from the truth, over step counts, as one tidy table.

Deterministic solvers are compared particle by particle: the root mean square distance from where
the true ODE leads, over the spread of the data. Stochastic ones end elsewhere each time, so only
their distribution is judged: mean and covariance of many samples against the data's own (``weak``);
on a Gaussian exactly, without sampling (``response``).

The floor is the error left if every step but the last were exact: most solvers end with a jump to
x0_pred at sigma 0, first order whatever the solver, and more steps do not reduce it while the
smallest sigma stays. On a Gaussian of spread s it is sqrt(1 + sigma^2 / s^2) - 1: about 1.4e-3 for
Stable Diffusion's sigma of 0.0292 and s = 0.55. ``end="sigma_min"`` leaves the jump out. Those
that extrapolate to 0 instead (lms, plms) have no such floor.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import pandas as pd

from sdlab.bench.data import Problem, problem
from sdlab.bench.ready_solver import ReadySolver, SharedNoise, enter, is_stochastic, schedule
from sdlab.bench.response import exact_error, exact_floor, gaussian_of
from sdlab.bench.truth import ParticleTruth, truth
from sdlab.bench.weak import error_of_moments
from sdlab.bounds import MAX_STEPS, check_whole
from sdlab.errors import check_keywords
from sdlab.noise.flow import time_to_sigma

if TYPE_CHECKING:
    from torch import Tensor

    Progress = Callable[[int, int], None]

# A result this near to the last x0_pred counts as equal to it; diffusers computes in float32.
JUMPED = 1e-5
STEPS = (8, 16, 32, 64, 128, 256)
# What both the benchmark and the dashboard's page measure.
TWELVE = (
    "euler",
    "ddim",
    "heun",
    "dpm_2",
    "dpmpp_2m",
    "lms",
    "deis",
    "unipc",
    "plms",
    "DDIMScheduler",
    "EulerDiscreteScheduler",
    "DPMSolverMultistepScheduler",
)
COLUMNS = {
    "solver": "short name or diffusers class",
    "curve": "how sigma falls",
    "problem": "name of the problem",
    "num_steps": "solver steps",
    "nfe": "evaluations of the denoiser",
    "error": "distance from the truth, relative to the data's spread",
    "floor": "error left by the last jump to sigma 0 alone, if it ends by one",
    "measure": "strong: particle by particle; weak: mean and covariance of the samples",
    "low": "of a weak error: its 95 % interval",
    "high": "of a weak error: its 95 % interval",
    "chance": "of a weak error: what perfect samples would show, as many of them",
    "start": "sigma at which it starts",
    "end": "sigma at which it ends",
    "seconds": "wall time of the run, the denoiser's included (s)",
    "note": "why there is no error, if there is none",
}


class PathOptions(TypedDict, total=False):
    """How the solvers of ``errors`` go from the noise to the data.

    Attributes:
        curve: How sigma falls, for all or by name; None for Stable Diffusion's own spacing.
        curve_options: Arguments of the curve; for own solvers only.
        options: Arguments by name, for example ``{"ddim": {"eta": 1.0}}``.
        end: "zero", or "sigma_min" to leave out the last jump of sdlab's solvers.
        path: "vp", or "flow" for flow matching: over t from noise alone at t = 1.
    """

    curve: str | Mapping[str, str | None] | None
    curve_options: Mapping[str, Any] | None
    options: Mapping[str, Mapping[str, Any]] | None
    end: str
    path: str


def errors(
    names: "str | Sequence[str]",
    *,
    problem: "str | Problem" = "gaussian",
    steps: Sequence[int] = STEPS,
    particles: int | None = None,
    seed: int = 0,
    progress: "Progress | None" = None,
    **way: Unpack[PathOptions],
) -> pd.DataFrame:
    """Return the errors of solvers over step counts on a problem with a known truth.

    Args:
        names: Solvers by short name, diffusers' schedulers by class.
        problem: A name of ``problems()``, or a problem of your own.
        steps: Step counts.
        particles: How many to send; the problem's own number if not given.
        seed: Of the particles and of the noise.
        progress: Called with (runs done, runs in all).
        **way: ``curve``: how sigma falls, for all or by name; None for Stable Diffusion's own
            spacing. ``curve_options``: arguments of the curve; for own solvers only. ``options``:
            arguments by name, for example ``{"ddim": {"eta": 1.0}}``. ``end``: "zero", or
            "sigma_min" to leave out the last jump of sdlab's solvers. ``path``: "vp", or "flow",
            where curves are laid over flow matching's times; None is then Stable Diffusion 3's
            even times with a shift of 3. See ``PathOptions``.

    Returns:
        One row a solver and step count; ``COLUMNS`` says what is in it. Where a solver refuses a
        step count, the error is NaN and ``note`` says why.

    Raises:
        ValueError: If a name, an option, the curve or a step count is not valid for any step count.
        TypeError: If there is no such argument.
    """
    check_keywords(errors, way, PathOptions.__annotations__)
    names = [names] if isinstance(names, str) else list(names)
    found = _problem(problem, way.get("path", "vp"))
    counts = _checked(steps)
    rows: list[dict[str, Any]] = []
    for name in names:
        asked = _way_of(name, **way)
        own: list[dict[str, Any]] = []
        refused: ValueError | None = None
        for count in counts:
            try:
                entrant = enter(name, count, seed=seed, **asked)
                stochastic = is_stochastic(name, asked["options"], found.path)
                own.append(measure(entrant, found, stochastic, particles, seed))
            except ValueError as error:
                refused = error
                own.append(_refusal(name, asked["curve"], found, count, error))
            if progress is not None:
                progress(len(rows) + len(own), len(names) * len(counts))
        if refused is not None and all(row["note"] for row in own):
            raise refused
        rows += own
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _way_of(
    name: str,
    *,
    curve: str | Mapping[str, str | None] | None = None,
    curve_options: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    end: str = "zero",
    path: str = "vp",
) -> dict[str, Any]:
    """Return one solver's share of what ``errors`` was given for all, as ``enter`` takes it."""
    return {
        "curve": curve.get(name) if isinstance(curve, Mapping) else curve,
        "curve_options": curve_options,
        "options": dict((options or {}).get(name, {})),
        "end": end,
        "path": path,
    }


def measure(
    entrant: ReadySolver,
    found: Problem,
    stochastic: bool,
    particles: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return one row of ``errors``, that of a solver that is set up.

    Args:
        entrant: The solver.
        found: The problem.
        stochastic: Whether it draws noise, so that its samples' moments are what counts.
        particles: How many to send; the problem's own number if not given.
        seed: Of the particles and of the noise.
    """
    import torch

    row: dict[str, Any] = {
        "solver": entrant.name,
        "curve": entrant.curve,
        "problem": found.name,
        "num_steps": entrant.num_steps,
        "start": _sigma(entrant.start, found),
        "end": _sigma(entrant.end, found),
        "measure": "weak" if stochastic else "strong",
        "note": "",
    }
    data = found.denoiser
    if stochastic and gaussian_of(found) is not None and entrant.takes_noise:
        begin = time.perf_counter()
        exact = exact_error(entrant, found, seed)
        if exact is not None:
            row |= {"floor": exact_floor(entrant, found), "seconds": time.perf_counter() - begin}
            return row | exact[0]._asdict() | {"nfe": exact[1]}
    count = particles or (found.samples if stochastic else found.particles)
    real = truth(found, max(schedule(found.path).sigma_max, entrant.start), count, seed)
    real.prepare((entrant.start, entrant.last, entrant.end))
    noise = SharedNoise(torch.Generator().manual_seed(seed + 1))
    last: list[Tensor] = []

    def denoise(x: "Tensor", sigma: float) -> "Tensor":
        last[:] = [data.denoise(x, sigma)]
        return last[0]

    begin = time.perf_counter()
    x, nfe = entrant.run(real.at(entrant.start), denoise, noise, None)
    row |= {"nfe": nfe, "seconds": time.perf_counter() - begin}
    if not bool(torch.isfinite(x).all()):
        return row | {"error": math.nan, "note": "ends in numbers that are not finite"}
    if stochastic:
        return row | error_of_moments(x, *found.moments(entrant.end))._asdict()
    row["error"] = distance(x, real.at(entrant.end), found)
    jumps = entrant.end == 0 and distance(last[0], x.double(), found) < JUMPED
    return row | ({"floor": _floor(entrant, real)} if jumps else {})


def _sigma(level: float, found: Problem) -> float:
    """Return the sigma of a level: of a time, on flow matching's path."""
    return float(time_to_sigma(level)) if found.path == "flow" else level


def distance(x: "Tensor", true: "Tensor", found: Problem) -> float:
    """Return the root mean square distance per entry over the data's spread."""
    return float((x.double() - true).square().mean().sqrt()) / found.spread


def _floor(entrant: ReadySolver, real: ParticleTruth) -> float:
    jumped = real.problem.denoiser.denoise(real.at(entrant.last), entrant.last)
    return distance(jumped, real.at(0.0), real.problem)


def _refusal(
    name: str, curve: str | None, found: Problem, count: int, error: ValueError
) -> dict[str, Any]:
    return {
        "solver": name,
        "curve": curve or "its own",
        "problem": found.name,
        "num_steps": count,
        "error": math.nan,
        "note": str(error),
    }


def _checked(steps: Sequence[int]) -> list[int]:
    if not steps:
        raise ValueError("steps must be whole numbers of at least 1, got [].")
    for number in steps:
        check_whole("each of steps", number, 1, MAX_STEPS)
    return sorted({int(number) for number in steps})


_problem = problem  # the argument of ``errors`` takes its name
