"""The DDIM page's computations with the model: those of ``sdlab.ddim``, pictures as PNG."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from dashboard.widgets.pictures import png
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from PIL import Image

    from dashboard.widgets.latent_source import Latents
    from sdlab.ddim.settings import DdimSettings
    from sdlab.ddim.walks import WalkedPictures
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
    """Return one start noise under every eta and noise seed; the table is the spread."""
    from sdlab.ddim.denoiser import denoiser, levels
    from sdlab.ddim.eta import drawing_fan
    from sdlab.ddim.walks import start_noise

    denoise = denoiser(model, spec.prompt, spec.negative_prompt, spec.guidance_scale)
    start = start_noise(model, spec.seed)
    sigmas = levels(model, _settings(spec), start)
    work = drawing_fan(model, denoise, start, sigmas, etas, seeds)
    fan, pictures = yield from work
    return Pictures([_pngs(row) for row in pictures], fan.spread())


def noise_levels(model: "Model", steps: int, curve: str | None = None) -> list[float]:
    """Return the sigmas of a sampler's steps on a model, the 0 included; flow's begins at infinity.

    Raises:
        ValueError: If the model has no such curve for so many steps.
    """
    import torch

    from sdlab.ddim.denoiser import levels
    from sdlab.ddim.settings import DdimSettings
    from sdlab.noise.flow import time_to_sigma

    width, height = (side // model.vae_factor for side in model.default_size)
    settings = DdimSettings(num_steps=steps, curve=curve)
    found = levels(model, settings, torch.empty(1, 1, height, width))
    return time_to_sigma(found).tolist() if model.path == "flow" else list(found)


def compare(
    model: "Model", latents: "Latents", settings: "DdimSettings", methods: tuple[str, ...],
    steps: tuple[int, ...], guidances: tuple[float, ...],
) -> "Work[pd.DataFrame]":  # fmt: skip
    """Return every method at every number of steps and guidance; see ``round_trips``."""
    import torch

    from sdlab.ddim.study import round_trips

    return round_trips(model, torch.from_numpy(latents), settings, methods, steps, guidances)


def between_noises(
    model: "Model", spec: Experiment, seeds: tuple[int, int], count: int, walk: str
) -> "Work[tuple[Pictures, Latents]]":
    """Return pictures of the noises between those of two seeds, and the two noises."""
    from sdlab.ddim.walks import walking_between_seeds

    work = walking_between_seeds(model, _settings(spec), seeds, count, walk)
    return _shown((yield from work))


def between_pictures(
    model: "Model", spec: Experiment, latents: "tuple[Latents, Latents]", words: tuple[str, str],
    count: int, walk: str, rounds: int,
) -> "Work[tuple[Pictures, Latents]]":  # fmt: skip
    """Return pictures of the noises between those of two pictures, and the two noises."""
    import torch

    from sdlab.ddim.walks import walking_between_pictures

    ends = torch.from_numpy(latents[0]), torch.from_numpy(latents[1])
    settings = _settings(spec).with_(iterations=rounds)
    work = walking_between_pictures(model, settings, ends, words, count, walk)
    return _shown((yield from work))


def _settings(spec: Experiment) -> "DdimSettings":
    from sdlab.ddim.settings import DdimSettings

    return DdimSettings(
        spec.prompt, spec.negative_prompt, spec.guidance_scale, num_steps=spec.num_steps
    )


def _shown(walked: "WalkedPictures") -> "tuple[Pictures, Latents]":
    return Pictures([_pngs(walked.pictures)], walked.table), walked.ends.numpy()


def _pngs(pictures: "list[Image.Image]") -> list[bytes]:
    return [png(picture, SIDE) for picture in pictures]
