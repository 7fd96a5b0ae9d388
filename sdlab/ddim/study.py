"""One inversion with its regeneration and the errors between them, for page and benchmark.

It is a computation that can be watched and cancelled (``sdlab.work``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from sdlab.ddim.denoiser import denoiser, levels
from sdlab.ddim.invert import (
    Inversion,
    Return,
    errors,
    inverting,
    regenerating,
    step_errors,
)
from sdlab.ddim.prompt_to_prompt import regenerating_with_attention
from sdlab.ddim.settings import DdimSettings
from sdlab.latents.files import check_latents
from sdlab.latents.round_trip import Likeness, likeness
from sdlab.work import Work, counted

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from sdlab.ddim.schemes import Denoise
    from sdlab.models.model import Model


@dataclass(frozen=True)
class ThereAndBack:
    """An inversion with its regeneration, on the CPU.

    Attributes:
        latents: The latents that were inverted, [1, C, h, w].
        inversion: Their inversion.
        returned: The regenerated latents, [1, C, h, w].
        before: The first, decoded.
        after: The regenerated ones, decoded.
        likeness: Of the two pictures.
        errors: Level by level; see ``sdlab.ddim.invert.errors``.
        step_errors: Of each inversion step alone, if asked for; see ``invert.step_errors``.
        start: The level at which the regeneration began.
    """

    latents: "Tensor"
    inversion: Inversion
    returned: "Tensor"
    before: "Image.Image"
    after: "Image.Image"
    likeness: Likeness
    errors: pd.DataFrame
    step_errors: pd.DataFrame | None = None
    start: int = 0

    @property
    def noise(self) -> "Tensor":
        """The noise found, [1, C, h, w]."""
        return self.inversion.noise

    @property
    def rmse(self) -> float:
        """Root mean square difference of the latents, over that of the latents themselves."""
        gap = (self.returned - self.latents).double().square().mean().sqrt()
        return float(gap / self.latents.double().square().mean().sqrt())


def there_and_back(
    model: "Model",
    latents: "Tensor",
    settings: DdimSettings,
    *,
    edit: str | None = None,
    start: int = 0,
    inject: float = 0.0,
    by_step: bool = False,
) -> Work[ThereAndBack]:
    """Invert latents and regenerate them; yields after every network evaluation.

    Args:
        model: The loaded model.
        latents: Clean, scaled latents, [1, C, h, w], finite.
        settings: How to invert and regenerate.
        edit: Another caption for the regeneration; None for the same.
        start: The level to regenerate from, 0 (all noise) ... N - 1: the steps before it are kept.
        inject: With ``edit``: part of the steps, 0 ... 1, in which the attention of the words that
            both captions share is held (see ``prompt_to_prompt``).
        by_step: Whether to measure each step by itself too, one more evaluation for each.

    Raises:
        ValueError: If an option is not valid, the latents do not fit, or ``start`` is no step.
    """
    ways, steps = settings.scheme(model.path or "vp"), settings.num_steps
    check_latents(model, latents)
    sigmas = levels(model, settings, latents)
    if not 0 <= start < steps:
        raise ValueError(f"start must be a step, from 0 to {steps - 1}, got {start}.")
    total = settings.evaluations(start, by_step)
    x0 = latents.to(model.device).float()
    words = _guided(model, settings)
    denoise = words(settings.prompt)
    up = inverting(denoise, x0, sigmas, settings.method, ways)
    inversion = yield from counted(up, 0, total)
    if inject and edit is not None:
        down = _holding_attention(model, inversion, settings, edit, start, inject)
    else:
        down = regenerating(denoise if edit is None else words(edit), inversion, start)
    back = yield from counted(down, ways.evaluations_up * steps, total)
    alone = None
    if by_step:
        last = total - ways.regeneration(1) * steps
        alone = yield from counted(step_errors(denoise, inversion), last, total)
    before, after = model.decode(latents), model.decode(back.latents)
    return ThereAndBack(
        latents.float().cpu(),
        inversion.on_cpu(),
        back.latents.cpu(),
        before,
        after,
        likeness(before, after),
        errors(inversion, back),
        alone,
        start,
    )


def round_trips(
    model: "Model",
    latents: "Tensor",
    settings: DdimSettings,
    methods: Sequence[str],
    steps: Sequence[int],
    guidances: Sequence[float],
) -> Work[pd.DataFrame]:
    """Go there and back by every method; yields after every network evaluation.

    Args:
        model: The loaded model.
        latents: Clean, scaled latents, [1, C, h, w], finite.
        settings: All else.
        methods: Of ``schemes.METHODS``.
        steps: Numbers of steps, each with each method.
        guidances: Guidance scales, each with each of these.

    Returns:
        Columns ``method``, ``num_steps``, ``guidance_scale``, ``rmse`` (of the latents, relative),
        ``psnr`` (dB) and ``ssim`` (of the decoded pictures).

    Raises:
        ValueError: If a setting is not valid or the latents do not fit.
    """
    names = ("method", "num_steps", "guidance_scale")
    cases = list(product(methods, steps, guidances))
    trips = [settings.with_(**dict(zip(names, case, strict=True))) for case in cases]
    total, done, rows = sum(trip.evaluations() for trip in trips), 0, []
    for case, trip in zip(cases, trips, strict=True):
        going = there_and_back(model, latents, trip)
        outcome = yield from counted(going, done, total)
        done += trip.evaluations()
        rows.append((*case, outcome.rmse, outcome.likeness.psnr, outcome.likeness.ssim))
    return pd.DataFrame(rows, columns=[*names, "rmse", "psnr", "ssim"])


def _guided(model: "Model", settings: DdimSettings) -> "Callable[[str], Denoise]":
    def words(caption: str) -> "Denoise":
        return denoiser(model, caption, settings.negative_prompt, settings.guidance_scale)

    return words


def _holding_attention(
    model: "Model",
    inversion: Inversion,
    settings: DdimSettings,
    edit: str,
    start: int,
    inject: float,
) -> Work[Return]:
    """Return the way down under an edit, the attention of the shared words held."""
    return regenerating_with_attention(
        model,
        inversion,
        settings.prompt,
        edit,
        negative_prompt=settings.negative_prompt,
        guidance_scale=settings.guidance_scale,
        start=start,
        share=inject,
    )
