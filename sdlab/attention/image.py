"""The attention of a given picture, noised to one level and passed through the network once."""

import math
from typing import TYPE_CHECKING

from sdlab.attention.collector import Collector
from sdlab.attention.hooks import Part, recording
from sdlab.attention.maps import AttentionMaps
from sdlab.attention.planning import (
    check_cap,
    choose_layers,
    count_tokens,
    evaluation_bytes,
)
from sdlab.errors import ModelError
from sdlab.experiment.attention_record import AttentionRecord

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model

DEFAULT_TIMESTEP = 400.0


def of_image(
    model: "Model",
    latents: "Tensor",
    caption: str,
    *,
    sigma: float | None = None,
    timestep: float | None = None,
    seed: int = 0,
    record: AttentionRecord | None = None,
    negative_prompt: str = "",
) -> AttentionMaps:
    """Return the attention maps of a picture at one noise level, as one evaluation.

    x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) n with n from the seed, given to the network
    once, with the caption (and, for both halves, the negative prompt in a second row).

    Args:
        model: The loaded model.
        latents: Clean latents of the picture, [1, C, h, w].
        caption: What to look for.
        sigma: Noise level, within the schedule's; or give ``timestep``.
        timestep: Training timestep, may be fractional; 400 if neither is given.
        seed: Of the noise.
        record: What to keep; the default record if None.
        negative_prompt: The prompt of the "uncond" half, kept with ``halves="both"``.

    Raises:
        ValueError: If both or a level out of range is given, the latents have another shape, or
            the record names a layer that is not there.
        ModelError: If the U-Net's attention cannot be read.
        MemoryLimitError: If the maps would pass the record's cap.
    """
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    from sdlab.denoisers.network import Sample, evaluate
    from sdlab.text.tokens import tokens

    if not model.plain:
        raise ModelError(
            f"{model.name} is not Stable Diffusion 1.x or 2.x; sdlab.picture_attention reads its"
            " attention through its pipeline."
        )
    record = record or AttentionRecord()
    _check_latents(model, latents)
    timestep, sigma = _level(model, timestep, sigma)
    size = (int(latents.shape[2]), int(latents.shape[3]))
    layers = choose_layers(model.pipeline.unet, record, size)
    tokenizer = model.pipeline.tokenizer
    texts = {"cond": caption, "uncond": negative_prompt}
    tables = {half: tokens(tokenizer, texts[half]) for half in record.kept_halves}
    counts = {half: count_tokens(table, record) for half, table in tables.items()}
    check_cap(record, evaluation_bytes(record, layers, counts, tokenizer.model_max_length))
    collector = Collector(record, layers, counts, num_steps=1)
    both = len(tables) > 1
    cond, uncond = model.encode_prompt(caption, negative_prompt if both else None)
    generator = torch.Generator().manual_seed(seed)
    x0 = latents.to(model.device, torch.float32)
    noise = randn_tensor(x0.shape, generator=generator, device=x0.device, dtype=x0.dtype)
    x_t = (x0 + sigma * noise) / math.sqrt(1.0 + sigma**2)
    rows = {"cond": 1, "uncond": 0} if both else {"cond": 0}
    with recording(model.pipeline.unet, [Part(collector, rows)]):
        evaluate(model, [Sample(x_t, timestep, cond, uncond, 1.0, 0.0)])
    collector.commit(0, 0, timestep, sigma)
    return collector.finish(size, tables)


def _check_latents(model: "Model", latents: "Tensor") -> None:
    shape = tuple(latents.shape)
    if len(shape) != 4 or shape[:2] != (1, model.latent_channels):
        raise ValueError(
            f"latents must be [1, {model.latent_channels}, h, w], the latents of one picture, got"
            f" {list(shape)}."
        )


def _level(model: "Model", timestep: float | None, sigma: float | None) -> tuple[float, float]:
    """Return (timestep, sigma) of the level given by one of them."""
    if timestep is not None and sigma is not None:
        raise ValueError("Give sigma or timestep, not both: each follows from the other.")
    schedule = model.schedule
    if sigma is not None:
        if not schedule.sigma_min <= sigma <= schedule.sigma_max:
            raise ValueError(
                f"sigma must be from {schedule.sigma_min:.4g} to {schedule.sigma_max:.4g}, the"
                f" schedule's own, got {sigma}."
            )
        return float(schedule.sigma_to_timestep(sigma)), float(sigma)
    timestep = DEFAULT_TIMESTEP if timestep is None else timestep
    if not 0 <= timestep <= schedule.num_timesteps - 1:
        raise ValueError(
            f"timestep must be from 0 to {schedule.num_timesteps - 1}, got {timestep}."
        )
    return float(timestep), float(schedule.timestep_to_sigma(timestep))
