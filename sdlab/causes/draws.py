r"""Why an early x0_pred is blurred: it is the mean of all pictures that the noise still allows.

A network trained by squared error predicts E[x_0 | x_t], the mean of p(x_0 | x_t). With much noise
that distribution is wide, and a mean of many sharp pictures is not sharp. Here pictures are drawn
from it: from the same x_t the reverse process is run to its end again and again, by DDIM with eta
1 (DDPM's ancestral sampling, Ho et al. 2020, arXiv 2006.11239) with other noise each time.

The mean of n such draws should lie as far from x0_pred as n draws allow,

    RMS(mean, x0_pred) \approx \sqrt{ mean_i Var_i / n },

Var_i the variance of value i over the draws; what is more is the error of the network and of the
steps. This holds for the network as it was trained, at guidance scale 1: guidance makes x0_pred the
mean of no distribution.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sdlab.causes.counterfactuals import check_plain, rms_map
from sdlab.denoisers.guided import Guided
from sdlab.denoisers.network import evaluate
from sdlab.errors import check_types
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.models.model import Model
from sdlab.sampling.plain_job import PlainJob
from sdlab.sampling.plan import plan
from sdlab.work import Work, counted, driving

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator

MOST_ROWS = 16
"""Pictures drawn in one batch."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Pictures drawn from one x_t.

    Attributes:
        evaluation: Of the run whose x_t it is; -1 if it was given.
        sigma: Its noise level.
        x_t: [1, C, h, w], VP coordinates, as all tensors on the CPU.
        x0_pred: The prediction there, [1, C, h, w].
        latents: The draws, [n, C, h, w].
    """

    evaluation: int
    sigma: float
    x_t: "Tensor"
    x0_pred: "Tensor"
    latents: "Tensor"

    @property
    def mean(self) -> "Tensor":
        """The mean of the draws, [1, C, h, w]."""
        return self.latents.mean(0, keepdim=True)

    @property
    def distance(self) -> float:
        """RMS difference of x0_pred from the mean of the draws."""
        return _rms(self.mean - self.x0_pred)

    @property
    def single_distance(self) -> float:
        """RMS difference of x0_pred from a single draw, over all of them."""
        return _rms(self.latents - self.x0_pred)

    @property
    def expected(self) -> float:
        """What ``distance`` is expected to be if x0_pred is the draws' mean; NaN for one draw."""
        count = len(self.latents)
        if count < 2:
            return math.nan
        return float((self.latents.double().var(0).mean() / count).sqrt())

    @property
    def spread_map(self) -> np.ndarray:
        """Where the draws differ: their standard deviation, RMS over channels, float64 [h, w]."""
        variance = self.latents.double().var(0, unbiased=len(self.latents) > 1)
        return np.asarray(variance.mean(0).sqrt().numpy())

    @property
    def distance_map(self) -> np.ndarray:
        """Where the mean differs from x0_pred: RMS over channels, float64 [h, w]."""
        return rms_map(self.mean, self.x0_pred)


def draws(
    model: Model,
    experiment: Experiment,
    evaluation: int,
    *,
    count: int = 20,
    num_steps: int = 20,
    guidance_scale: float = 1.0,
    seed: int = 0,
) -> Work[Draws]:
    """Draw pictures from the x_t that a run has at one evaluation; yields each evaluation.

    Args:
        model: Plain Stable Diffusion.
        experiment: The run; what it records does not matter.
        evaluation: Which of its evaluations, from 0.
        count: Pictures to draw, at least 1.
        num_steps: Steps of each from there on, at least 1; the more, the nearer to p(x_0 | x_t).
        guidance_scale: Of the draws and of the x0_pred beside them; at 1 it is their mean.
        seed: Picture i is drawn with noise of seed ``seed`` + i.

    Raises:
        ValueError: If there is no such evaluation, or a number is out of range.
        ModelError: If the model is not plain Stable Diffusion.
        TypeError: If an argument is of another type.
    """
    check_types(draws, model=(model, Model), experiment=(experiment, Experiment))
    check_plain(model, experiment)
    planned = plan(model, experiment)
    if not 0 <= evaluation < planned.nfe:
        raise ValueError(f"evaluation must be from 0 to {planned.nfe - 1}, got {evaluation}.")
    _check(count, num_steps)
    total = evaluation + 1 + num_steps * math.ceil(count / MOST_ROWS)
    x_t = yield from _reaching(model, experiment, evaluation, total)
    words = experiment.prompt, experiment.negative_prompt, guidance_scale
    rest = drawing(model, x_t, planned.sigmas[evaluation], words, count, num_steps, seed)
    found = yield from counted(rest, evaluation, total)
    return Draws(evaluation, *found)


