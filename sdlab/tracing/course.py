"""Finds the step and noise level of each evaluation of a pipeline's call, by its scheduler.

The timestep of a step must be the one that the scheduler has at that place, and where noise is
added as in Stable Diffusion, its noise level there must be that timestep's, up to the rounding to
whole timesteps that some classes do. With flow matching the scheduler's table has the times
themselves. Of a scheduler of another kind nothing is known but its timesteps.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.models.scheduler_config import config_in_force
from sdlab.noise.flow import is_flow, time_to_sigma
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.driving import evaluation_sigmas, evaluation_steps
from sdlab.solvers.flow_course import times_of
from sdlab.tracing.batch import Unread

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1.5  # timesteps: two roundings to a whole one, each by 0.5 or, at the ends, 1


class CallCourse:
    """(sigma, step) of every evaluation that a call will make, from its first one on.

    Args:
        pipe: The pipeline, its scheduler's timesteps set.
        schedule: Its noise schedule.
        time: The timestep of the first evaluation; None if it is not known yet.

    Attributes:
        points: (sigma, step) of each evaluation expected.

    Raises:
        Unread: If the scheduler has no such timestep, or gives it another noise level.
    """

    def __init__(self, pipe: Any, schedule: NoiseSchedule, time: float | None = None) -> None:
        scheduler = pipe.scheduler
        self._name = type(scheduler).__name__
        steps, chosen = _chosen(pipe, time)
        times = timesteps(scheduler)
        self._times = [float(times[i]) for i in chosen]
        sigmas = _flow_sigmas if schedule.path == "flow" else self._sigmas
        found = sigmas(scheduler, schedule)
        self.points = [(found[i], steps[i] - steps[chosen[0]]) for i in chosen]

    def begins_at(self, time: float) -> bool:
        """Return whether its first evaluation is at a timestep."""
        return self._times[0] == time

    def point(self, number: int, time: float) -> tuple[float, int]:
        """Return (sigma, step) of an evaluation.

        Args:
            number: Which one, from 0.
            time: The timestep that the scheduler was given.

        Raises:
            Unread: If the scheduler's course has another timestep there.
        """
        lap, place = divmod(number, len(self._times))  # some go through it twice
        if self._times[place] != time:
            raise Unread(
                f"makes a step at timestep {time:g} (evaluation {number}), while the course of its"
                f" {self._name} is at {self._times[place]:g} by then; from there on only timesteps"
                " are recorded"
            )
        sigma, step = self.points[place]
        return sigma, step + lap * (self.points[-1][1] + 1)

    def _sigmas(self, scheduler: Any, schedule: NoiseSchedule) -> list[float]:
        low, high = min(self._times), max(self._times)
        if low < 0 or high > schedule.num_timesteps - 1:
            raise Unread(
                f"runs by a {self._name}, whose timesteps ({low:g} to {high:g}) are not those of"
                f" its noise schedule, 0 to {schedule.num_timesteps - 1}; only timesteps are"
                " recorded"
            )
        sigmas = evaluation_sigmas(scheduler, schedule)
        times = scheduler.timesteps.tolist()
        for sigma, meant, time in zip(
            sigmas, schedule.sigma_to_timestep(sigmas), times, strict=True
        ):
            if abs(meant - time) > ROUNDING:
                raise Unread(
                    f"runs by a {self._name}, which is at timestep {time:g} at sigma {sigma:.4g};"
                    f" by the model's schedule that is timestep {meant:.4g}, so that it is not"
                    " known how noisy its latents are; only timesteps are recorded"
                )
        return sigmas


def schedule_of(scheduler: Any) -> NoiseSchedule:
    """Return the noise schedule that a scheduler's latents follow.

    Raises:
        Unread: If it is neither that of flow matching nor one of alpha_bar.
    """
    name, config = type(scheduler).__name__, config_in_force(scheduler)
    unknown = Unread(
        f"runs by a {name}, which adds noise neither as Stable Diffusion nor as flow matching"
        " does; only timesteps are recorded"
    )
    flow, bars = is_flow(config), _alpha_bar(scheduler)
    velocity = config.get("prediction_type") in (None, "flow_prediction")
    if (config.get("invert_sigmas") or not velocity) if flow else bars is None:
        raise unknown
    try:
        schedule = NoiseSchedule.from_config(config)
        if flow or np.allclose(schedule.alpha_bar, bars, rtol=1e-3, atol=1e-6):
            return schedule
        kind = config.get("prediction_type") or "epsilon"
        return NoiseSchedule(bars, prediction_type=kind)
    except (ValueError, TypeError, KeyError):
        raise unknown from None


def _alpha_bar(scheduler: Any) -> Any:
    """Return a scheduler's alpha_bar at each timestep, float64 [T], or None."""
    bars = getattr(scheduler, "alphas_cumprod", None)
    return None if bars is None else np.array(bars.tolist())


def timesteps(scheduler: Any) -> list[float]:
    """Return the timesteps that a scheduler has set; none before it has."""
    times: Any = getattr(scheduler, "timesteps", None)
    return [] if times is None else [float(time) for time in times.tolist()]


def timestep_of(timestep: "Tensor | float") -> float:
    """Return the timestep that a scheduler's step is given.

    Raises:
        Unread: If there are several.
    """
    values = timestep.flatten().tolist() if hasattr(timestep, "flatten") else [timestep]
    if len(set(values)) != 1:
        raise Unread(
            f"makes a step of {len(set(values))} timesteps at once; from there on nothing is"
            " recorded"
        )
    return float(values[0])


def _flow_sigmas(scheduler: Any, schedule: NoiseSchedule) -> list[float]:
    try:
        sigmas: list[float] = time_to_sigma(times_of(scheduler)).tolist()
    except ValueError:
        raise Unread(
            f"runs by a {type(scheduler).__name__} whose times lie outside 0 to 1; only timesteps"
            " are recorded"
        ) from None
    return sigmas


def _chosen(pipe: Any, time: float | None) -> tuple[list[int], range]:
    """Return the step of each of the scheduler's evaluations, and which of them the call makes."""
    scheduler = pipe.scheduler
    times = timesteps(scheduler)
    if not times:
        raise Unread("has set no timesteps; nothing is recorded")
    first = _first(pipe, times, time)
    count = getattr(pipe, "num_timesteps", None) or len(times)
    num_steps = getattr(scheduler, "num_inference_steps", None) or len(times)
    known = hasattr(scheduler, "order")
    steps = evaluation_steps(scheduler, num_steps) if known else [*range(len(times))]
    return steps, range(first, min(first + int(count), len(times)))


def _first(pipe: Any, times: list[float], time: float | None) -> int:
    """Return the place of a call's first evaluation among its scheduler's timesteps.

    If a timestep is there twice (PNDM, Heun), the begin index of scheduler and pipeline decides.
    """
    count = getattr(pipe, "num_timesteps", None)
    guesses = (
        getattr(pipe.scheduler, "begin_index", None),
        None if count is None else len(times) - int(count),
        0,
    )
    for first in guesses:
        if first is not None and 0 <= first < len(times) and time in (None, times[first]):
            return int(first)
    if time in times:
        return times.index(time)
    raise Unread(
        f"makes a step at {time:.6g}, which is no timestep of its {type(pipe.scheduler).__name__},"
        " so that the noise level is not known; only timesteps are recorded"
    )
