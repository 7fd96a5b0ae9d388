"""How well word maps find the objects of the small world, by layers and steps, and what is best.

Run: python benchmarks/attention_truth.py [--quick] [--json] [--model embedded-flow] [--scenes 64]

Given pictures: held-out scenes, whose objects' masks are known exactly, noised to several levels
and passed once. Generated pictures: the same captions, 25 steps (DDIM, or Euler's of the flow),
guidance 4. A generated
picture has no true mask. Its stand-in is a silhouette: the checker says which object it finds,
where and how large, and the world draws that object's outline there. How far such silhouettes are
from true masks is measured on the given scenes, where both are there, and printed.

Pointing is the share of nouns whose strongest cell lies in the mask; IoU compares the mask with
the cells above half of the map's range; both on 16 x 16 cells. Best is the highest mean IoU of all
choices of layers and steps, found and measured on the same scenes. Where
the dashboard starts (sdlab.attention.views.BEST) should be the best choice, and the last
rows say whether it is.

Note that the first model's cross-attention was taught: a loss held each word's map to its
object's mask in training (sdlab.training.attention_loss). So its figures say how well that was
learned and is read, not what a model does by itself. The second model's joint attention was not
taught: its figures say what it found. Its maps have 8 x 8 places, brought to the same 16 x 16.
"""

import itertools
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
from report import Report

import sdlab
from sdlab.attention import views
from sdlab.embedded.captions import text_of
from sdlab.embedded.checker import Checker
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.silhouettes import on_grid, outline
from sdlab.embedded.world import World, word_mask
from sdlab.sampling.picture_attention import picture_attention
from sdlab.shipped import EMBEDDED, SHIPPED
from sdlab.training.evaluate import trained_objects
from sdlab.training.latent_scenes import encode_pictures

TIMESTEPS = (50, 100, 250, 400, 550, 700)
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SPANS = tuple(itertools.combinations(EDGES, 2))
GRID = (16, 16)
BATCH = 8


class Named(NamedTuple):
    """A noun of a caption, which occurrence of it is meant, and its mask, bool [16, 16]."""

    word: str
    occurrence: int
    mask: np.ndarray


class Example(NamedTuple):
    """A held-out scene: latents [1, 4, 16, 16], caption, picture [3, 128, 128], its nouns."""

    latents: torch.Tensor
    caption: str
    picture: torch.Tensor
    named: list[Named]


def scenes(model, world, count):
    """Return held-out scenes with the exact masks of their nouns."""
    samples = SceneSampler(79, trained_objects(), split="test").batch(0, count)
    out = []
    for first in range(0, count, 32):
        part = samples[first : first + 32]
        pictures, cover = world.render([scene for scene, _ in part])
        latents = encode_pictures(model.pipeline.vae, pictures)
        for b, (scene, words) in enumerate(part):
            named = []
            for place, word in enumerate(words):
                if any(word.text == scene.items[s].name for s in word.slots if s >= 0):
                    mask = on_grid(word_mask(word, cover[b]))
                    if mask.any():
                        before = sum(w.text == word.text for w in words[:place])
                        named.append(Named(word.text, before, mask))
            out.append(Example(latents[b : b + 1], text_of(words), pictures[b], named))
    return out


def score(heats, mask):
    """Return (hits, IoUs) of heat maps [n, 16, 16] against a mask."""
    flat, inside = heats.reshape(len(heats), -1), mask.reshape(-1)
    bright = flat > (flat.min(1, keepdims=True) + flat.max(1, keepdims=True)) / 2
    iou = (bright & inside).sum(1) / (bright | inside).sum(1)
    return inside[flat.argmax(1)], iou


class Tally:
    """Hits and IoUs by choice."""

    def __init__(self):
        self.found = {}

    def add(self, choices, heats, mask):
        """Take in the maps of several choices for one noun."""
        for choice, hit, iou in zip(choices, *score(heats, mask), strict=True):
            self.found.setdefault(choice, []).append((float(hit), float(iou)))

    def means(self):
        """Return choice -> (pointing, mean IoU), the best IoU first."""
        means = {
            choice: tuple(map(fmean, zip(*found, strict=True)))
            for choice, found in self.found.items()
        }
        return dict(sorted(means.items(), key=lambda item: (-item[1][1], -item[1][0])))

    def count(self):
        """Return the number of nouns."""
        return max(map(len, self.found.values()), default=0)


def choices_of(maps):
    """Return what layers can be chosen: all, by resolution (as a share of the sides), by name."""
    shares = dict.fromkeys(f"1/{layer.share}" for layer in maps.cross_layers)
    return [None, *shares, *(layer.name for layer in maps.cross_layers)]


def named_layers(layers):
    """Return layers in a few letters."""
    return "all layers" if layers is None else layers.replace(".transformer_blocks.0.attn2", "")


def given(model, examples):
    """Return the tally of given pictures by (layers, timestep)."""
    tally = Tally()
    for timestep in TIMESTEPS:
        for number, example in enumerate(examples):
            told = {"timestep": timestep, "seed": number}
            maps = picture_attention(model, example.latents, example.caption, **told)
            layers = choices_of(maps)
            for word, occurrence, mask in example.named:
                choice = {"occurrence": occurrence, "size": GRID}
                heats = [maps.heatmap(word, layer=layer, **choice) for layer in layers]
                tally.add([(layer, timestep) for layer in layers], np.stack(heats), mask)
    return tally


