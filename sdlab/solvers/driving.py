"""Drives diffusers' schedulers as StableDiffusionPipeline does, and reads their noise levels.

Driven alone, the arithmetic is the pipeline's, operation by operation, so the final latents are
bit-identical to the pipeline's.
"""

import inspect
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdlab.errors import SchedulerError
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.protocol import Process, Query

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def evaluation_sigmas(scheduler: Any, schedule: NoiseSchedule) -> list[float]:
    """Return the noise level of each evaluation of a scheduler whose timesteps are set.

    Taken from the scheduler's own table of sigmas where it has one (its timesteps may be rounded),
    else from the timestep. Second-order schedulers evaluate between table entries.
    """
    timesteps = scheduler.timesteps.tolist()
    by_time = schedule.timestep_to_sigma(timesteps)
    table = getattr(scheduler, "sigmas", None)
    if table is None:
        return [float(sigma) for sigma in by_time]
    between = hasattr(scheduler, "sigmas_interpol") or hasattr(scheduler, "mid_point_sigma")
    return [
        float(by_time[i]) if between and i % 2 else sigma
        for i, sigma in enumerate(table.tolist()[: len(timesteps)])
    ]


def end_sigma(scheduler: Any) -> float:
    """Return the noise level at which the last step of a scheduler ends.

    The last entry of its sigmas where it has them; else from ``final_alpha_cumprod`` (DDIM, PNDM),
    and 0 for those without one (DDPM) and for LCM, whose last step returns x0_pred as it is.
    """
    table = getattr(scheduler, "sigmas", None)
    if table is not None:
        return float(table[-1])
    if type(scheduler).__name__ == "LCMScheduler":
        return 0.0
    alpha_bar = float(getattr(scheduler, "final_alpha_cumprod", 1.0))
    return math.sqrt((1.0 - alpha_bar) / alpha_bar)


def evaluation_steps(scheduler: Any, num_steps: int) -> list[int]:
    """Return the solver step of each evaluation, counted from 0."""
    count, order = len(scheduler.timesteps), scheduler.order
    if order > 1:
        return [min(e // order, num_steps - 1) for e in range(count)]
    prk_timesteps = getattr(scheduler, "prk_timesteps", None)
    prk = 0 if prk_timesteps is None else len(prk_timesteps)
    if prk:  # PNDM's Runge-Kutta start: four evaluations for each of its first steps
        start = [e // 4 for e in range(prk)]
        return [
            min(s, num_steps - 1) for s in start + list(range(prk // 4, prk // 4 + count - prk))
        ]
    extra = count - num_steps  # PNDM without it evaluates its first step twice
    return [max(0, e - extra) for e in range(count)]


def scheduler_process(
    scheduler: Any,
    start: "Tensor",
    *,
    steps: Sequence[int],
    sigmas: Sequence[float],
    eta: float | None = None,
    generator: "torch.Generator | None" = None,
) -> Process:
    """Drive a scheduler as StableDiffusionPipeline does, asking for each network call.

    Args:
        scheduler: With its timesteps set.
        start: Standard normal start noise, [1, C, h, w], in the network's dtype.
        steps: The solver step of each evaluation.
        sigmas: The noise level of each evaluation.
        eta: For schedulers whose ``step`` takes it; None means 0, as in the pipeline.
        generator: For schedulers whose ``step`` takes it.

    Returns:
        (As the generator's value) the final latents, [1, C, h, w].

    Raises:
        SchedulerError: If the scheduler cannot make a step; it names the step and the error.
    """
    accepted = inspect.signature(scheduler.step).parameters
    arguments: dict[str, Any] = {}
    if "eta" in accepted:
        arguments["eta"] = 0.0 if eta is None else eta
    if "generator" in accepted:
        arguments["generator"] = generator
    timesteps = scheduler.timesteps
    numbers = timesteps.tolist()
    latents: Tensor = start * scheduler.init_noise_sigma
    for i, t in enumerate(timesteps):
        try:
            x_t = scheduler.scale_model_input(latents, t)
        except Exception as error:
            raise failure(scheduler, i, numbers, sigmas, error) from error
        answer = yield Query(x_t, float(numbers[i]), sigmas[i], steps[i])
        try:
            latents = scheduler.step(answer.output, t, latents, **arguments, return_dict=False)[0]
        except Exception as error:
            raise failure(scheduler, i, numbers, sigmas, error) from error
    return latents


def words(error: BaseException) -> str:
    """Return the message of any exception in one line; some have none."""
    text = next((line.strip(" .") for line in str(error).splitlines() if line.strip(" .")), "")
    return f"{type(error).__name__}: {text[:300]}" if text else f"{type(error).__name__}, no word"


def failure(
    scheduler: Any, at: int, numbers: list[float], sigmas: Sequence[float], error: Exception
) -> Exception:
    """Return the error to raise for a scheduler's own; lack of memory is returned unchanged."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError, SchedulerError)):
        return error
    repeated = len(numbers) - len(set(numbers))
    why = f" {repeated} of its timesteps are repeated." if repeated else ""
    return SchedulerError(
        f"{type(scheduler).__name__} cannot make evaluation {at + 1} of {len(numbers)} (timestep"
        f" {numbers[at]:g}, sigma {sigmas[at]:.3g}): {words(error)}.{why} Take fewer steps, another"
        " curve, or leave its options at their defaults."
    )
