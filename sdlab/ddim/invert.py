"""Inversion of a picture on a model, regeneration, and the error between them.

The path holds the state at every noise level in VP coordinates, as the network sees it, from the
noise down to the clean latents; for EDICT, the first of its two states.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from sdlab.ddim.denoiser import denoiser, levels
from sdlab.ddim.schemes import Scheme, solving
from sdlab.ddim.settings import DdimSettings, InvertOptions
from sdlab.errors import check_keywords, check_types
from sdlab.latents.files import check_latents
from sdlab.models.model import Model
from sdlab.noise.flow import time_to_sigma
from sdlab.work import Progress, Work, finish

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.ddim.schemes import Denoise


@dataclass(frozen=True)
class Inversion:
    """A picture inverted: its states from the noise to the clean latents.

    Attributes:
        sigmas: Noise levels, descending, ending in 0; with flow matching the times.
        method: "naive", "fixed_point", "edict" or "o_belm".
        scheme: The generators of inversion and regeneration.
        states: The state at every level in VE coordinates (with flow matching x_t), noise first,
            each [B, C, h, w]; with EDICT and O-BELM two points, [2 B, C, h, w].
    """

    sigmas: tuple[float, ...]
    method: str
    scheme: Scheme
    states: "tuple[Tensor, ...]"

    @property
    def noise(self) -> "Tensor":
        """The noise found, [B, C, h, w], on the scale of standard normal start noise."""
        return self.path[0]

    @property
    def path(self) -> "Tensor":
        """x_t at every level, noise first, as the network is given it, [N + 1, B, C, h, w]."""
        return _path(self.states, self.sigmas, self.scheme)

    def on_cpu(self) -> "Inversion":
        """Return the same with its states on the CPU."""
        return replace(self, states=tuple(state.cpu() for state in self.states))


@dataclass(frozen=True)
class Return:
    """A regeneration from an inversion.

    Attributes:
        latents: The final latents, [B, C, h, w].
        path: x_t at the levels that were visited, VP coordinates, [K, B, C, h, w].
        start: The level of the inversion's path at which it began.
    """

    latents: "Tensor"
    path: "Tensor"
    start: int


def invert(
    model: Model,
    latents: "Tensor",
    prompt: str,
    *,
    num_steps: int = 50,
    on_progress: Progress | None = None,
    **settings: Unpack[InvertOptions],
) -> Inversion:
    """Return the inversion of clean latents: the noise from which DDIM would make them.

    Args:
        model: The loaded model.
        latents: Clean, scaled latents, [B, C, h, w], finite.
        prompt: What the picture shows.
        num_steps: Steps up, at least 1.
        on_progress: Called with (evaluations done, evaluations in all).
        **settings: ``negative_prompt``, ``guidance_scale`` (1 is the exact model; with more, the
            ways up and down part), ``method``, ``curve``, ``curve_options``, ``iterations``,
            ``mix``; see ``sdlab.ddim.settings.InvertOptions``.

    Raises:
        ValueError: If an option is not valid or the latents do not fit the model.
        TypeError: If there is no such setting, or an argument is of another type.
    """
    import torch

    check_types(invert, model=(model, Model), latents=(latents, torch.Tensor), prompt=(prompt, str))
    check_keywords(invert, settings, InvertOptions.__annotations__)
    asked = DdimSettings(prompt, num_steps=num_steps, **settings)
    ways = asked.scheme(model.path or "vp")
    check_latents(model, latents)
    sigmas, x0 = levels(model, asked, latents), latents.to(model.device).float()
    denoise = denoiser(model, prompt, asked.negative_prompt, asked.guidance_scale)
    return invert_with(denoise, x0, sigmas, asked.method, ways, on_progress)


def invert_with(
    denoise: "Denoise",
    latents: "Tensor",
    sigmas: tuple[float, ...],
    method: str,
    ways: Scheme,
    on_progress: Progress | None = None,
) -> Inversion:
    """Return the inversion by any denoiser (x, sigma) -> x0_pred, in the latents' own precision."""
    return finish(inverting(denoise, latents, sigmas, method, ways), on_progress)


def inverting(
    denoise: "Denoise",
    latents: "Tensor",
    sigmas: tuple[float, ...],
    method: str,
    ways: Scheme,
) -> Work[Inversion]:
    """Return ``invert_with`` as a computation that yields after every network evaluation."""
    states: list[Tensor] = []
    total = ways.evaluations_up * (len(sigmas) - 1)
    yield from solving(ways.up(latents, sigmas, states.append), denoise, total)
    return Inversion(sigmas, method, ways, tuple(reversed(states)))


