"""How good the small model is, by the truth of its world: prompts, pictures, attention.

All captions are held-out: no training scene shows their combination of object and background,
object and colour, or the pair of objects. Caption number n is always drawn with seed n.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from diffusers import StableDiffusionPipeline
from PIL import Image

from sdlab.embedded.attention_loss import keep_maps
from sdlab.embedded.captions import describe, text_of
from sdlab.embedded.checker import Checker, judge, shipped
from sdlab.embedded.claims import parse
from sdlab.embedded.latent_scenes import encode_pictures
from sdlab.embedded.nets import SHIPPED
from sdlab.embedded.scenes import Scene, SceneSampler
from sdlab.embedded.stage_vae import psnr
from sdlab.embedded.world import World, word_mask

STEPS = 25
GUIDANCE_SCALE = 4.0
NOISE_TIMESTEP = 400
"""Timestep of the noised scenes whose attention is compared with the masks (sigma 0.93)."""
KINDS = ("single", "colour", "pair")
SEARCHED = 5000
"""Scenes looked through for captions, before there are said to be no more."""


class Figure(NamedTuple):
    """A mean with its 95 % interval over so many samples."""

    value: float
    low: float
    high: float
    samples: int


def share(hits: Sequence[bool], independent: int | None = None) -> Figure:
    """Returns the share of hits with Wilson's 95 % interval.

    Args:
        hits: Whether each was one; at least one.
        independent: How many of them stand on their own, if they hang together in groups; the
            interval is as wide as so many make it.
    """
    n, p, z = independent or len(hits), sum(hits) / len(hits), 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return Figure(p, middle - half, middle + half, len(hits))


def mean(values: Sequence[float]) -> Figure:
    """Returns the mean with its normal 95 % interval."""
    middle = statistics.fmean(values)
    half = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Figure(middle, middle - half, middle + half, len(values))


def trained_objects() -> tuple[str, ...]:
    """Returns the objects that the shipped model was trained on."""
    return shipped().objects


def held_out_captions(kind: str, count: int, objects: Sequence[str] | None = None) -> list[str]:
    """Returns the first `count` fixed held-out captions of a kind.

    Args:
        kind: "single" (an object on a background), "colour" (a painted object), "pair" (two
            objects in a relation).
        count: how many.
        objects: nouns to use; default: those of the shipped model.

    Raises:
        ValueError: If there are not so many.
    """
    shapes = (("pair", 1.0),) if kind == "pair" else (("single", 1.0),)
    sampler = SceneSampler(77, objects or trained_objects(), split="test", kinds=shapes)
    captions: list[str] = []
    number = 0
    while len(captions) < count:
        if number > SEARCHED:
            raise ValueError(f"count must be at most {len(captions)} for {kind!r}, got {count}.")
        scene, _ = sampler(number)
        number += 1
        if _fits(scene, kind):
            caption = text_of(describe(scene, random.Random(0), plain=True))
            if caption not in captions:
                captions.append(caption)
    return captions


def _fits(scene: Scene, kind: str) -> bool:
    tinted = any(item.tint for item in scene.items)
    return {"single": not tinted, "colour": tinted, "pair": scene.relation is not None}[kind]


def draw(pipeline: StableDiffusionPipeline, captions: Sequence[str]) -> list[Image.Image]:
    """Returns one picture per caption, caption n with seed n, 25 DDIM steps, guidance 4."""
    pictures: list[Image.Image] = []
    for first in range(0, len(captions), 8):
        part = list(captions[first : first + 8])
        seeds = range(first, first + len(part))
        pictures += pipeline(
            part,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE_SCALE,
            width=128,
            height=128,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        ).images
    return pictures


def fidelity(pipeline: StableDiffusionPipeline, checker: Checker, count: int) -> dict[str, Figure]:
    """Returns the shares of held-out captions whose objects, colours, places, relations show.

    Args:
        pipeline: the model.
        checker: judges its pictures.
        count: captions of each of the three kinds.
    """
    hits: dict[str, list[bool]] = {
        name: [] for name in ("single", "colour", "background", "pair", "relation")
    }
    for kind in KINDS:
        captions = held_out_captions(kind, count)
        for caption, seen in zip(captions, checker.look(draw(pipeline, captions)), strict=True):
            claims = parse(caption)
            verdict = judge(seen, claims)
            hits["background"].append(verdict[f"on {claims.background}"])
            there = [verdict[thing.name] for thing in claims.things]
            if kind == "pair":
                first, second = claims.things
                hits["pair"].append(all(there))
                hits["relation"].append(verdict[f"{first.name} {claims.relation} {second.name}"])
                continue
            hits["single"].append(there[0])
            if kind == "colour":
                thing = claims.things[0]
                hits["colour"].append(verdict[f"{thing.colour} {thing.name}"])
    return {name: share(found) for name, found in hits.items()}


def reconstruction(pipeline: StableDiffusionPipeline, count: int) -> Figure:
    """Returns the VAE's PSNR in dB over held-out scenes."""
    scenes = SceneSampler(78, trained_objects(), split="test").batch(0, count)
    pictures, _ = World().render([scene for scene, _ in scenes])
    values: list[float] = []
    with torch.no_grad():
        for part in pictures.split(16):
            latents = pipeline.vae.encode(part).latent_dist.mean
            values += psnr(part, pipeline.vae.decode(latents).sample).tolist()
    return mean(values)


