"""One inversion judged whole: a picture's latents up into the noise, down again, and what was lost.

Both as a computation that can be watched and left (``sdlab.work``), for the DDIM page, the
benchmark and notebooks alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.ddim.invert import (
    Inversion,
    check_latents,
    errors,
    inverting,
    regenerating,
    step_errors,
)
from sdlab.ddim.prompt_to_prompt import regenerating_with_attention
from sdlab.ddim.schemes import ITERATIONS, MIX, scheme
from sdlab.denoisers.guided import Guided
from sdlab.latents.round_trip import Likeness, likeness
from sdlab.noise import curves
from sdlab.work import Work, counted

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from sdlab.models.model import Model


@dataclass(frozen=True)
class Settings:
    """How to go there and back.

    Attributes:
        prompt: What the picture shows.
        negative_prompt: Used with guidance.
        guidance_scale: Of both ways; 1 or less is the exact model.
        method: One of ``schemes.METHODS``.
        num_steps: Steps each way.
        curve: The levels, as in an experiment; None for the model's own.
        curve_options: Arguments of the curve.
        iterations: Rounds a step of "fixed_point".
        mix: p of "edict".
    """

    prompt: str = ""
    negative_prompt: str = ""
    guidance_scale: float = 1.0
    method: str = "fixed_point"
    num_steps: int = 25
    curve: str | None = None
    curve_options: Mapping[str, Any] = field(default_factory=dict)
    iterations: int = ITERATIONS
    mix: float = MIX

    def with_(self, **changes: Any) -> "Settings":
        """Return a copy with the named fields changed."""
        return replace(self, **changes)

    def evaluations(self, start: int = 0, by_step: bool = False) -> int:
        """Return the network evaluations of a way up and down, as ``there_and_back`` makes them.

        Args:
            start: The level to go down from.
            by_step: Whether each step is measured by itself too.
        """
        ways = scheme(self.method, iterations=self.iterations, mix=self.mix)
        down = self.num_steps - start + by_step * self.num_steps
        return ways.evaluations_up * self.num_steps + ways.evaluations_down * down


@dataclass(frozen=True)
class Outcome:
    """What came of it, on the CPU.

    Attributes:
        latents: Where it began, [1, C, h, w].
        inversion: The way up.
        returned: Where the way down ended, [1, C, h, w].
        before: The decoded beginning.
        after: The decoded end.
        likeness: Of the two pictures.
        errors: Level by level; see ``sdlab.ddim.invert.errors``.
        step_errors: Of each step up by itself, if asked for; see ``invert.step_errors``.
        start: The level at which the way down began.
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
    settings: Settings,
    *,
    edit: str | None = None,
    start: int = 0,
    inject: float = 0.0,
    by_step: bool = False,
) -> Work[Outcome]:
    """Invert latents and regenerate them; yields after every network evaluation.

    Args:
        model: The loaded model.
        latents: Clean, scaled latents, [1, C, h, w], finite.
        settings: Of the ways.
        edit: Another caption for the way down; None for the same.
        start: The level to go down from, 0 (all noise) ... N - 1: the steps before it are kept.
        inject: With ``edit``: part of the steps, 0 ... 1, in which the attention of the words that
            both captions share is held (see ``prompt_to_prompt``).
        by_step: Whether to measure each step by itself too, one more evaluation for each.

    Raises:
        ValueError: If an option is not valid, the latents do not fit, or ``start`` is no step.
    """
    ways = scheme(settings.method, iterations=settings.iterations, mix=settings.mix)
    check_latents(model, latents)
    steps, options = settings.num_steps, settings.curve_options
    sigmas = tuple(curves.make(settings.curve, model.schedule, steps, options).tolist())
    if not 0 <= start < steps:
        raise ValueError(f"start must be a step, from 0 to {steps - 1}, got {start}.")
    total = settings.evaluations(start, by_step)
    words = (settings.negative_prompt, settings.guidance_scale)
    x0 = latents.to(model.device).float()
    denoise = Guided(model, settings.prompt, *words)
    up = inverting(denoise, x0, sigmas, settings.method, ways)
    inversion = yield from counted(up, 0, total)
    caption = settings.prompt if edit is None else edit
    if inject and edit is not None:
        down = regenerating_with_attention(
            model,
            inversion,
            settings.prompt,
            caption,
            negative_prompt=settings.negative_prompt,
            guidance_scale=settings.guidance_scale,
            start=start,
            share=inject,
        )
    else:
        down = regenerating(Guided(model, caption, *words), inversion, start)
    back = yield from counted(down, ways.evaluations_up * steps, total)
    alone = None
    if by_step:
        last = total - ways.evaluations_down * steps
        alone = yield from counted(step_errors(denoise, inversion), last, total)
    before, after = model.decode(latents), model.decode(back.latents)
    return Outcome(
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
