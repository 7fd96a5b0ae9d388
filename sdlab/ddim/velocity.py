"""Inversion of flow matching: up and down its ODE by the velocity that a model predicts.

The velocity comes as a function of (x_t, t), whatever gives it: an exact one, a transformer called
by hand, or a loaded pipeline. The schemes are those of DDIM (``schemes``), over times from 1 to 0.
"""

from typing import TYPE_CHECKING

from sdlab.ddim.invert import Inversion, Return, invert_with, regenerate_with
from sdlab.ddim.settings import DdimSettings
from sdlab.noise.schedule import FlowTimes
from sdlab.work import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.ddim.schemes import Denoise

    Velocity = Callable[[Tensor, float], Tensor]


def denoiser_of(velocity: "Velocity") -> "Denoise":
    """Return (x_t, t) -> x0_pred of a velocity: x0 = x_t - t v.

    Args:
        velocity: (x_t, t) -> v = n - x0, both [B, C, h, w]; t in (0, 1].
    """

    def denoise(x: "Tensor", time: float) -> "Tensor":
        return x - time * velocity(x, time)

    return denoise


def invert_flow(
    velocity: "Velocity",
    latents: "Tensor",
    settings: DdimSettings,
    times: FlowTimes | None = None,
    on_progress: Progress | None = None,
) -> Inversion:
    """Return the inversion of clean latents: the noise from which the ODE would make them.

    Args:
        velocity: (x_t, t) -> v, in the shape of ``latents``; words and guidance are its own.
        latents: Clean, scaled latents, [B, C, h, w].
        settings: The method, the number of steps and the curve over t.
        times: The model's times; unshifted ones if not given.
        on_progress: Called with (evaluations done, evaluations in all).

    Raises:
        ValueError: If a setting is not valid.
    """
    levels, ways = settings.sigmas(times or FlowTimes()), settings.scheme("flow")
    return invert_with(denoiser_of(velocity), latents, levels, settings.method, ways, on_progress)


def regenerate_flow(
    velocity: "Velocity",
    inversion: Inversion,
    start: int = 0,
    on_progress: Progress | None = None,
) -> Return:
    """Return the regeneration from an inversion, by the same velocity or one under other words.

    Args:
        velocity: (x_t, t) -> v.
        inversion: As ``invert_flow`` returned it.
        start: The level to start from, 0 (all noise) ... N - 1.
        on_progress: Called with (evaluations done, evaluations in all).

    Raises:
        ValueError: If ``start`` is not a step of the inversion.
    """
    return regenerate_with(denoiser_of(velocity), inversion, start, on_progress)
