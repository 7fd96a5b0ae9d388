"""Which known samplers a sampler equals: the same ends, from the same starts with the same draws.

Two samplers that end at the same place on a random mixture, over levels that no special case fits,
do the same arithmetic. Those that follow any levels are compared over two sets, one ending at 0 and
one above it; a diffusers scheduler lays its own, over which the others are run. The n-th draw of
noise is the same for both. Two that draw and part may still do the same but for what they draw (a
Brownian tree's values), and one that draws may be another, or a deterministic one, when its noise
is switched off: both are looked for too.

Ends in float64 are equal within 1e-8 of their size, those of diffusers, which keeps its tables in
float32, within 1e-5.
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.auditing.draws import NoDraws, SameDraws
from sdlab.auditing.subject import Subject, of_scheduler, of_solver
from sdlab.bench.ready_solver import levels_of
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.flow_course import flow_classes
from sdlab.solvers.registry import is_own, solvers

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.bench.ready_solver import ReadySolver
    from sdlab.denoisers.mixture import Mixture

Levels = tuple[float, ...]

SEED = 20
SAME, SAME_SINGLE = 1e-8, 1e-5
STEPS = 8
UNEVEN: Levels = (14.6, 9.7, 5.1, 3.3, 1.31, 0.84, 0.29, 0.11)
"""Levels that end above 0, and follow no curve."""
VARIANTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "lms": ({"order": 2}, {"order": 3}),
    "deis": ({"order": 2},),
    "unipc": (
        {"order": 1},
        {"order": 3},
        {"order": 2, "variant": "bh1"},
        {"order": 3, "variant": "bh1"},
    ),
    "ddim": ({"eta": 1.0},),
    "DDIMScheduler": ({"eta": 1.0},),
    "DPMSolverMultistepScheduler": (
        {"solver_order": 3},
        {"algorithm_type": "sde-dpmsolver++"},
        {"solver_type": "heun"},
    ),
    "DEISMultistepScheduler": ({"solver_order": 3},),
}
"""Options with which a known sampler is another method, beside its defaults."""


class Way(NamedTuple):
    """How two samplers are run to be compared: what of the noise is left, and its name."""

    text: str
    quiet: bool
    silent: bool


SAME_DRAWS = Way("", False, False)
SILENT = Way(" but for its draws", False, True)
OFF = Way(" with the noise off", True, True)


class Match(NamedTuple):
    """A known sampler whose ends are those of the one audited.

    Attributes:
        name: The known one, with its options as in ``unipc {order=3}``.
        way: "", or what has to be left out for them to be equal.
        apart: Largest difference of an end, over the ends' size.
    """

    name: str
    way: str
    apart: float

    @property
    def text(self) -> str:
        """Its name, and what has to be left out."""
        return self.name + self.way


class Known(NamedTuple):
    """A known sampler."""

    name: str
    subject: Subject


def matches(subject: Subject) -> list[Match]:
    """Return the known samplers that a sampler equals, itself among them if it is one.

    Raises:
        ValueError: If the sampler fails.
    """
    found = []
    for known in knowns():
        for way in _ways(subject.draws, known.subject.draws):
            apart = _apart(subject, known, way)
            if apart is not None:
                found.append(Match(known.name, way.text, apart))
                break
    return sorted(found, key=lambda match: match.way != "")


def _ways(ours: bool, theirs: bool) -> tuple[Way, ...]:
    if ours and theirs:
        return (SAME_DRAWS, SILENT, OFF)
    return (OFF,) if ours or theirs else (SAME_DRAWS,)


@cache
def _known_of(name: str, options: tuple[tuple[str, Any], ...]) -> Known:
    given = dict(options)
    listed = ", ".join(f"{key}={value}" for key, value in given.items())
    text = f"{name} {{{listed}}}" if listed else name
    if name in solvers():
        return Known(text, of_solver(solvers()[name], given, "sdlab"))
    return Known(text, of_scheduler(name, given))


def knowns() -> Iterator[Known]:
    """Return all known samplers: sdlab's own, then diffusers', each with its variants."""
    own = [name for name in solvers() if is_own(name)]
    foreign = sorted({*adapter.compatible_classes(), *flow_classes()})
    for name in (*own, *foreign):
        for options in ({}, *VARIANTS.get(name, ())):
            yield _known_of(name, tuple(options.items()))


def _apart(subject: Subject, known: Known, way: Way) -> float | None:
    """Return how far the ends of two samplers are apart, None if they are not equal."""
    shared = [path for path in subject.paths if path in known.subject.paths]
    if not shared:
        return None
    path, worst = shared[0], 0.0
    same = SAME if subject.over and known.subject.over else SAME_SINGLE
    for levels in _levels(subject, known.subject, path):
        theirs = _end_of(known.subject, levels, path, way)
        ours = _end_of(subject, levels, path, way)
        if theirs is None or ours is None:
            return None
        apart = float((ours - theirs).abs().max() / theirs.abs().max())
        if not apart <= same:
            return None
        worst = max(worst, apart)
    return worst


def _levels(one: Subject, other: Subject, path: str) -> tuple[Levels, ...]:
    """Return the levels over which two samplers are compared; none if they share none."""
    laid = [own_levels(s, path) for s in (one, other) if s.over is None]
    if len(laid) == 2 and (len(laid[0]) != len(laid[1]) or _differ(*laid)):
        return ((),)
    if laid:
        return (laid[0],)
    return (levels_of(STEPS, "karras", path=path), UNEVEN)


def _differ(one: Levels, other: Levels) -> bool:
    return any(abs(a - b) > 1e-4 * max(a, b) for a, b in zip(one, other, strict=True))


@lru_cache(maxsize=256)
def _own_levels(entrant: "ReadySolver") -> Levels:
    """Return the level at which each step of a scheduler begins, and the last one."""
    first: dict[int, float] = {}
    x = _start(entrant.start)
    mixture = _data("vp")

    def watch(step: int, level: float, at: "Tensor") -> None:
        first.setdefault(step, level)

    entrant.run(x, mixture.denoise, NoDraws(), watch)
    return (*first.values(), entrant.end)


def own_levels(subject: Subject, path: str) -> Levels:
    """Return the level at which each step of a scheduler begins, and the last one."""
    return _own_levels(_ready(subject, path, False))


@lru_cache(maxsize=512)
def _ready(subject: Subject, path: str, quiet: bool) -> "ReadySolver":
    return subject.ready(STEPS, "zero", path, quiet)


@lru_cache(maxsize=4096)
def _end_of(subject: Subject, levels: Levels, path: str, way: Way) -> "Tensor | None":
    """Return where a sampler ends over levels, None if it fails there."""
    if not levels:
        return None
    try:
        if subject.over is None:
            entrant = _ready(subject, path, way.quiet)
        else:
            entrant = subject.over(levels, path, way.quiet)
        noise = NoDraws() if way.silent else SameDraws(SEED)
        end, _ = entrant.run(_start(levels[0]), _data(path).denoise, noise, None)
    except ValueError:
        return None
    return end.double()


@lru_cache(maxsize=64)
def _start(level: float) -> "Tensor":
    import torch

    generator = torch.Generator().manual_seed(SEED)
    return level * torch.randn(3, 2, 2, 2, generator=generator, dtype=torch.float64)


@cache
def _data(path: str) -> Any:
    from sdlab.denoisers.on_flow import on_flow

    return on_flow(_mixture()) if path == "flow" else _mixture()


@cache
def _mixture() -> "Mixture":
    """Return a random mixture of four Gaussians in eight dimensions."""
    import torch

    from sdlab.denoisers.mixture import Mixture

    generator = torch.Generator().manual_seed(SEED)
    means = torch.randn(4, 2, 2, 2, generator=generator, dtype=torch.float64)
    stds = 0.2 + 0.4 * torch.rand(4, generator=generator, dtype=torch.float64)
    shares = 0.2 + torch.rand(4, generator=generator, dtype=torch.float64)
    return Mixture(means, stds, shares / shares.sum())
