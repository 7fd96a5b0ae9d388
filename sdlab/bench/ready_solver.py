"""One solver or scheduler on the bench: set up over a curve, run from true particles to its end.

sdlab's solvers are driven directly, in VE coordinates, over the sigmas of a curve. diffusers'
schedulers run unchanged, in their own coordinates and over their own levels (``sdlab.course``);
only their first and last point are converted to VE.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from sdlab.errors import unknown
from sdlab.noise import curves
from sdlab.noise.flow import sigma_to_time
from sdlab.noise.schedule import FlowTimes, NoiseSchedule
from sdlab.sampler_names import unknown_solver
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.catalogue import valid_names
from sdlab.solvers.course import Course, course
from sdlab.solvers.flow import flow_form
from sdlab.solvers.probing import Probed
from sdlab.solvers.protocol import Answer, Query
from sdlab.solvers.randomness import Noise
from sdlab.solvers.registry import Solver, solvers
from sdlab.work import drive

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Denoise = Callable[[Tensor, float], Tensor]
    # Called at each evaluation with (step, sigma, x in VE coordinates).
    Watch = Callable[[int, float, Tensor], None]

ENDS = ("zero", "sigma_min")
SINGLE, DOUBLE = 1e-6, 1e-9


@dataclass(frozen=True)
class ReadySolver:
    """A solver over one curve and number of steps, ready to run.

    Attributes:
        name: Its short name or diffusers class.
        curve: The curve it follows; for a diffusers scheduler without one, its config's spacing.
        num_steps: Solver steps.
        start: The level it starts from.
        last: The last level above 0 at which it evaluates: from there it jumps, if it ends at 0.
        end: The level it ends at.
        run: (x at ``start``, denoise, noise, watch) -> x at ``end`` and evaluations made.
        precision: Relative error of its arithmetic: diffusers keeps its tables in float32; ours
            are float64, and the truth is known to about 1e-9.
        takes_noise: Whether all its randomness is the noise that it is handed.
    """

    name: str
    curve: str
    num_steps: int
    start: float
    last: float
    end: float
    run: "Callable[[Tensor, Denoise, SharedNoise, Watch | None], tuple[Tensor, int]]" = field(
        repr=False
    )
    precision: float = DOUBLE
    takes_noise: bool = True


class SharedNoise(Noise):
    """Noise for a batch of particles at once.

    The Brownian motion is drawn as it is asked for, exact in distribution and fast; unlike the
    usual path of a solver it depends on the number of steps.
    """

    generator: "torch.Generator"

    def __init__(self, generator: "torch.Generator") -> None:
        super().__init__(generator)
        self.draws = 0
        self._walk: list[tuple[float, Tensor]] = []  # (tau = sigma^-2, W), ascending

    def __call__(self, x: "Tensor") -> "Tensor":
        """Return fresh standard normal noise like ``x``."""
        import torch

        self.draws += 1
        return torch.randn(x.shape, generator=self.generator, dtype=x.dtype)

    def between(self, x: "Tensor", sigma: float, sigma_next: float) -> "Tensor":
        """Return the motion's increment between two levels, of variance 1, like ``x``."""
        start, end = sigma**-2, sigma_next**-2
        first, last = self._at(x, start), self._at(x, end)
        return (last - first) / math.sqrt(end - start)

    def _at(self, x: "Tensor", tau: float) -> "Tensor":
        """Return W(tau): known, or a step beyond the known values, or a bridge between two."""
        before = [point for point in self._walk if point[0] <= tau]
        after = [point for point in self._walk if point[0] > tau]
        if before and before[-1][0] == tau:
            return before[-1][1]
        if before and after:
            (a, w_a), (b, w_b) = before[-1], after[0]
            mean = w_a + (tau - a) / (b - a) * (w_b - w_a)
            found = mean + math.sqrt((tau - a) * (b - tau) / (b - a)) * self(x)
        elif before or after:
            a, w_a = before[-1] if before else after[0]
            found = w_a + math.sqrt(abs(tau - a)) * self(x)
        else:
            found = x * 0.0
        self._walk = [*before, (tau, found), *after][-8:]
        return found


