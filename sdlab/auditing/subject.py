"""What is audited: anything that can be set up over a number of steps and run on the bench.

A solver of sdlab's and a k-diffusion function follow any levels; a diffusers scheduler lays its
own. ``quiet`` switches the noise off: by ``eta`` or ``churn`` = 0 where there is such an
option, and where not, or where draws are left, by zeros in their place.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from sdlab.bench.ready_solver import (
    ReadySolver,
    SharedNoise,
    enter,
    is_stochastic,
    levels_of,
    over_levels,
    schedule,
)
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.flow_course import flow_classes
from sdlab.solvers.registry import Solver

if TYPE_CHECKING:
    from torch import Tensor

    Over = Callable[[tuple[float, ...], str, bool], ReadySolver]
    Ready = Callable[[int, str, str, bool], ReadySolver]

CURVE = "karras"
SWITCHES = ("eta", "tau", "churn", "s_churn")
"""Options that at 0 leave the noise out, instead of only silencing it."""
NAMED_SWITCHES: Mapping[str, tuple[str, Any]] = {
    "er_sde": ("scale", "ode"),
    "restart": ("restarts", 0),
}
"""Solvers with an option that has a word for that."""
# Its Brownian tree draws a value again when that has left its cache: no other noise fits there.
DRAWS_AGAIN = ("DPMSolverSDEScheduler",)
SLOW = (
    *DRAWS_AGAIN,
    "LMSDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "SASolverScheduler",
)
"""Classes that take milliseconds a step, for an integral, a tree or a table."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A sampler that can be audited.

    Attributes:
        name: Its name.
        kind: "solver", "function" (of k-diffusion's shape) or "scheduler" (a diffusers class).
        paths: On which of "vp" and "flow" it runs.
        ready: (number of steps, "zero" or "sigma_min", path, quiet) -> set up.
        over: (levels, path, quiet) -> set up over these; None if it lays its own.
        source: Where it is from, in words.
        options: That it runs with, beside its defaults.
        switch: The option that switches its noise off, with its value; else empty.
        spacing: How its levels fall.
    """

    name: str
    kind: str
    paths: tuple[str, ...]
    ready: "Ready" = field(repr=False)
    over: "Over | None" = field(repr=False)
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    switch: Mapping[str, Any] = field(default_factory=dict)
    spacing: str = CURVE

    @cached_property
    def draws(self) -> bool:
        """Whether its end depends on the noise: two runs on one particle."""
        from sdlab.auditing.draws import SameDraws

        if self.name in DRAWS_AGAIN:
            return True
        entrant = self.ready(4, "zero", self.paths[0], False)
        one, other = (tried(entrant, SameDraws(seed))[0] for seed in (0, 1))
        return not bool((one == other).all())


def tried(entrant: ReadySolver, noise: SharedNoise) -> "tuple[Tensor, int]":
    """Return where one particle ends on data that are the point 0, and the evaluations made."""
    import torch

    x = torch.full((1, 2, 1, 1), entrant.start, dtype=torch.float64)
    return entrant.run(x, lambda x, sigma: 0.5 * x, noise, None)


def off(name: str, options: Iterable[str]) -> dict[str, Any]:
    """Return the option that switches a sampler's noise off, with its value; empty without one.

    Args:
        name: The sampler's.
        options: Names of the options that it has.
    """
    if name in NAMED_SWITCHES:
        return dict([NAMED_SWITCHES[name]])
    return next(({option: 0.0} for option in SWITCHES if option in options), {})


def of_solver(solver: Solver, options: Mapping[str, Any], source: str) -> Subject:
    """Return a solver of sdlab's, or of a plug-in or file, with options.

    Raises:
        ValueError: If an option is not the solver's.
    """
    solver.check_options(options)
    switch = off(solver.name, solver.options)

    def over(levels: tuple[float, ...], path: str, quiet: bool) -> ReadySolver:
        given = {**options, **switch} if quiet else options
        entrant = over_levels(solver, levels, given, path, CURVE)
        return silenced(entrant) if quiet else entrant

    return free(
        Subject(solver.name, "solver", ("vp", "flow"), _unset, over, source, options, switch)
    )


def free(subject: Subject) -> Subject:
    """Return a subject that follows any levels, set up over the audit's curve."""
    over = subject.over
    assert over is not None

    def ready(num_steps: int, end: str, path: str, quiet: bool) -> ReadySolver:
        return over(levels_of(num_steps, CURVE, end=end, path=path), path, quiet)

    return replace(subject, ready=ready)


def of_scheduler(name: str, options: Mapping[str, Any]) -> Subject:
    """Return a diffusers scheduler, over Karras' curve if it has one, else its own spacing.

    Raises:
        ValueError: If it can sample neither Stable Diffusion nor flow matching.
    """
    can = {"vp": adapter.probe(name).compatible, "flow": name in flow_classes()}
    paths = tuple(path for path, able in can.items() if able)
    if not paths:
        raise ValueError(
            f"{name} can sample neither Stable Diffusion ({adapter.probe(name).reason}) nor flow"
            " matching; `sdlab schedulers` lists those that can."
        )
    karras = can["vp"] and CURVE in adapter.native_curves(adapter.compatible_classes()[name])

    @lru_cache(maxsize=64)  # to set the timesteps of KDPM2 takes a quarter of a second
    def made(num_steps: int, path: str) -> ReadySolver:
        curve = CURVE if karras and path == "vp" else None
        return enter(name, num_steps, curve=curve, options=options, path=path)

    def ready(num_steps: int, end: str, path: str, quiet: bool) -> ReadySolver:
        draws = bool(options) or is_stochastic(name, options, path)
        return handed(made(num_steps, path), quiet) if draws else made(num_steps, path)

    import diffusers

    source = f"diffusers {diffusers.__version__}"
    spacing = CURVE if karras else schedule("vp").timestep_spacing
    return Subject(name, "scheduler", paths, ready, None, source, options, {}, spacing)


def handed(entrant: ReadySolver, quiet: bool) -> ReadySolver:
    """Return a scheduler whose draws are the noise that it is handed, or zeros."""
    from sdlab.auditing.draws import NoDraws, handing

    inner, own = entrant.run, entrant.name in DRAWS_AGAIN

    def run(x: "Tensor", denoise: Any, noise: SharedNoise, watch: Any) -> "tuple[Tensor, int]":
        noise = NoDraws() if quiet else noise
        if own and not isinstance(noise, NoDraws):
            return inner(x, denoise, noise, watch)
        with handing(noise):
            return inner(x, denoise, noise, watch)

    return replace(entrant, run=run, takes_noise=not own)


def silenced(entrant: ReadySolver) -> ReadySolver:
    """Return a solver that is handed zeros for noise."""
    from sdlab.auditing.draws import NoDraws

    inner = entrant.run

    def run(x: "Tensor", denoise: Any, noise: SharedNoise, watch: Any) -> "tuple[Tensor, int]":
        return inner(x, denoise, NoDraws(), watch)

    return replace(entrant, run=run)


def _unset(num_steps: int, end: str, path: str, quiet: bool) -> ReadySolver:
    raise AssertionError("``free`` sets it")
