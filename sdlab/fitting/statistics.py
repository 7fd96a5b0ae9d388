"""Measures the statistics of a model that DPM-Solver-v3 is made of.

Along the courses of a few pictures, with D = x0_pred and lambda = -ln sigma, for each channel
(Zheng et al. 2023, arXiv 2310.13268, eq. 6 and 11, in VE coordinates):

    l = 1 - mean of v D'(x) v,  v of +-1 at random (Hutchinson's estimate of a mean diagonal)
    f = (1 - l) x - D,          f' its derivative along the course
    s = cov(f, f') / var(f),    b = mean(f') - s mean(f)

D'(x) v is a central difference, which any network and attention kernel can do; f' one over the
levels. v is the same at all levels of a course, so that l is smooth in lambda. Where f does not
vary, as on Gaussian data, s is 0. The courses are those of DPM-Solver++ (2M) over all levels.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sdlab.bounds import check_whole
from sdlab.ddim.denoiser import denoiser
from sdlab.errors import ModelError, check_types
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.solvers.model_statistics import LEAST_LEVELS, Array, ModelStatistics
from sdlab.solvers.registry import solvers
from sdlab.work import Progress, Work, driving, finish, one_of

if TYPE_CHECKING:
    from torch import Tensor

    Denoise = Callable[[Tensor, float], Tensor]

PROBE = 0.01
"""Half of the central difference, as a share of sigma."""
CONSTANT = 1e-10
"""A variance below this share of the mean square is none."""
MOST_LEVELS = 1000
SEEDS = tuple(range(16))
"""The mean of a random direction is only as good as the entries that it is taken over."""


def model_statistics(
    model: Model,
    experiment: Experiment,
    seeds: Sequence[int] = SEEDS,
    levels: int = 120,
    on_progress: Progress | None = None,
) -> ModelStatistics:
    """Return the statistics of a model under a prompt and guidance.

    Args:
        model: The loaded model, of Stable Diffusion's path.
        experiment: Prompt, guidance and size; its sampler and seed are not used.
        seeds: Of the pictures along whose courses is measured.
        levels: Noise levels, even in lambda over the model's schedule.
        on_progress: Called with (levels done, of all courses); each takes three network calls.

    Raises:
        ValueError: If seeds are none or doubled, or the levels are too few or too many.
        ModelError: If the model does not add noise as Stable Diffusion does.
        SdlabError: If memory runs out.
    """
    check_types(model_statistics, model=(model, Model), experiment=(experiment, Experiment))
    return finish(measuring(model, experiment, seeds, levels), on_progress)


def measuring(
    model: Model,
    experiment: Experiment,
    seeds: Sequence[int] = SEEDS,
    levels: int = 120,
) -> Work[ModelStatistics]:
    """Return ``model_statistics`` as a computation that can be watched and cancelled."""
    _check(model, seeds, levels)
    x = experiment
    denoise = denoiser(model, x.prompt, x.negative_prompt, x.guidance_scale)
    ends = model.schedule.sigma_max, model.schedule.sigma_min
    starts = [_start(model, x, seed) for seed in seeds]
    found = yield from statistics_of(denoise, starts, np.geomspace(*ends, levels), seeds)
    of = {
        "model": model.name,
        "prompt": x.prompt,
        "negative_prompt": x.negative_prompt,
        "guidance_scale": x.guidance_scale,
        "seeds": list(seeds),
        "size": [side * model.vae_factor for side in reversed(starts[0].shape[2:])],
    }
    return ModelStatistics(found.sigmas, found.l, found.s, found.b, of)


def statistics_of(
    denoise: "Denoise", starts: "Sequence[Tensor]", sigmas: Array, seeds: Sequence[int]
) -> Work[ModelStatistics]:
    """Return the statistics of any denoiser, as a computation.

    Args:
        denoise: (x, sigma) -> x0_pred.
        starts: Of the courses, at the first level, each [B, C, h, w] in VE coordinates.
        sigmas: The levels, descending, above 0, [K].
        seeds: Of the directions v, one a course.
    """
    courses = []
    for i, (start, seed) in enumerate(zip(starts, seeds, strict=True)):
        course = yield from one_of(_course(denoise, start, sigmas, seed), i, len(starts))
        courses.append(course)
    slopes, x, x0_pred = (np.concatenate(parts, axis=2) for parts in zip(*courses, strict=True))
    l = 1 - slopes.mean(2)  # noqa: E741
    rest = (1 - l)[..., None] * x - x0_pred
    moved = np.gradient(rest, -np.log(sigmas), axis=0, edge_order=2)
    mean, mean_moved = rest.mean(2), moved.mean(2)
    variance = rest.var(2)
    shared = ((rest - mean[..., None]) * moved).mean(2)
    varies = variance > CONSTANT * np.square(rest).mean(2)
    s = np.divide(shared, variance, out=np.zeros_like(shared), where=varies)
    return ModelStatistics(sigmas, l, s, mean_moved - s * mean)


def _course(
    denoise: "Denoise", start: "Tensor", sigmas: Array, seed: int
) -> Work[tuple[Array, Array, Array]]:
    """Return v D'(x) v, x and x0_pred at every level of a course, each [K, C, n]."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, start.shape, generator=generator).to(start) * 2 - 1
    seen: tuple[list[Array], list[Array], list[Array]] = ([], [], [])

    def answer(request: "tuple[Tensor, float]") -> "Tensor":
        x, sigma = request
        step = PROBE * sigma
        x0_pred = denoise(x, sigma)
        ahead, behind = (denoise(x + side * step * signs, sigma) for side in (1, -1))
        slope = signs * (ahead - behind).to(signs) / (2 * step)
        for kept, value in zip(seen, (slope, x, x0_pred), strict=True):
            kept.append(_by_channel(value))
        return x0_pred.to(x)

    function = solvers()["dpmpp_2m"].function
    with torch.no_grad():
        yield from driving(function(start, (*sigmas.tolist(), 0.0), None), answer, len(sigmas))
    slopes, places, predicted = (np.stack(kept) for kept in seen)
    return slopes, places, predicted


def _by_channel(x: "Tensor") -> Array:
    """Return a tensor [B, C, ...] as float64 [C, n]."""
    result: Array = x.transpose(0, 1).flatten(1).double().cpu().numpy()
    return result


def _start(model: Model, experiment: Experiment, seed: int) -> "Tensor":
    """Return the start of a run with a seed, float32 [1, C, h, w], VE coordinates."""
    import torch

    width, height = model.default_size
    sides = (experiment.height or height, experiment.width or width)
    shape = (1, model.latent_channels, *(side // model.vae_factor for side in sides))
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return noise.to(model.device) * math.sqrt(1 + model.schedule.sigma_max**2)


def _check(model: Model, seeds: Sequence[int], levels: int) -> None:
    if model.path != "vp":
        raise ModelError(
            f"{model.name} does not add noise as Stable Diffusion does; only such models have the"
            " statistics of DPM-Solver-v3 here."
        )
    check_whole("levels", levels, LEAST_LEVELS, MOST_LEVELS)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be at least 1, each once, got {list(seeds)}.")