def drawing(
    model: Model,
    x_t: "Tensor",
    sigma: float,
    words: tuple[str, str, float],
    count: int,
    num_steps: int,
    seed: int = 0,
) -> "Work[tuple[float, Tensor, Tensor, Tensor]]":
    """Draw pictures from an x_t; returns (sigma, x_t, x0_pred, draws), tensors on the CPU.

    Args:
        model: Plain Stable Diffusion.
        x_t: [1, C, h, w], VP coordinates.
        sigma: Its noise level, above the schedule's lowest.
        words: Prompt, negative prompt, guidance scale.
        count: Pictures to draw.
        num_steps: Steps of each.
        seed: Of the first one's noise.
    """
    import torch

    denoise = Guided(model, *words)
    x = x_t.to(model.device, torch.float32) * math.sqrt(1.0 + sigma**2)
    sigmas = levels(model, sigma, num_steps)
    x0_pred = denoise(x, sigma).cpu()
    total = 1 + num_steps * math.ceil(count / MOST_ROWS)
    yield 1, total
    ends, done = [], 1
    for first in range(0, count, MOST_ROWS):
        seeds = range(seed + first, seed + min(count, first + MOST_ROWS))
        start = x.repeat(len(seeds), 1, 1, 1)
        way = driving(_ancestral(start, sigmas, seeds), lambda asked: denoise(*asked), num_steps)
        ends.append((yield from counted(way, done, total)).cpu())
        done += num_steps
    return sigma, x_t.cpu(), x0_pred, torch.cat(ends)


def levels(model: Model, sigma: float, num_steps: int) -> tuple[float, ...]:
    """Return noise levels from ``sigma`` to 0, ``num_steps`` steps at even timesteps."""
    schedule = model.schedule
    top = float(schedule.sigma_to_timestep(sigma))
    between = np.linspace(top, 0.0, num_steps + 1)[1:-1]
    return (sigma, *np.atleast_1d(schedule.timestep_to_sigma(between)).tolist(), 0.0)


def _ancestral(start: "Tensor", sigmas: tuple[float, ...], seeds: range) -> "SolverGenerator":
    """Return DDIM's generator with eta 1, each row with noise of its own seed."""
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    from sdlab.solvers.registry import solvers

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def noise(x: "Tensor") -> "Tensor":
        drawn: Tensor = randn_tensor(x.shape, generator=generators, device=x.device, dtype=x.dtype)
        return drawn

    return solvers()["ddim"].function(start, sigmas, noise, eta=1.0)


def _reaching(model: Model, experiment: Experiment, evaluation: int, total: int) -> "Work[Tensor]":
    """Run an experiment up to an evaluation and return its x_t there, [1, C, h, w]."""
    spec = experiment.with_(record=Record((), statistics=False))
    job = PlainJob(model, spec, plan(model, spec))
    try:
        job.start()
        while job.error is None and job.evaluation < evaluation:
            timer = job.new_timer()
            with timer:
                (output,) = evaluate(model, [job.sample])
            job.take(output, timer, job.rows)
            yield job.evaluation, total
        if job.error is not None:
            raise job.error
        return job.query.x_t
    finally:
        if not job.over:
            job.stop()


def _rms(gap: "Tensor") -> float:
    return float(gap.double().square().mean().sqrt())


def _check(count: int, num_steps: int) -> None:
    for name, value in (("count", count), ("num_steps", num_steps)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
