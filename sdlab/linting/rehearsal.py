r"""A rehearsal: runs every step of a course on data whose answer is known, and measures it.

The data are one point mu, elementwise +-30, so that the denoiser is exact (x0_pred = mu) and
x = a mu + b n shows its own noise level: the part along mu is a, the rest is b, and sigma = b / a,
whether the scheduler holds VP or VE latents. Each call of a diffusers scheduler is given x at the
level of the evaluation, so that its result shows the level at which the step really ends: for a
consistent scheduler, that of the next evaluation. sdlab's solvers are run through, and each point
that they yield shows its level.

Nothing here looks at a scheduler's formulas or names; what it does is measured.
"""

import copy
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlab.noise.flow import sigma_to_time
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.course import Course
from sdlab.solvers.protocol import Answer, Query
from sdlab.work import drive

if TYPE_CHECKING:
    from torch import Tensor

SIGNAL = 30.0
ROUNDING = 16 * 2.0**-23 * SIGNAL
"""Noise up to this may be float32's rounding of the signal in a step's few operations."""
SIDE = 64  # 4,096 elements: fresh noise shows its standard deviation to about 1 %


@dataclass(frozen=True)
class Rehearsal:
    """What the steps really did.

    Attributes:
        ends: Noise level after each evaluation's call; for sdlab's solvers, of the next one.
        injected: Share of fresh noise in the noise after each call, 0 ... 1.
        error: What a call raised, or "".
        broken_at: The evaluation whose call gave the first value that is not finite, or None.
        failed_at: The evaluation whose call raised, or None.
    """

    ends: tuple[float, ...]
    injected: tuple[float, ...]
    error: str = ""
    broken_at: int | None = None
    failed_at: int | None = None

    @property
    def stochastic(self) -> bool:
        """Whether any step added noise of its own."""
        return any(share > 1e-2 for share in self.injected)


def rehearse(course: Course, eta: float | None, first: float) -> Rehearsal:
    """Return what each step of a course really does.

    Args:
        course: Of a solver or a scheduler; a scheduler can be used again afterwards.
        eta: For schedulers whose ``step`` takes it; own solvers have theirs in the course.
        first: The level at which the course starts.
    """
    if course.scheduler is None:
        return _of_solver(course, first)
    return _of_scheduler(course, eta)


def holds_ve(scheduler: Any) -> bool:
    """Return whether a scheduler holds VE latents, x0 + sigma n, by the scale of its start."""
    return float(getattr(scheduler, "init_noise_sigma", 1.0)) > 1.0


class _Pattern:
    """mu and n: two orthogonal sign patterns, and the noise level of a tensor along them.

    Args:
        exact: Whether to measure in float64: on flow matching's path x is noise alone at first,
            and the picture is made of differences.
    """

    def __init__(self, exact: bool) -> None:
        import torch

        self.exact = exact

        signs = torch.ones(1, 1, SIDE, SIDE)
        self.mu = signs.clone()
        self.mu[..., ::2, :] = -1.0
        self.noise = signs
        self.noise[..., ::2] = -1.0

    def at(self, signal: float, noise: float) -> "Tensor":
        return SIGNAL * signal * self.mu + noise * self.noise

    def level(self, x: "Tensor") -> tuple[float, float]:
        """Return sigma and the share of noise that is not the start's."""
        x = x.double() if self.exact else x.float()
        signal = float((x * self.mu).mean())
        rest = x - signal * self.mu
        total = float(rest.square().mean())
        along = float((rest * self.noise).mean())
        fresh = max(0.0, 1.0 - along**2 / total) if total > ROUNDING**2 else 0.0
        sigma = SIGNAL * math.sqrt(total) / abs(signal) if signal else math.inf
        return sigma, fresh


def _of_scheduler(course: Course, eta: float | None) -> Rehearsal:
    import torch

    flow = course.schedule.path == "flow"
    scheduler, pattern = copy.deepcopy(course.scheduler), _Pattern(flow)
    exploding = holds_ve(scheduler)
    kind = scheduler.config.get("prediction_type", "epsilon")
    kind = "flow" if flow else kind
    arguments = _arguments(scheduler, eta)
    levels: list[tuple[float, float]] = []
    for index, t in enumerate(scheduler.timesteps):
        sigma = course.sigmas[index]
        a, b = _weights(sigma, course.schedule.path)
        latents = pattern.at(1.0, sigma) if exploding else pattern.at(a, b)
        try:
            if hasattr(scheduler, "scale_model_input"):
                scheduler.scale_model_input(latents, t)
            output = _output(pattern, kind, a, b)
            with torch.no_grad():
                after = scheduler.step(output, t, latents, **arguments, return_dict=False)[0]
        except Exception as error:  # whatever a foreign class raises is the finding
            return _rehearsal(levels, error=adapter.words(error), failed_at=index)
        if not bool(torch.isfinite(after).all()):
            return _rehearsal(levels, broken_at=index)
        levels.append(pattern.level(after))
    return _rehearsal(levels)


def _weights(sigma: float, path: str) -> tuple[float, float]:
    """Return how much of mu and of n is in x as the network is given it."""
    if path == "flow":
        time = float(sigma_to_time(sigma))
        return 1.0 - time, time
    a = 1.0 / math.sqrt(1.0 + sigma**2)
    return a, sigma * a


def _output(pattern: _Pattern, kind: str, a: float, b: float) -> "Tensor":
    if kind == "flow":
        return pattern.at(-1.0, 1.0)
    if kind == "v_prediction":
        return pattern.at(-b, a)
    return pattern.at(1.0, 0.0) if kind == "sample" else pattern.at(0.0, 1.0)


def _arguments(scheduler: Any, eta: float | None) -> Mapping[str, Any]:
    import torch

    accepted = inspect.signature(scheduler.step).parameters
    arguments: dict[str, Any] = {}
    if "eta" in accepted:
        arguments["eta"] = 0.0 if eta is None else eta
    if "generator" in accepted:
        arguments["generator"] = torch.Generator().manual_seed(0)
    return arguments


def _of_solver(course: Course, first: float) -> Rehearsal:
    import torch

    pattern = _Pattern(course.schedule.path == "flow")
    levels: list[tuple[float, float]] = []

    def answer(query: Query) -> Answer:
        levels.append(pattern.level(query.x_t))
        x0_pred = pattern.at(1.0, 0.0)
        return Answer(x0_pred, x0_pred)

    start = pattern.at(*_weights(first, course.schedule.path))
    start = start.double() if pattern.exact else start
    process = course.make_process(start, torch.Generator().manual_seed(0))
    try:
        end = drive(process, answer)
    except Exception as error:
        text = adapter.words(error)
        return _rehearsal(levels[1:], error=text, failed_at=max(0, len(levels) - 1))
    if not bool(torch.isfinite(end).all()):
        return _rehearsal(levels[1:], broken_at=max(0, len(levels) - 1))
    return _rehearsal([*levels[1:], pattern.level(end)])


def _rehearsal(levels: list[tuple[float, float]], **facts: Any) -> Rehearsal:
    ends, injected = zip(*levels, strict=True) if levels else ((), ())
    return Rehearsal(tuple(ends), tuple(injected), **facts)