def silhouettes(world, picture, words, checker):
    """Return the nouns that stand once in the caption and once in a picture, with silhouettes.

    Args:
        world: Draws the outline.
        picture: float32 in -1 ... 1, [3, 128, 128].
        words: Of the caption.
        checker: Finds the objects.
    """
    with torch.no_grad():
        (seen,) = checker.read(checker(picture[None]))
    names = [thing.name for thing in seen.objects]
    out = []
    for thing in seen.objects:
        if names.count(thing.name) == 1 and words.count(thing.name) == 1:
            out.append(Named(thing.name, 0, on_grid(outline(world, thing, picture))))
    return [named for named in out if named.mask.any()]


def stand_in(world, examples, checker):
    """Return how silhouettes compare with true masks: share found, mean IoU."""
    overlaps, wanted = [], 0
    for example in examples:
        words = [named.word for named in example.named]
        found = silhouettes(world, example.picture, words, checker)
        read = {named.word: named.mask for named in found}
        for word, _, mask in example.named:
            wanted += words.count(word) == 1
            if word in read and words.count(word) == 1:
                overlaps.append((read[word] & mask).sum() / (read[word] | mask).sum())
    return len(overlaps) / max(1, wanted), fmean(overlaps)


def generated(model, world, captions, checker):
    """Return the tally of generated pictures by (layers, span of the steps)."""
    tally = Tally()
    record = sdlab.Record((), statistics=False, attention=sdlab.AttentionRecord())
    specs = [
        sdlab.Experiment(
            prompt=caption,
            solver="ddim" if model.plain else "euler",
            guidance_scale=4.0,
            seed=number,
            record=record,
            model=model.name,
        )
        for number, caption in enumerate(captions)
    ]
    for first in range(0, len(specs), BATCH):
        for run in sdlab.run_many(model, specs[first : first + BATCH]):
            maps = run.trace.attention
            picture = torch.from_numpy(np.array(run.image)).permute(2, 0, 1).float() / 127.5 - 1
            for word, _, mask in silhouettes(world, picture, maps.words, checker):
                for layers in choices_of(maps):
                    _, frames = views.frames(maps, word, "evaluation", layer=layers, size=GRID)
                    heats = [frames[views.span_places(len(frames), span)].mean(0) for span in SPANS]
                    tally.add([(layers, span) for span in SPANS], np.stack(heats), mask)
    return tally


def report_given(report, model, means):
    """Print the given pictures: layers over all levels, the best by level, the best choice."""
    layers = dict.fromkeys(layers for layers, _ in means)
    over_levels = {
        one: tuple(fmean(means[one, t][k] for t in TIMESTEPS) for k in (0, 1)) for one in layers
    }
    for one in sorted(over_levels, key=lambda name: -over_levels[name][1]):
        pointing, iou = over_levels[one]
        report.add(f"given, {named_layers(one)}, all levels: IoU", iou, note=f"p {pointing:.3f}")
    best = next(iter(means))
    for timestep in TIMESTEPS:
        pointing, iou = means[best[0], timestep]
        time = timestep / 1000
        sigma = model.schedule.timestep_to_sigma(timestep) if model.plain else time / (1 - time)
        name = f"given, {named_layers(best[0])}, t {timestep} (sigma {sigma:.2f})"
        report.add(f"{name}: pointing", pointing)
        report.add(f"{name}: IoU", iou)
    return best


def report_generated(report, means):
    """Print the generated pictures: the best span of each choice of layers, the best choice."""
    told = set()
    for (layers, span), (pointing, iou) in means.items():
        if layers not in told:
            name = f"generated, {named_layers(layers)}, {span_in_words(span)}"
            report.add(f"{name}: IoU", iou, note=f"pointing {pointing:.3f}")
            told.add(layers)
    best = next(iter(means))
    for choice in dict.fromkeys([best, (best[0], (0.0, 1.0)), (None, (0.0, 1.0))]):
        name = f"generated, {named_layers(choice[0])}, {span_in_words(choice[1])}"
        report.add(f"{name}: pointing", means[choice][0], note=f"IoU {means[choice][1]:.3f}")
    return best


def span_in_words(span):
    """Return a span of the steps in words."""
    return f"steps {span[0]:.0%} to {span[1]:.0%}"


def main():
    """Measure and print."""
    report = Report(
        __doc__,
        {
            "--model": {"choices": list(SHIPPED), "default": EMBEDDED},
            "--scenes": {"type": int, "default": 500},
        },
    )
    report.head()
    name = report.arguments.model
    count = 8 if report.arguments.quick else report.arguments.scenes
    model, world, checker = sdlab.load(name, device="cpu"), World(), Checker.load()
    examples = scenes(model, world, count)
    tally = given(model, examples)
    best_given = report_given(report, model, tally.means())
    report.add("given: nouns", tally.count(), note=f"of {count} scenes")
    share, iou = stand_in(world, examples, checker)
    report.add("silhouettes on given scenes: IoU with true masks", iou, note=f"{share:.3f} found")
    tally = generated(model, world, [example.caption for example in examples], checker)
    best_run = report_generated(report, tally.means())
    report.add("generated: nouns found", tally.count(), note=f"in {count} pictures")
    now = views.best(name)
    print(f"best: Best(layers={best_run[0]!r}, span={best_run[1]},", end=" ")
    print(f"given_layers={best_given[0]!r}, given_timestep={best_given[1]}); now {now}")
    same = now == views.Best(*best_run, *best_given)
    quick = report.arguments.quick
    goal, note = ("", "so few scenes cannot tell") if quick else (">= 1.0", "")
    report.add("the dashboard starts from the best choice", float(same), goal=goal, note=note)
    report.close()


if __name__ == "__main__":
    main()
