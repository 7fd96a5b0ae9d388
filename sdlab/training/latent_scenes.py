"""Scenes as the U-Net sees them: latents, caption ids, word places; made in blocks, seeded."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from sdlab.embedded.captions import BACKGROUND, Scene, Word
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.training.vocabulary import Vocabulary

WORDS = 6
"""Words with a place that are kept of one caption."""


class Block(NamedTuple):
    """N scenes ready for training.

    Attributes:
        latents: float32 [N, 4, 16, 16], scaled.
        ids: Compact caption ids, int64 [N, 77].
        words: Token positions of up to six words with a place, int64 [N, 6], 0 for none.
        masks: Coverage of these words on the latent grid, float32 [N, 6, 16, 16].
    """

    latents: torch.Tensor
    ids: torch.Tensor
    words: torch.Tensor
    masks: torch.Tensor


@torch.no_grad()
def encode_pictures(vae: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """Return scaled latents [B, 4, 16, 16] (the posterior's mean) of pictures in -1..1."""
    with torch.autocast(pictures.device.type, torch.bfloat16):
        mean = vae.encode(pictures.contiguous(memory_format=torch.channels_last)).latent_dist.mean
    scaled: torch.Tensor = mean.float() * vae.config.scaling_factor
    return scaled


def make_block(
    sampler: SceneSampler,
    start: int,
    count: int,
    world: World,
    vae: AutoencoderKL,
    vocabulary: Vocabulary,
) -> Block:
    """Return scenes ``start`` to ``start + count - 1`` of the sampler, encoded."""
    parts = []
    for first in range(start, start + count, 32):
        samples = sampler.batch(first, min(32, start + count - first))
        pictures, cover = world.render([scene for scene, _ in samples])
        ids, words, masks = _captions(samples, F.avg_pool2d(cover, 8), vocabulary)
        latents = encode_pictures(vae, pictures)
        parts.append((latents, ids.to(world.device), words.to(world.device), masks))
    return Block(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _captions(
    samples: list[tuple[Scene, list[Word]]], cover: torch.Tensor, vocabulary: Vocabulary
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids [B, 77], word positions [B, 6] and word masks [B, 6, 16, 16]."""
    rows = []
    positions = torch.zeros(len(samples), WORDS, dtype=torch.int64)
    masks = torch.zeros(len(samples), WORDS, *cover.shape[-2:], device=cover.device)
    for b, (_, words) in enumerate(samples):
        ids, places = vocabulary.encode(words)
        rows.append(ids)
        placed = [(w, p) for w, p in zip(words, places, strict=True) if w.slots]
        for k, (word, place) in enumerate(placed[:WORDS]):
            positions[b, k] = place[-1]
            outside = word.slots == (BACKGROUND,)
            covered = (cover[b] if outside else cover[b, list(word.slots)]).sum(0)
            masks[b, k] = 1 - covered if outside else covered
    return torch.stack(rows), positions, masks
