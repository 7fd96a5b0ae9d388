"""Finds the step and noise level of each network evaluation of a pipeline's call.

The network's timestep must be the one that the scheduler has at that place, and the scheduler's
noise level there must be that timestep's, up to the rounding to whole timesteps that some classes
do. Any other call of the network is refused.
"""

from typing import Any

from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers import from_diffusers as adapter
from sdlab.tracing.batch import Unread

ROUNDING = 1.5  # timesteps: two roundings to a whole one, each by 0.5 or, at the ends, 1


class CallCourse:
    """(sigma, step) of every evaluation that a call will make, from its first one on.

    Args:
        pipe: The pipeline, its scheduler's timesteps set.
        schedule: Its noise schedule.
        time: The timestep of the network's first evaluation.

    Attributes:
        points: (sigma, step) of each evaluation expected.

    Raises:
        Unread: If the scheduler has no such timestep, or gives it another noise level.
    """

    def __init__(self, pipe: Any, schedule: NoiseSchedule, time: float) -> None:
        scheduler = pipe.scheduler
        times = scheduler.timesteps.tolist()
        self._name = type(scheduler).__name__
        first = _first(pipe, times, time)
        count = getattr(pipe, "num_timesteps", None) or len(times)
        chosen = range(first, min(first + int(count), len(times)))
        self._times = [float(times[i]) for i in chosen]
        sigmas = self._sigmas(scheduler, schedule)
        steps = adapter.evaluation_steps(scheduler, scheduler.num_inference_steps)
        self.points = [(sigmas[i], steps[i] - steps[first]) for i in chosen]

    def point(self, number: int, time: float) -> tuple[float, int]:
        """Return (sigma, step) of an evaluation.

        Args:
            number: Which one, from 0.
            time: The timestep that the network was given.

        Raises:
            Unread: If the scheduler's course has another timestep there, or has ended.
        """
        expected = self._times[number] if number < len(self._times) else None
        if expected != time:
            there = "has ended by then" if expected is None else f"is at {expected:g} by then"
            raise Unread(
                f"evaluates its U-Net at timestep {time:g} (evaluation {number}), while the course"
                f" of its {self._name} {there}; this recorder reads one evaluation a timestep"
            )
        return self.points[number]

    def _sigmas(self, scheduler: Any, schedule: NoiseSchedule) -> list[float]:
        low, high = min(self._times), max(self._times)
        if low < 0 or high > schedule.num_timesteps - 1:
            raise Unread(
                f"runs by a {self._name}, whose timesteps ({low:g} to {high:g}) are not those of"
                f" a Stable Diffusion schedule, 0 to {schedule.num_timesteps - 1}"
            )
        sigmas = adapter.evaluation_sigmas(scheduler, schedule)
        times = scheduler.timesteps.tolist()
        for sigma, meant, time in zip(
            sigmas, schedule.sigma_to_timestep(sigmas), times, strict=True
        ):
            if abs(meant - time) > ROUNDING:
                raise Unread(
                    f"runs by a {self._name}, which tells the network timestep {time:g} at sigma"
                    f" {sigma:.4g}; by the model's schedule that is timestep {meant:.4g}, so that"
                    " this recorder cannot say how noisy its latents are"
                )
        return sigmas


def _first(pipe: Any, times: list[float], time: float) -> int:
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
        if first is not None and 0 <= first < len(times) and times[first] == time:
            return int(first)
    if time in times:
        return times.index(time)
    raise Unread(
        f"tells its U-Net {time:.6g}, which is no timestep of its"
        f" {type(pipe.scheduler).__name__}, so that the noise level is not known"
    )
