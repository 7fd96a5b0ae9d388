"""What the DDIM page asks of the model, as computations that the worker steps through."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from dashboard.worker.job import png
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from torch import Tensor

    from dashboard.widgets.latent_source import Latents
    from sdlab.ddim.study import Settings
    from sdlab.models.model import Model
    from sdlab.work import Work

SIDE = 256


@dataclass(frozen=True)
class Pictures:
    """Pictures as PNG, row by row, and a table about them."""

    rows: list[list[bytes]]
    table: pd.DataFrame


def eta_fan(
    model: "Model", spec: Experiment, etas: tuple[float, ...], seeds: tuple[int, ...]
) -> "Work[Pictures]":
    """One start noise under every eta and noise seed; the table is the spread."""
    from sdlab.ddim.eta import fan
    from sdlab.denoisers.guided import Guided

    words = (spec.prompt, spec.negative_prompt, spec.guidance_scale)
    start, sigmas = _start(model, spec.seed), _sigmas(model, spec.num_steps)
    found = yield from fan(Guided(model, *words), start, sigmas, etas, seeds)
    total = (len(sigmas) - 1) * len(etas)
    rows = []
    for latents in found.latents:
        row = []
        for one in latents.split(1):
            row.append(png(model.decode(one), SIDE))
            yield total, total
        rows.append(row)
    return Pictures(rows, found.spread())


def compare(
    model: "Model", latents: "Latents", settings: "Settings", methods: tuple[str, ...],
    steps: tuple[int, ...], guidances: tuple[float, ...],
) -> "Work[pd.DataFrame]":  # fmt: skip
    """Every method at every number of steps and guidance: ``rmse``, ``psnr``, ``ssim``."""
    import torch

    from sdlab.ddim.study import there_and_back

    cases = [(m, n, g) for m in methods for n in steps for g in guidances]

    ways = [settings.with_(method=m, num_steps=n, guidance_scale=g) for m, n, g in cases]
    total, done, rows = sum(way.evaluations() for way in ways), 0, []
    for way in ways:
        work = there_and_back(model, torch.from_numpy(latents), way)
        while True:
            try:
                step, _ = next(work)
            except StopIteration as stop:
                outcome = stop.value
                break
            yield done + step, total
        done += way.evaluations()
        alike = outcome.likeness
        case = (way.method, way.num_steps, way.guidance_scale)
        rows.append((*case, outcome.rmse, alike.psnr, alike.ssim))
    columns = ["method", "num_steps", "guidance_scale", "rmse", "psnr", "ssim"]
    return pd.DataFrame(rows, columns=columns)


def between_noises(
    model: "Model", spec: Experiment, seeds: tuple[int, int], count: int, walk: str
) -> "Work[tuple[Pictures, Any]]":
    """Pictures of the noises on the way between two seeds, and the two noises."""
    import torch

    ends = [_start(model, seed) for seed in seeds]
    words = (spec.prompt, spec.prompt)
    pictures = yield from _walk(model, ends, words, spec, count, walk, 0)
    return pictures, torch.cat(ends).cpu().numpy()


def between_pictures(
    model: "Model", spec: Experiment, latents: "tuple[Latents, Latents]", words: tuple[str, str],
    count: int, walk: str, rounds: int,
) -> "Work[tuple[Pictures, Any]]":  # fmt: skip
    """Pictures on the way between the noises of two pictures, found by the fixed point."""
    import torch

    from sdlab.ddim.invert import check_latents, inverting
    from sdlab.ddim.schemes import scheme
    from sdlab.denoisers.guided import Guided

    sigmas, ways = _sigmas(model, spec.num_steps), scheme("fixed_point", iterations=rounds)
    each = rounds * spec.num_steps
    total, ends = 2 * each + spec.num_steps, []
    for index, (array, text) in enumerate(zip(latents, words, strict=True)):
        x0 = torch.from_numpy(array).to(model.device)
        check_latents(model, x0)
        denoise = Guided(model, text, spec.negative_prompt, spec.guidance_scale)
        work = inverting(denoise, x0, sigmas, "fixed_point", ways)
        while True:
            try:
                step, _ = next(work)
            except StopIteration as stop:
                ends.append(stop.value.noise)
                break
            yield index * each + step, total
    pictures = yield from _walk(model, ends, words, spec, count, walk, 2 * each)
    return pictures, torch.cat(ends).cpu().numpy()


def _walk(
    model: "Model", ends: "list[Tensor]", words: tuple[str, str], spec: Experiment, count: int,
    walk: str, before: int,
) -> "Work[Pictures]":  # fmt: skip
    """Sample with DDIM from every noise on the way, the words blended as far as the noise."""
    import torch

    from sdlab.ddim.schemes import down
    from sdlab.denoisers.network import Sample, evaluate, predictions, uses_guidance
    from sdlab.latents.edit import between

    shares = torch.linspace(0, 1, count).tolist()
    guided = uses_guidance(model, spec.guidance_scale)
    (first, uncond), (second, _) = (
        model.encode_prompt(text, spec.negative_prompt if guided else None) for text in words
    )
    conds = [torch.lerp(first, second, share) for share in shares]
    sigmas = _sigmas(model, spec.num_steps)
    noise = between(ends[0], ends[1], shares, walk)
    way = down(noise * math.sqrt(1.0 + sigmas[0] ** 2), sigmas, lambda x: None)
    total, done = before + spec.num_steps, before
    try:
        x, sigma = next(way)
        while True:
            x_t = x / math.sqrt(1.0 + sigma**2)
            timestep = float(model.schedule.sigma_to_timestep(sigma))
            outputs = evaluate(
                model,
                [
                    Sample(row, timestep, cond, uncond, spec.guidance_scale, 0.0)
                    for row, cond in zip(x_t.split(1), conds, strict=True)
                ],
            )
            done += 1
            yield done, total
            output = torch.cat([o.guided for o in outputs])
            x, sigma = way.send(predictions(model.schedule, x_t, sigma, output)[0])
    except StopIteration as stop:
        latents = stop.value
    finally:
        way.close()
    row = []
    for one in latents.split(1):
        row.append(png(model.decode(one), SIDE))
        yield total, total
    norms = noise.flatten(1).norm(dim=1).cpu().tolist()
    return Pictures([row], pd.DataFrame({"share": shares, "norm": norms}))


def _start(model: "Model", seed: int) -> "Tensor":
    import torch

    width, height = model.default_size
    factor = model.vae_factor
    shape = (1, model.latent_channels, height // factor, width // factor)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return noise.to(model.device)


def _sigmas(model: "Model", num_steps: int) -> tuple[float, ...]:
    from sdlab.noise import curves

    return tuple(curves.make(None, model.schedule, num_steps, {}).tolist())
