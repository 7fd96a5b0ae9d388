"""Two passports against each other, and the setting of another engine that equals one.

Noise levels are compared as shares of the larger one, times of flow matching as they are, since
both ends of those are known to everybody: 1 is noise alone and 0 the picture.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sdlab.errors import SchedulerError
from sdlab.noise.schedule import Array
from sdlab.passports.passport import (
    Passport,
    engine_named,
    engine_of,
    passport,
    schedulers_of,
)

SAME = 1e-4
"""Below this two levels are the same: engines compute in float32, and some round alpha_bar."""


class HasLevels(Protocol):
    """What has noise levels: a passport, or whatever else says its path and its sigmas."""

    @property
    def path(self) -> str:
        """What ``sigmas`` are: "sigma" or "flow"."""

    @property
    def sigmas(self) -> tuple[float, ...]:
        """From step to step, descending."""


@dataclass(frozen=True)
class Comparison:
    """Where two passports part, and by how much.

    Attributes:
        same: Whether they run the same levels in the same number of steps.
        first: The first entry of their sigmas that differs, from 0; None if none does.
        distance: The largest difference of two levels at the same share of the run: of sigmas a
            share of the larger, 0 to 1; of flow matching's times as it is.
        at: The share of the run where it is, 0 to 1.
        start: The second's start noise over the first's; 1 where both scale it alike.
        sentence: All of it in words.
    """

    same: bool
    first: int | None
    distance: float
    at: float
    start: float
    sentence: str


@dataclass(frozen=True)
class Match:
    """The setting of another engine that comes closest to a passport.

    Attributes:
        passport: Of that setting.
        comparison: Of the passport that was given with it.
        sentence: What to set there, or that nothing there equals it.
    """

    passport: Passport
    comparison: Comparison
    sentence: str


def compare(a: Passport, b: Passport) -> Comparison:
    """Return where two passports part.

    Args:
        a: The one.
        b: The other, of the same kind of sigmas.

    Raises:
        ValueError: If one's sigmas are noise levels and the other's times of flow matching.
    """
    if a.path != b.path:
        raise ValueError(
            f"{a.title} has sigmas and {b.title} times of flow matching, or the other way round:"
            " they have no common axis. Compare two of the same model."
        )
    gaps = differences(a, b)
    where = int(np.argmax(gaps))
    same = a.steps == b.steps and bool(gaps[where] <= SAME)
    first = first_apart(a, b)
    at = where / (len(gaps) - 1)
    start = _ratio(b.noise_scale, a.noise_scale)
    sentence = " ".join(_sentences(a, b, same, first, (float(gaps[where]), at)))
    return Comparison(same, first, float(gaps[where]), at, start, sentence)


def differences(a: HasLevels, b: HasLevels) -> Array:
    """Return how far two passports' levels are apart, at equal shares of the run.

    Returns:
        float64 [entries of the longer one]; of sigmas a share of the larger.
    """
    count = max(len(a.sigmas), len(b.sigmas))
    x, y = (_spread(one, count) for one in (a, b))
    if a.path == "flow":
        return np.abs(x - y)
    larger = np.maximum(x, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.abs(x - y) / larger
    return np.where(larger == 0, 0.0, np.where(np.isinf(x) & np.isinf(y), 0.0, _finite(share)))


def equal_setting(given: Passport, engine: str) -> Match:
    """Return the setting of an engine that equals a passport, or the nearest one it has.

    The model stays, and so does the sampler, which is chosen apart; steps and denoise are those
    with which the engine runs as many steps.

    Args:
        given: The passport.
        engine: The other engine.

    Raises:
        ValueError: If there is no such engine, or it does not run the model.
    """
    name, best = engine_of(engine), None
    if not schedulers_of(name, given.preset):
        passport(name, given.preset)  # says which models it runs
    for candidate in settings(name, given):
        apart = float(differences(given, candidate).max())
        apart += abs(candidate.steps - given.steps)  # another number of steps is never nearest
        if best is None or apart < best[0] - 1e-9:
            best = (apart, candidate)
        if apart <= SAME:
            break
    if best is None:
        raise ValueError(
            f"{engine_named(name).title} has no setting that runs {given.steps} steps of"
            f" {given.preset.title} with a denoise of {given.denoise:g}."
        )
    found = best[1]
    compared = compare(given, found)
    title = engine_named(name).title
    sentence = (
        f"{title} runs the same levels with {found.setting}."
        if compared.same
        else f"{title} has no setting that equals it; the nearest is {found.setting}, off by up to"
        f" {_far(given.path, compared.distance)}."
    )
    return Match(found, compared, sentence)


def settings(engine: str, given: Passport) -> Iterator[Passport]:
    """Yield the passports of every setting of an engine that could equal one.

    Args:
        engine: Its name.
        given: Says the model, the number of steps that run and the denoise.
    """
    for scheduler, options in _choices(engine, given):
        for steps in _counts(given):
            if not 1 <= steps <= 1000:
                continue
            try:
                yield passport(engine, given.preset, scheduler, steps, given.denoise, **options)
            except (ValueError, SchedulerError):
                continue  # it refuses these steps, or this denoise


def _choices(engine: str, given: Passport) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield an engine's schedulers and what else shapes its levels, the plainest first."""
    known = engine_named(engine).options
    sized = {key: given.options[key] for key in ("width", "height") if key in given.options}
    base = sized if "width" in known and given.preset.kind not in ("discrete", "edm") else {}
    if engine == "comfyui" and given.preset.kind == "flow":
        base = {}
    names = schedulers_of(engine, given.preset)
    for scheduler in sorted(names, key=lambda name: not name.endswith("EulerDiscreteScheduler")):
        if engine == "diffusers":
            yield from ((scheduler, {**base, **extra}) for extra in _of_class(scheduler, given))
            continue
        if engine == "invokeai" and scheduler.startswith(_INVOKE_TWINS):
            continue
        yield scheduler, base
        if "discard_penultimate" in known:
            yield scheduler, {**base, "discard_penultimate": True}
        if "img2img_fix_steps" in known and given.denoise < 1:
            yield scheduler, {**base, "img2img_fix_steps": True}