@torch.no_grad()
def attention(pipeline: StableDiffusionPipeline, count: int) -> dict[str, Figure]:
    """Returns how well nouns' attention at 16 x 16 finds their objects in noised held-out scenes.

    The maps are the means over heads and the cross-attention layers at 16 x 16. "pointing" is the
    share of nouns whose strongest cell lies in the mask; "iou" compares the mask with the cells
    above half of the map's range.
    """
    samples = SceneSampler(79, trained_objects(), split="test").batch(0, count)
    pictures, cover = World().render([scene for scene, _ in samples])
    latents = encode_pictures(pipeline.vae, pictures)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(79))
    timestep = torch.tensor(NOISE_TIMESTEP)
    x_t = pipeline.scheduler.add_noise(latents, noise, timestep)
    captions = [text_of(words) for _, words in samples]
    ids = pipeline.tokenizer(
        captions, padding="max_length", max_length=77, return_tensors="pt"
    ).input_ids
    hidden = pipeline.text_encoder(ids).last_hidden_state
    with keep_maps(pipeline.unet) as maps:
        pipeline.unet(x_t, timestep, hidden)
    heat = torch.stack([m for m in maps if m.shape[1] == 256]).mean(0)
    hits: list[bool] = []
    overlaps: list[float] = []
    for b, (scene, words) in enumerate(samples):
        position = 1
        for word in words:
            pieces = len(pipeline.tokenizer(word.text).input_ids) - 2
            position += pieces
            if not any(word.text == scene.items[s].name for s in word.slots if s >= 0):
                continue
            pixels = word_mask(word, cover[b])
            assert pixels is not None
            mask = F.avg_pool2d(pixels[None].float(), 8)[0].flatten() > 0.5
            column = heat[b, :, position - 1]
            hits.append(bool(mask[column.argmax()]))
            bright = column > (column.min() + column.max()) / 2
            overlaps.append(float((bright & mask).sum() / (bright | mask).sum()))
    return {"pointing": share(hits), "iou": mean(overlaps)}


def seconds_per_picture(pipeline: StableDiffusionPipeline, repeats: int) -> Figure:
    """Returns the warm wall time of one picture, 25 steps with guidance; the mean of `repeats`."""
    draw(pipeline, ["a parrot on a beach"])
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        draw(pipeline, ["a parrot on a beach"])
        times.append(time.perf_counter() - begin)
    return mean(times)


def showcase(pipeline: StableDiffusionPipeline) -> tuple[list[str], Image.Image]:
    """Returns 48 held-out captions, 16 of each kind, and their pictures with seeds 0 to 47."""
    captions = [caption for kind in KINDS for caption in held_out_captions(kind, 16)]
    pictures = draw(pipeline, captions)
    width, height = (side + 2 for side in pictures[0].size)
    sheet = Image.new("RGB", (8 * width, 6 * height), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % 8 * width, number // 8 * height))
    return captions, sheet


def megabytes(folder: Path = SHIPPED) -> float:
    """Returns the size of a model folder on disk in MB (2^20 bytes, as `du -m` counts)."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20


def load_pipeline(folder: Path = SHIPPED) -> StableDiffusionPipeline:
    """Returns the pipeline of a folder in float32, quiet."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