def enter(
    name: str,
    num_steps: int,
    *,
    curve: str | None = None,
    curve_options: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    end: str = "zero",
    path: str = "vp",
    seed: int = 0,
) -> ReadySolver:
    """Return a solver or scheduler set up over a curve of Stable Diffusion's schedule.

    Args:
        name: A solver's short name or a diffusers class.
        num_steps: Solver steps, at least 1.
        curve: How sigma falls; None for Stable Diffusion's own spacing ("leading").
        curve_options: Arguments of the curve; for own solvers only.
        options: Arguments of the solver, or of the scheduler's class and its ``eta``.
        end: Where sdlab's solvers end: "zero", or "sigma_min" to leave out the last jump, so that
            all ``num_steps`` steps are above it. diffusers' schedulers end where they always do.
        path: "vp", or "flow": over flow matching's times, those of Stable Diffusion 3.
        seed: For schedulers that draw noise from a seed of their own.

    Raises:
        ValueError: If a name, an option, the curve or the number of steps is not valid.
    """
    if end not in ENDS:
        raise ValueError(unknown("end", end, ENDS))
    options = dict(options or {})
    if name in solvers():
        along = (curve, dict(curve_options or {}))
        return _own(name, num_steps, along, options, end, path)
    if path == "flow":
        from sdlab.solvers.flow_course import SD3_CONFIG

        eta = options.pop("eta", None)
        going = course(
            name,
            num_steps,
            config=SD3_CONFIG,
            options=options,
            curve=curve,
            curve_options=curve_options,
            eta=eta,
        )
        return _diffusers_flow(going)
    if name not in adapter.scheduler_classes():
        raise ValueError(unknown_solver(name, valid_names()))
    eta = options.pop("eta", None)
    going = course(
        name,
        num_steps,
        options=options,
        curve=curve,
        curve_options=curve_options,
        eta=eta,
        seed=seed,
    )
    return _diffusers(going, curve)


def curves_for(names: Iterable[str], curve: str | None, path: str = "vp") -> dict[str, str | None]:
    """Return the curve for each solver: this one, or None for those that cannot follow it."""
    if path == "flow":
        return {name: curve if name in solvers() else None for name in names}
    classes = adapter.compatible_classes()
    return {
        name: None if name in classes and curve not in adapter.scheduler_curves(classes[name])
        else curve
        for name in names
    }  # fmt: skip


def is_stochastic(name: str, options: Mapping[str, Any] | None = None, path: str = "vp") -> bool:
    """Return whether a solver draws noise, found out by running it.

    Raises:
        ValueError: As ``enter``.
    """
    options = dict(options or {})
    if name in solvers():
        return _draws(solvers()[name], tuple(sorted(options.items())))
    if name in adapter.scheduler_classes() and not _probed(name, path).deterministic:
        return True
    return bool(options.get("eta"))


def _probed(name: str, path: str) -> Probed:
    if path != "flow":
        return adapter.probe(name)
    from sdlab.solvers.flow_course import probe_flow

    return probe_flow(name)


@cache
def schedule(path: str = "vp") -> NoiseSchedule:
    """Return the noise schedule over which the bench runs.

    Args:
        path: "vp" for Stable Diffusion's, "flow" for Stable Diffusion 3's times.
    """
    if path == "flow":
        from sdlab.solvers.flow_course import SD3_CONFIG

        return FlowTimes(SD3_CONFIG["num_train_timesteps"], SD3_CONFIG["shift"])
    return NoiseSchedule.from_config(adapter.SD_CONFIG)


@cache
def _draws(solver: Solver, options: tuple[tuple[str, Any], ...]) -> bool:
    import torch

    noise = SharedNoise(torch.Generator().manual_seed(0))
    sigmas = tuple(curves.karras(6, 0.03, 14.6).tolist())
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    solver.solve(x, sigmas, noise, lambda x, sigma: 0.5 * x, dict(options))
    return noise.draws > 0


def _own(
    name: str,
    num_steps: int,
    along: tuple[str | None, dict[str, Any]],
    options: dict[str, Any],
    end: str,
    path: str,
) -> ReadySolver:
    solver, (curve, curve_options) = solvers()[name], along
    solver.check_options(options)
    levels = levels_of(num_steps, curve, end=end, path=path, curve_options=curve_options)
    spacing = curve or schedule(path).timestep_spacing
    return over_levels(solver, levels, options, path, spacing)


def levels_of(
    num_steps: int,
    curve: str | None,
    *,
    end: str = "zero",
    path: str = "vp",
    curve_options: Mapping[str, Any] | None = None,
) -> tuple[float, ...]:
    """Return the levels of a curve, one more than steps.

    Args:
        num_steps: Solver steps.
        curve: How the level falls; None for the schedule's own spacing.
        end: "zero", or "sigma_min" to leave out the last jump.
        path: "vp" or "flow".
        curve_options: Arguments of the curve.

    Raises:
        ValueError: If the curve, an option or the number of steps is not valid.
    """
    given = dict(curve_options or {})
    if end == "sigma_min" and "sigmas" not in given:
        sigmas = curves.make(curve, schedule(path), num_steps + 1, given)[:-1]
    else:
        sigmas = curves.make(curve, schedule(path), num_steps, given)
        sigmas = sigmas[:-1] if end == "sigma_min" else sigmas
    levels = tuple(sigmas.tolist())
    if len(levels) < 2:
        raise ValueError(f"end 'sigma_min' needs 2 steps or more over given sigmas, got {levels}.")
    return levels