def regenerate(
    model: Model,
    inversion: Inversion,
    prompt: str,
    *,
    negative_prompt: str = "",
    guidance_scale: float = 1.0,
    start: int = 0,
    on_progress: Progress | None = None,
) -> Return:
    """Return the regeneration from an inversion, under the same prompt or another.

    Args:
        model: The model that inverted.
        inversion: As ``invert`` returned it.
        prompt: The same prompt reconstructs, another edits.
        negative_prompt: Used with guidance.
        guidance_scale: As in ``invert``.
        start: The level to start from, 0 (all noise) ... N - 1: the steps before it are kept.
        on_progress: Called with (evaluations done, evaluations in all).

    Raises:
        ValueError: If ``start`` is not a step of the inversion.
        TypeError: If an argument is of another type, as when two are swapped.
    """
    check_types(
        regenerate, model=(model, Model), inversion=(inversion, Inversion), prompt=(prompt, str)
    )
    denoise = denoiser(model, prompt, negative_prompt, guidance_scale)
    return regenerate_with(denoise, inversion, start, on_progress)


def regenerate_with(
    denoise: "Denoise",
    inversion: Inversion,
    start: int = 0,
    on_progress: Progress | None = None,
) -> Return:
    """Return the regeneration by any denoiser; see ``regenerate``."""
    return finish(regenerating(denoise, inversion, start), on_progress)


def regenerating(denoise: "Denoise", inversion: Inversion, start: int = 0) -> Work[Return]:
    """Return ``regenerate_with`` as a computation that yields after every network evaluation.

    Raises:
        ValueError: If ``start`` is not a step of the inversion.
    """
    last = len(inversion.sigmas) - 2
    if not 0 <= start <= last:
        raise ValueError(f"start must be a step of the inversion, from 0 to {last}, got {start}.")
    sigmas = inversion.sigmas[start:]
    states: list[Tensor] = []
    generator = inversion.scheme.down(inversion.states[start], sigmas, states.append)
    total = inversion.scheme.regeneration(len(sigmas) - 1)
    latents = yield from solving(generator, denoise, total)
    return Return(latents, _path(tuple(states), sigmas, inversion.scheme), start)


def errors(inversion: Inversion, back: Return) -> pd.DataFrame:
    """Return the distance between regeneration and inversion, level by level.

    Returns:
        Columns ``level`` (0 is the noise), ``sigma``, ``rmse`` between the two paths as the network
        is given them, and ``relative``, the same over the root mean square of the inversion's state
        (NaN where that is 0); with flow matching ``flow_time``, and sigma infinite at t = 1.
    """
    ours = back.path.double()
    theirs = inversion.path[back.start :].double()
    axes = tuple(range(1, ours.ndim))
    rmse = (ours - theirs).square().mean(axes).sqrt().cpu().numpy()
    size = theirs.square().mean(axes).sqrt().cpu().numpy()
    nothing = np.full_like(rmse, np.nan)
    table = pd.DataFrame(
        {
            "level": np.arange(back.start, len(inversion.sigmas)),
            "sigma": inversion.sigmas[back.start :],
            "rmse": rmse,
            "relative": np.divide(rmse, size, out=nothing, where=size > 0),
        }
    )
    return _on_axis(table, inversion.scheme)


def step_errors(denoise: "Denoise", inversion: Inversion) -> Work[pd.DataFrame]:
    """Return the error of each inversion step alone: each is undone at once and compared.

    Yields after every network evaluation.

    Args:
        denoise: The denoiser that inverted.
        inversion: As ``invert`` returned it.

    Returns:
        Columns ``level`` (that the step came from: 1 ... N, N the picture), ``sigma``, ``rmse`` as
        the network is given it and ``relative``, over the root mean square of the state there;
        with flow matching ``flow_time``.
    """
    ways, rows = inversion.scheme, []
    each, levels = ways.regeneration(1), pairwise(inversion.sigmas)
    total = each * (len(inversion.sigmas) - 1)
    for index, sigmas in enumerate(levels):
        ends: list[Tensor] = []
        generator = ways.down(inversion.states[index], sigmas, ends.append)
        for done, _ in solving(generator, denoise, each):
            yield each * index + done, total
        before = ways.first(inversion.states[index + 1]).double()
        gap = float((ways.first(ends[-1]).double() - before).square().mean().sqrt())
        size = float(before.square().mean().sqrt())
        scale = ways.coordinates.scale(sigmas[1])
        rows.append((index + 1, sigmas[1], gap / scale, gap / size if size else math.nan))
    return _on_axis(pd.DataFrame(rows, columns=["level", "sigma", "rmse", "relative"]), ways)


def _path(states: "tuple[Tensor, ...]", sigmas: tuple[float, ...], ways: Scheme) -> "Tensor":
    import torch

    scaled = zip(map(ways.first, states), map(ways.coordinates.scale, sigmas), strict=True)
    return torch.stack([x / scale for x, scale in scaled])


def _on_axis(table: pd.DataFrame, ways: Scheme) -> pd.DataFrame:
    """Return a table whose column ``sigma`` holds levels with sigma there; of times, these too."""
    if ways.coordinates.name == "vp":
        return table
    times = table["sigma"].to_numpy()
    return table.assign(sigma=time_to_sigma(times), flow_time=times)