_TWINS = ("KDPM2", "SDE", "Parallel", "Ancestral", "LMS", "SASolver", "Singlestep", "PNDM", "TCD")
_INVOKE_TWINS = ("kdpm", "dpmpp_sde", "dpmpp_2s", "dpmpp_3m", "dpmpp_2m_sde", "lms", "euler_a")
"""What lays out the levels of another class or name, some of it slowly."""


def _of_class(name: str, given: Passport) -> Iterator[dict[str, Any]]:
    """Yield the options of a diffusers class that shape its levels.

    None of a class that lays out what another one does.
    """
    from sdlab.models.scheduler_config import parameters
    from sdlab.solvers.from_diffusers import scheduler_classes

    if any(twin in name for twin in _TWINS):
        return
    taken = parameters(scheduler_classes()[name])
    curves = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")
    shapes = [{}, *({curve: True} for curve in curves if curve in taken)]
    spaced = given.preset.kind == "discrete" and "timestep_spacing" in taken
    for shape in shapes:
        if not spaced:
            yield shape
            continue
        for spacing in ("leading", "linspace", "trailing"):
            yield {"timestep_spacing": spacing, **shape}


def _counts(given: Passport) -> list[int]:
    """Return the numbers of steps with which an engine could run as many as a passport does."""
    run = given.steps
    if given.denoise == 1:
        return list(dict.fromkeys((given.num_steps, run)))
    whole = run / given.denoise
    tried = (given.num_steps, run, int(whole), round(whole), int(whole) + 1, run - 1)
    return list(dict.fromkeys((*tried, round((run - 1) / given.denoise))))


def first_apart(a: HasLevels, b: HasLevels) -> int | None:
    """Return the first entry in which two lists of sigmas differ."""
    for at, (x, y) in enumerate(zip(a.sigmas, b.sigmas, strict=False)):
        scale = 1.0 if a.path == "flow" else max(x, y)
        if x != y and not abs(x - y) <= SAME * scale:
            return at
    return None if len(a.sigmas) == len(b.sigmas) else min(len(a.sigmas), len(b.sigmas))


def _spread(one: HasLevels, count: int) -> Array:
    """Return a passport's levels at ``count`` even shares of its run.

    Between two of them sigma^(1/7) is taken as linear, so that the low ones count too.
    """
    sigmas = np.array(one.sigmas)
    if len(sigmas) == count:
        return sigmas
    power = 1.0 if one.path == "flow" else 7.0
    root = np.where(np.isinf(sigmas), np.inf, sigmas ** (1.0 / power))
    there = np.linspace(0.0, 1.0, count)
    return np.interp(there, np.linspace(0.0, 1.0, len(sigmas)), root) ** power


def _finite(share: Array) -> Array:
    """Return shares with those of an infinite level as 1."""
    return np.where(np.isfinite(share), share, 1.0)


def _ratio(over: float, under: float) -> float:
    return 1.0 if over == under else over / under


def _sentences(
    a: Passport, b: Passport, same: bool, first: int | None, largest: tuple[float, float]
) -> Iterator[str]:
    one, other = _names(a, b)
    if same:
        yield f"{one} and {other} run the same levels in {a.steps} steps."
    if not same and a.steps != b.steps:
        yield f"{one} runs {a.steps} steps, {other} {b.steps}."
    if not same and first is not None and first < min(len(a.sigmas), len(b.sigmas)):
        where = "at the start" if first == 0 else f"after step {first}"
        yield f"They part {where}: {a.sigmas[first]:.4g} against {b.sigmas[first]:.4g}."
    if not same:
        yield (
            f"They differ most, by {_far(a.path, largest[0])}, {largest[1]:.0%} of the way through"
            " the run."
        )
    if a.evaluations != b.evaluations:
        yield f"{one} calls the network {a.evaluations} times, {other} {b.evaluations}."
    yield from _of_starts(a, b)


def _of_starts(a: Passport, b: Passport) -> Iterator[str]:
    """Say how differently the same start noise is scaled, and whether that fits the levels."""
    one, other = _names(a, b)
    ratio = _ratio(b.noise_scale, a.noise_scale)
    if abs(ratio - 1) > 1e-3:
        amount = f"{abs(ratio - 1):.1%} {'more' if ratio > 1 else 'less'}"
        yield (
            f"{one} scales the start noise by {a.noise_scale:.4g}, {other} by {b.noise_scale:.4g},"
            f" {amount}."
        )
    for each, name in ((a, one), (b, other)):
        excess = _ratio(each.noise_scale, each.sigmas[0]) - 1
        if abs(excess) > 3e-3 and np.isfinite(excess):
            amount = f"{abs(excess):.1%} {'more' if excess > 0 else 'less'}"
            yield f"In {name} that is {amount} noise than its first sigma, {each.sigmas[0]:.4g}."


def _names(a: Passport, b: Passport) -> tuple[str, str]:
    """Return what two passports are called in a sentence."""
    titles = [engine_named(one.engine).title for one in (a, b)]
    if titles[0] != titles[1]:
        return titles[0], titles[1]
    if a.scheduler != b.scheduler:
        return a.scheduler, b.scheduler
    return a.setting, b.setting


def _far(path: str, distance: float) -> str:
    return f"{distance:.4f} in t" if path == "flow" else f"{distance:.2%}"
