"""Between two seeds or two pictures: what DDIM makes of the noises on the way between them.

With eta 0 a picture is a function of its noise, so a way from one noise to another is one from one
picture to another (Song et al. 2020, arXiv 2010.02502, section 5.3). Each picture is sampled from
its own noise; all of them are one batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from sdlab.ddim.denoiser import denoiser, levels
from sdlab.ddim.invert import inverting
from sdlab.ddim.schemes import down, solving
from sdlab.denoisers.guided import Guided
from sdlab.latents.edit import between
from sdlab.latents.files import check_latents
from sdlab.latents.film import decoding
from sdlab.work import Work, counted

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from sdlab.ddim.schemes import Denoise
    from sdlab.ddim.settings import DdimSettings
    from sdlab.models.model import Model


@dataclass(frozen=True)
class WalkedPictures:
    """The pictures on the way between two noises.

    Attributes:
        pictures: In order, the two ends' included.
        table: Of each picture ``share`` (its place on the way, 0 ... 1) and ``norm`` (of its noise,
            over all values).
        ends: The two noises, [2, C, h, w], on the CPU.
    """

    pictures: "list[Image.Image]"
    table: pd.DataFrame
    ends: "Tensor"


def walking_between_seeds(
    model: "Model", settings: "DdimSettings", seeds: tuple[int, int], count: int, walk: str
) -> Work[WalkedPictures]:
    """Draw the way between the start noises of two seeds; yields after every evaluation.

    Args:
        model: The loaded model; the pictures have its own size.
        settings: The words, the guidance and the levels.
        seeds: Of the two ends.
        count: Pictures, at least 2.
        walk: One of ``sdlab.latents.edit.WALKS``.

    Raises:
        ValueError: If a setting or the walk is not valid.
    """
    words = denoiser(model, settings.prompt, settings.negative_prompt, settings.guidance_scale)
    ends = [start_noise(model, seed) for seed in seeds]
    return (yield from _drawing(model, settings, lambda shares: words, ends, count, walk, 0))


def walking_between_pictures(
    model: "Model",
    settings: "DdimSettings",
    latents: "tuple[Tensor, Tensor]",
    captions: tuple[str, str],
    count: int,
    walk: str,
) -> Work[WalkedPictures]:
    """Invert two pictures and draw the way between their noises; yields after every evaluation.

    The text embedding goes from the one caption to the other as far as the noise does.

    Args:
        model: The loaded model.
        settings: The method of the inversion, the guidance and the levels; ``prompt`` is not used.
        latents: Of the two pictures: clean, scaled, finite, each [1, C, h, w], of one size.
        captions: What they show.
        count: Pictures, at least 2.
        walk: One of ``sdlab.latents.edit.WALKS``.

    Raises:
        ValueError: If a setting or the walk is not valid, or the latents do not fit the model or
            each other.
    """
    sigmas, ways = levels(model, settings, latents[0]), settings.scheme(model.path or "vp")
    if not model.plain and captions[0] != captions[1]:
        raise ValueError(
            f"The words of {model.name} cannot be blended, so both pictures need one caption, got"
            f" {captions[0]!r:.60} and {captions[1]!r:.60}."
        )
    each = ways.evaluations_up * settings.num_steps
    total, words, ends = 2 * each + settings.num_steps, [], []
    for index, (x0, caption) in enumerate(zip(latents, captions, strict=True)):
        check_latents(model, x0)
        words.append(denoiser(model, caption, settings.negative_prompt, settings.guidance_scale))
        up = inverting(words[-1], x0.to(model.device).float(), sigmas, settings.method, ways)
        ends.append((yield from counted(up, index * each, total)).noise)

    def blended(shares: list[float]) -> "Denoise":
        first, last = words
        if isinstance(first, Guided) and isinstance(last, Guided):
            return first.towards(last, shares)
        return first  # of one caption

    return (yield from _drawing(model, settings, blended, ends, count, walk, 2 * each))


def start_noise(model: "Model", seed: int) -> "Tensor":
    """Return a seed's standard normal start noise in the model's own size, float32 [1, C, h, w]."""
    import torch

    width, height = (side // model.vae_factor for side in model.default_size)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, model.latent_channels, height, width, generator=generator)
    return noise.to(model.device)


def _drawing(
    model: "Model",
    settings: "DdimSettings",
    words: "Callable[[list[float]], Denoise]",
    ends: "Sequence[Tensor]",
    count: int,
    walk: str,
    before: int,
) -> Work[WalkedPictures]:
    """Sample from every noise on the way; ``before`` evaluations were made already."""
    import torch

    total = before + settings.num_steps
    shares = torch.linspace(0, 1, count).tolist()
    noise = between(ends[0], ends[1], shares, walk)
    sigmas = levels(model, settings, noise)
    scale = settings.scheme(model.path or "vp").coordinates.scale(sigmas[0])
    generator = down(noise * scale, sigmas, lambda x: None)
    sampling = solving(generator, words(shares), settings.num_steps)
    latents = yield from counted(sampling, before, total)
    pictures = yield from decoding(model, latents, total)
    norms = noise.flatten(1).norm(dim=1).cpu().tolist()
    return WalkedPictures(
        pictures, pd.DataFrame({"share": shares, "norm": norms}), torch.cat(list(ends)).cpu()
    )
