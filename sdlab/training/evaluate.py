"""Evaluates the embedded models against the truth of their world: prompts, pictures, attention.

All captions are held out: each holds at least one combination that no training scene shows, of
an object with a background, an object with a colour, or two objects. A caption of the kinds
"single", "colour" and "pair" may be held out by any of the three: most pairs among them are shown
in training, on other backgrounds or in other colours. Those of "held_colour" and "held_pair" are
held out by just that: the colour was never shown on that object, the two objects never together.
Caption number n of a kind is always drawn with seed n.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DiffusionPipeline, StableDiffusionPipeline
from PIL import Image

from sdlab.embedded.captions import Scene, describe, text_of
from sdlab.embedded.catalogue import held_out_colour, held_out_pair
from sdlab.embedded.checker import Checker, Seen, judge, shipped
from sdlab.embedded.claims import Claims, parse
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World, word_mask
from sdlab.intervals import Figure, mean, share
from sdlab.shipped import CALLED_WITH, EMBEDDED, FLOW, FOLDER, LOADED_WITH
from sdlab.training.attention_loss import keep_maps
from sdlab.training.latent_scenes import encode_pictures
from sdlab.training.stage_checker import accuracy
from sdlab.training.stage_vae import psnr

STEPS = 25
GUIDANCE_SCALE = 4.0
NOISE_TIMESTEP = 400
"""Timestep of the noised scenes whose attention is compared with the masks (sigma 0.93)."""
KINDS = ("single", "colour", "pair")
STRICT_KINDS = ("held_colour", "held_pair")
"""Captions whose colour, or whose pair of objects, is what training never shows."""
FIGURES = (
    *("single", "colour", "background", "pair", "relation"),
    *("held_colour", "held_pair", "held_relation"),
)
SEARCHED = 5000
"""Scenes looked through for captions; others there are not, or hardly ever."""


def trained_objects() -> tuple[str, ...]:
    """Return the objects that the shipped model was trained on."""
    return shipped().objects


def held_out_captions(kind: str, count: int, objects: Sequence[str] | None = None) -> list[str]:
    """Return the first ``count`` fixed held-out captions of a kind.

    Args:
        kind: "single" (an object on a background), "colour" (a painted object), "pair" (two
            objects in a relation), all of them with any held-out combination; "held_colour" and
            "held_pair": of these, the ones whose colour or whose pair is held out.
        count: How many.
        objects: Nouns to use; default: those of the shipped model.

    The world has few of some kinds: 60 of "single". Once all were there they come again, and so
    with other seeds.

    Raises:
        ValueError: If there is none.
    """
    shapes = (("pair", 1.0),) if kind in ("pair", "held_pair") else (("single", 1.0),)
    sampler = SceneSampler(77, objects or trained_objects(), split="test", kinds=shapes)
    captions: list[str] = []
    for number in range(SEARCHED):
        if len(captions) == count:
            break
        scene, _ = sampler(number)
        if _fits(scene, kind):
            caption = text_of(describe(scene, random.Random(0), plain=True))
            if caption not in captions:
                captions.append(caption)
    if not captions:
        raise ValueError(f"objects must allow a held-out caption of {kind!r}, got {objects}.")
    return [captions[n % len(captions)] for n in range(count)]


def _fits(scene: Scene, kind: str) -> bool:
    tinted, related = any(item.tint for item in scene.items), scene.relation is not None
    if kind == "held_colour":
        return any(item.tint and held_out_colour(item.name, item.tint) for item in scene.items)
    if kind == "held_pair":
        return related and held_out_pair(*(item.name for item in scene.items))
    return {"single": not tinted, "colour": tinted, "pair": related}[kind]


def draw(pipeline: DiffusionPipeline, captions: Sequence[str]) -> list[Image.Image]:
    """Return one picture per caption, caption n with seed n, 25 steps, guidance 4.

    The steps are those of the folder's own scheduler: DDIM's, or Euler's of a flow.
    """
    pictures: list[Image.Image] = []
    further = CALLED_WITH[FLOW] if "transformer" in pipeline.components else {}
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
            **further,
        ).images
    return pictures


def fidelity(pipeline: DiffusionPipeline, checker: Checker, count: int) -> dict[str, Figure]:
    """Return the shares of held-out captions whose objects, colours, places, relations show.

    Args:
        pipeline: The model.
        checker: Judges its pictures.
        count: Captions of each of the five kinds.

    Returns:
        The shares of ``hits_of``.
    """
    return shares(hits_of(pipeline, checker, count))


def shares(hits: dict[str, list[bool]]) -> dict[str, Figure]:
    """Return the share of each of ``FIGURES`` that was asked for."""
    return {name: share(found) for name, found in hits.items() if found}


def hits_of(
    pipeline: DiffusionPipeline,
    checker: Checker,
    count: int,
    kinds: Sequence[str] = (*KINDS, *STRICT_KINDS),
) -> dict[str, list[bool]]:
    """Return whether each held-out caption shows, in the captions' order.

    Args:
        pipeline: The model.
        checker: Judges its pictures.
        count: Captions of each kind.
        kinds: Which kinds.

    Returns:
        "single", "colour", "background", "pair" (both objects are there) and "relation" over the
        captions of KINDS; "held_colour", "held_pair" and "held_relation" over the strict ones.
    """
    hits: dict[str, list[bool]] = {name: [] for name in FIGURES}
    for kind in kinds:
        captions = held_out_captions(kind, count)
        for caption, seen in zip(captions, checker.look(draw(pipeline, captions)), strict=True):
            for name, hit in _verdict(kind, seen, parse(caption, checker.objects)).items():
                hits[name].append(hit)
    return hits


def differences(before: dict[str, list[bool]], after: dict[str, list[bool]]) -> dict[str, Figure]:
    """Return how much larger each share of ``after`` is, over the same captions and seeds.

    A caption is a pair: what is hard for both counts for neither, so the intervals are narrower
    than those of two shares.
    """
    return {
        name: mean([float(b) - float(a) for a, b in zip(before[name], after[name], strict=True)])
        for name in before
        if before[name]
    }


def _verdict(kind: str, seen: Seen, claims: Claims) -> dict[str, bool]:
    """Return what one picture of a caption of this kind adds to the figures."""
    verdict = judge(seen, claims)
    first, *others = claims.things
    if kind in STRICT_KINDS and not others:
        return {"held_colour": verdict[f"{first.colour} {first.name}"]}
    background = {"background": verdict[f"on {claims.background}"]}
    if not others:
        colour = {"colour": verdict[f"{first.colour} {first.name}"]} if kind == "colour" else {}
        return {**background, "single": verdict[first.name], **colour}
    both = all(verdict[thing.name] for thing in claims.things)
    related = verdict[f"{first.name} {claims.relation} {others[0].name}"]
    if kind in STRICT_KINDS:
        return {"held_pair": both, "held_relation": related}
    return {**background, "pair": both, "relation": related}


def reconstruction(pipeline: DiffusionPipeline, count: int) -> Figure:
    """Return the VAE's PSNR in dB over held-out scenes."""
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
    """Return how well nouns' attention at 16 x 16 finds their objects in noised held-out scenes.

    It is measured at one timestep only, 400, on scenes held out by any combination. Nouns of one
    scene hang together, so the intervals are as wide as if each scene had one. The maps are
    the means over heads and the cross-attention layers at 16 x 16. "pointing" is the share of nouns
    whose strongest cell lies in the mask; "iou" compares the mask with the cells above half of the
    map's range.
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
    return {"pointing": share(hits, count), "iou": mean(overlaps, count)}


@torch.no_grad()
def reading(checker: Checker, count: int) -> Figure:
    """Return the share of rendered held-out scenes that the checker reads without a mistake."""
    samples, world, right = SceneSampler(404, checker.objects, split="test"), World(), 0
    for first in range(0, count, 64):
        part = samples.batch(first, min(64, count - first))
        pictures, _ = world.render([scene for scene, _ in part])
        right += round(accuracy(checker, pictures, part)["exact"] * len(part))
    return share([True] * right + [False] * (count - right))


def scenes_per_second(repeats: int, device: str = "cpu") -> Figure:
    """Return how many scenes a second are drawn at random and rendered, 256 at a time."""
    world, samples = World(device), SceneSampler(80)
    speeds = []
    for number in range(repeats + 1):
        begin = time.perf_counter()
        pictures, _ = world.render([scene for scene, _ in samples.batch(256 * number, 256)])
        float(pictures[-1, 0, 0, 0])  # waits for the device
        speeds.append(256 / (time.perf_counter() - begin))
    return mean(speeds[1:])


def seconds_per_picture(pipeline: DiffusionPipeline, repeats: int) -> Figure:
    """Return the warm wall time of one picture, 25 steps with guidance; the mean of ``repeats``."""
    draw(pipeline, ["a parrot on a beach"])
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        draw(pipeline, ["a parrot on a beach"])
        times.append(time.perf_counter() - begin)
    return mean(times)


def showcase(pipeline: DiffusionPipeline) -> tuple[list[str], Image.Image]:
    """Return 48 held-out captions, 16 of each kind, and their pictures with seeds 0 to 47."""
    captions = [caption for kind in KINDS for caption in held_out_captions(kind, 16)]
    pictures = draw(pipeline, captions)
    width, height = (side + 2 for side in pictures[0].size)
    sheet = Image.new("RGB", (8 * width, 6 * height), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % 8 * width, number // 8 * height))
    return captions, sheet


def bytes_on_disk(folder: Path = FOLDER) -> int:
    """Return the size of all files of a model folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def load_pipeline(folder: Path = FOLDER) -> DiffusionPipeline:
    """Return the pipeline of a folder in float32, quiet."""
    flows = (folder / "transformer").exists()
    without = LOADED_WITH[FLOW if flows else EMBEDDED]
    pipeline = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, **without)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