def over_levels(
    solver: Solver,
    levels: tuple[float, ...],
    options: Mapping[str, Any],
    path: str = "vp",
    spacing: str = "sigmas",
) -> ReadySolver:
    """Return one of sdlab's solvers set up over levels.

    Args:
        solver: A registered solver.
        levels: Descending; of flow matching, its times.
        options: Arguments of the solver.
        path: "vp" or "flow".
        spacing: What the levels are called.
    """
    num_steps = len(levels) - 1
    form = flow_form(solver, options) if path == "flow" else solver

    def run(
        x: "Tensor", denoise: "Denoise", noise: SharedNoise, watch: "Watch | None"
    ) -> "tuple[Tensor, int]":
        evaluation = 0

        def answer(x: "Tensor", sigma: float) -> "Tensor":
            nonlocal evaluation
            if watch is not None:
                watch(form.step_of(evaluation, num_steps), sigma, x)
            evaluation += 1
            return denoise(x, sigma)

        x_end, asked = form.solve(x, levels, noise, answer, options)
        return x_end, len(asked)

    last = levels[-2] if levels[-1] == 0 else levels[-1]
    return ReadySolver(solver.name, spacing, num_steps, levels[0], last, levels[-1], run)


def _diffusers(going: Course, curve: str | None) -> ReadySolver:
    scheduler, first = going.scheduler, going.sigmas[0]
    kind = scheduler.config.prediction_type

    def run(
        x: "Tensor", denoise: "Denoise", noise: SharedNoise, watch: "Watch | None"
    ) -> "tuple[Tensor, int]":
        import torch

        made = 0
        one = torch.ones(1, 1, 1, 1, dtype=torch.float64) * scheduler.init_noise_sigma
        shown = float(scheduler.scale_model_input(one, scheduler.timesteps[0]))
        vp = x / math.sqrt(1.0 + first**2)

        def answer(query: Query) -> Answer:
            nonlocal made
            made += 1
            scale = math.sqrt(1.0 + query.sigma**2)
            here = query.x_t.double() * scale
            if watch is not None:
                watch(query.step, query.sigma, here)
            x0_pred = denoise(here, query.sigma)
            return Answer(_output(kind, here, x0_pred, query.sigma), x0_pred)

        x_end = drive(going.make_process(vp / shown, noise.generator), answer).double()
        holds_ve = not math.isclose(shown, float(scheduler.init_noise_sigma), rel_tol=1e-6)
        return x_end if holds_ve else x_end * math.sqrt(1.0 + going.end**2), made

    spacing = curve or scheduler.config.get("timestep_spacing") or "its own"
    last = going.sigmas[-1]
    steps, end = going.num_steps, going.end
    return ReadySolver(going.name, spacing, steps, first, last, end, run, SINGLE, False)


def _diffusers_flow(going: Course) -> ReadySolver:
    times = [float(time) for time in sigma_to_time(going.sigmas)]

    def run(
        x: "Tensor", denoise: "Denoise", noise: SharedNoise, watch: "Watch | None"
    ) -> "tuple[Tensor, int]":
        made = 0

        def answer(query: Query) -> Answer:
            nonlocal made
            time, here = times[made], query.x_t.double()
            made += 1
            if watch is not None:
                watch(query.step, time, here)
            x0_pred = denoise(here, time)
            return Answer((here - x0_pred) / time, x0_pred)

        x_end = drive(going.make_process(x, noise.generator), answer)
        return x_end.double(), made

    end = float(sigma_to_time(going.end))
    first, last, steps = times[0], times[-1], going.num_steps
    return ReadySolver(going.name, "its own", steps, first, last, end, run, SINGLE, False)


def _output(kind: str, x: "Tensor", x0_pred: "Tensor", sigma: float) -> "Tensor":
    """Return the output of a network of that prediction type; ``x`` in VE coordinates."""
    eps = (x - x0_pred) / sigma
    if kind == "sample":
        return x0_pred
    if kind == "v_prediction":
        return (eps - sigma * x0_pred) / math.sqrt(1.0 + sigma**2)
    return eps
