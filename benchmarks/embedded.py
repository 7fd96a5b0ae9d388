"""Measures the embedded models against the truth of their world, and one against the other.

    python benchmarks/embedded.py                  192 held-out captions of each kind, hours
    python benchmarks/embedded.py --count 48       48 of each
    python benchmarks/embedded.py --only flow      one of the two: first, flow
    python benchmarks/embedded.py --quick          a few of each kind
    python benchmarks/embedded.py --json           the last line is one JSON object
    python benchmarks/embedded.py --before FOLDER  pairs it with other weights of the same model
    python benchmarks/embedded.py --grid F         draws the grid of 48 captions into F

Captions are fixed; each holds some combination that training never shows, and in the rows that
name one ("held-out pairs") it is that one. Caption n is drawn with seed n, 25 steps of the model's
own scheduler (DDIM; Euler's of the flow), guidance scale 4. Attention is measured on held-out
scenes noised to one level: timestep 400 of the first model, whose maps were taught, and t = 0.5 of
the flow, whose maps were not (mean over the heads of every layer). Intervals are 95 % (Wilson for
shares, normal for means; nouns of one scene count as one). A difference is one of pairs: the same
caption and seed in both models. Quality against evaluations is the mean share of a prompt's
statements that the checker finds, of pairs; an evaluation is one call of the network (a guided one
of two samples).
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers.utils import logging
from report import machine

import sdlab
from sdlab.embedded.captions import text_of
from sdlab.embedded.checker import Checker, judge
from sdlab.embedded.claims import parse
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World, word_mask
from sdlab.intervals import Figure, mean, share
from sdlab.sampling.picture_attention import picture_attention
from sdlab.shipped import EMBEDDED, FLOW, FOLDER, SHIPPED
from sdlab.training import evaluate
from sdlab.training.latent_scenes import encode_pictures

# name: (row, at least, goal, whether less is better); None where nothing was asked
ROWS = {
    "vae_psnr_db": ("VAE PSNR on held-out scenes, dB", 27, 31, False),
    "single": ("single object present", 0.85, 0.97, False),
    "colour": ("colour right", 0.75, 0.95, False),
    "background": ("background right", 0.90, 0.99, False),
    "pair": ("both of two objects", 0.50, 0.85, False),
    "relation": ("relation right (any held-out caption)", None, None, False),
    "held_colour": ("colour right, colours never shown on that object", None, None, False),
    "held_pair": ("both of two objects (held-out pairs)", None, None, False),
    "held_relation": ("relation right (held-out pairs)", 0.45, 0.80, False),
    "pointing": ("attention at 16x16, t = 400: pointing", 0.75, 0.90, False),
    "iou": ("attention at 16x16, t = 400: IoU", 0.45, 0.60, False),
    "reading": ("checker: held-out scenes without a mistake", 0.98, 0.98, False),
    "scenes": ("scenes drawn and rendered, CPU, per s", None, None, False),
    "seconds": ("25 steps with guidance, CPU, warm, s", 1.5, 1.0, True),
    "mebibytes": ("size on disk, MiB (2^20 bytes)", 45, 35, True),
    "megabytes": ("size on disk, MB (10^6 bytes)", 45, 35, True),
}
OF_FLOW = {
    "flow_single": ("flow: single object present", 0.88, 0.97, False),
    "flow_colour": ("flow: colour right", 0.80, 0.95, False),
    "flow_background": ("flow: background right", 0.98, 0.99, False),
    "flow_pair": ("flow: both of two objects", 0.85, 0.95, False),
    "flow_relation": ("flow: relation right (any held-out caption)", 0.85, 0.95, False),
    "flow_held_colour": ("flow: colour right, never shown on that object", None, None, False),
    "flow_held_pair": ("flow: both of two objects (held-out pairs)", None, None, False),
    "flow_held_relation": ("flow: relation right (held-out pairs)", None, None, False),
    "flow_pointing": ("flow: attention at 8x8, t = 0.5: pointing", None, None, False),
    "flow_iou": ("flow: attention at 8x8, t = 0.5: IoU", None, None, False),
    "flow_seconds": ("flow: 25 steps with guidance, CPU, warm, s", 1.5, 1.5, True),
    "flow_megabytes": ("flow: size on disk, MB (10^6 bytes)", 45, 45, True),
}
ALL_ROWS = (
    ROWS
    | OF_FLOW
    | {
        f"more_{name}": (f"flow - first, paired: {name}", None, None, False)
        for name in evaluate.FIGURES
    }
)
EVALUATIONS = (4, 6, 8, 12, 25, 50)
SOLVERS = {
    EMBEDDED: (("ddim", None), ("dpmpp_2m", "karras")),
    FLOW: (("euler", None), ("dpmpp_2m", None)),
}
"""What suits each, with its curve: its own scheduler's method, and a multistep one of second order
(on the U-Net's own levels, which do not begin at the noisiest, that one fails at few steps)."""


def measure_first(folder: Path, quick: bool, hits: dict) -> Iterator[tuple[str, Figure]]:
    """Yields the figures of the first model; ``hits`` are those of its captions."""
    pipeline = evaluate.load_pipeline(folder)
    size = evaluate.bytes_on_disk(folder)
    yield "vae_psnr_db", evaluate.reconstruction(pipeline, 16 if quick else 128)
    yield from evaluate.shares(hits).items()
    yield from evaluate.attention(pipeline, 12 if quick else 128).items()
    yield "reading", evaluate.reading(Checker.load(), 64 if quick else 1024)
    yield "scenes", evaluate.scenes_per_second(3 if quick else 9)
    yield "seconds", evaluate.seconds_per_picture(pipeline, 2 if quick else 9)
    yield "mebibytes", _exactly(size / 2**20)
    yield "megabytes", _exactly(size / 1e6)


def measure_flow(folder: Path, quick: bool, hits: dict) -> Iterator[tuple[str, Figure]]:
    """Yields the figures of the second model."""
    pipeline = evaluate.load_pipeline(folder)
    for name, figure in evaluate.shares(hits).items():
        yield f"flow_{name}", figure
    for name, figure in flow_attention(4 if quick else 128).items():
        yield f"flow_{name}", figure
    yield "flow_seconds", evaluate.seconds_per_picture(pipeline, 2 if quick else 9)
    yield "flow_megabytes", _exactly(evaluate.bytes_on_disk(folder) / 1e6)


def flow_attention(count: int) -> dict[str, Figure]:
    """Return how well nouns' joint attention finds their objects in noised held-out scenes."""
    model = sdlab.load(FLOW, device="cpu")
    samples = SceneSampler(79, evaluate.trained_objects(), split="test").batch(0, count)
    pictures, cover = World().render([scene for scene, _ in samples])
    latents = encode_pictures(model.pipeline.vae, pictures)
    hits, overlaps = [], []
    for b, (scene, words) in enumerate(samples):
        maps = picture_attention(model, latents[b : b + 1], text_of(words), timestep=500, seed=b)
        told: dict[str, int] = {}
        for word in words:
            before = told.get(word.text, 0)
            told[word.text] = before + 1
            if not any(word.text == scene.items[s].name for s in word.slots if s >= 0):
                continue
            pixels = word_mask(word, cover[b])
            mask = F.avg_pool2d(pixels[None].float(), 16)[0].flatten() > 0.5
            if not mask.any():
                continue
            heat = maps.heatmap(word.text, occurrence=before, size=(8, 8))
            heat = torch.from_numpy(heat).flatten()
            bright = heat > (heat.min() + heat.max()) / 2
            hits.append(bool(mask[heat.argmax()]))
            overlaps.append(float((bright & mask).sum() / (bright | mask).sum()))
    return {"pointing": share(hits, count), "iou": mean(overlaps, count)}


def by_evaluations(count: int, quick: bool, names: tuple[str, ...]) -> Iterator[tuple[str, Figure]]:
    """Yields the share of statements that show, by model, solver and evaluations."""
    captions, checker = evaluate.held_out_captions("pair", count), Checker.load()
    claims = [parse(caption, checker.objects) for caption in captions]
    for name in names:
        model = sdlab.load(name, device="cpu")
        for solver, curve in SOLVERS[name]:
            for evaluations in (4, 12) if quick else EVALUATIONS:
                asked = {"solver": solver, "curve": curve, "model": name}
                asked["num_steps"] = evaluations
                pictures = []
                for first in range(0, count, 8):
                    specs = [
                        sdlab.Experiment(prompt=caption, seed=first + n, **asked)
                        for n, caption in enumerate(captions[first : first + 8])
                    ]
                    runs = sdlab.run_many(model, specs)
                    assert all(run.manifest["nfe"] == evaluations for run in runs), asked
                    pictures += [run.image for run in runs]
                verdicts = [
                    judge(seen, said)
                    for seen, said in zip(checker.look(pictures), claims, strict=True)
                ]
                shown = [sum(verdict.values()) / len(verdict) for verdict in verdicts]
                yield f"{name}, {solver}, {evaluations} evaluations", mean(shown)


def against(folder: Path, count: int) -> Iterator[tuple[str, Figure]]:
    """Yields the figures of other weights, and by how much those that are shipped are better."""
    pipeline = evaluate.load_pipeline(folder)
    name = FLOW if "transformer" in pipeline.components else EMBEDDED
    before = evaluate.hits_of(pipeline, Checker.load(), count, evaluate.KINDS)
    for row, figure in evaluate.shares(before).items():
        yield f"before: {row}", figure
    shipped = evaluate.load_pipeline(SHIPPED[name])
    after = evaluate.hits_of(shipped, Checker.load(), count, evaluate.KINDS)
    for row, figure in evaluate.shares(after).items():
        yield f"shipped: {row}", figure
    for row, figure in evaluate.differences(before, after).items():
        yield f"shipped - before, paired: {row}", figure


def _exactly(value: float) -> Figure:
    return Figure(value, value, value, 1)


def entry(name: str, figure: Figure) -> dict:
    """Returns a row of the JSON object; "holds" is None where nothing was asked."""
    _, least, goal, less = ALL_ROWS.get(name, (name, None, None, False))
    sign = -1 if less else 1
    holds, holds_least = (
        None if limit is None else sign * figure.value >= sign * limit for limit in (goal, least)
    )
    return {
        "value": round(figure.value, 4),
        "goal": goal,
        "holds": holds,
        "least": least,
        "holds_least": holds_least,
        "interval": [round(figure.low, 4), round(figure.high, 4)],
        "n": figure.samples,
    }


def show(name: str, figure: Figure) -> None:
    """Prints a row."""
    row, least, goal, _ = ALL_ROWS.get(name, (name, None, None, False))
    interval = f"{figure.low:.3f} .. {figure.high:.3f}"
    asked = f"{'' if least is None else least:>10}{'' if goal is None else goal:>7}"
    print(f"{row:49}{figure.value:9.3f}{interval:>24}{figure.samples:6}{asked}", flush=True)


def figures(arguments: argparse.Namespace) -> Iterator[tuple[str, Figure]]:
    """Yields all figures that were asked for."""
    quick, hits = arguments.quick, {}
    count = 2 if quick else arguments.count
    if arguments.before:
        yield from against(arguments.before, count)
        return
    chosen = {"both": (EMBEDDED, FLOW), "first": (EMBEDDED,), "flow": (FLOW,)}[arguments.only]
    kinds = (*evaluate.KINDS, *evaluate.STRICT_KINDS)
    for name in chosen:
        folder = arguments.folder if name == EMBEDDED else SHIPPED[name]
        pipeline = evaluate.load_pipeline(folder)
        hits[name] = evaluate.hits_of(pipeline, Checker.load(), count, kinds)
        measured = measure_first if name == EMBEDDED else measure_flow
        yield from measured(folder, quick, hits[name])
    if len(chosen) == 2:
        for name, figure in evaluate.differences(*hits.values()).items():
            yield f"more_{name}", figure
    if arguments.evaluations:
        yield from by_evaluations(1 if quick else arguments.evaluations, quick, chosen)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("both", "first", "flow"), default="both")
    parser.add_argument("--count", type=int, default=192, help="captions of each kind")
    parser.add_argument("--evaluations", type=int, default=48, help="captions by evaluations")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--before", type=Path, default=None)
    parser.add_argument("--grid", type=Path, default=None)
    arguments = parser.parse_args()
    logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    if arguments.grid:
        folder = SHIPPED[FLOW] if arguments.only == "flow" else arguments.folder
        captions, sheet = evaluate.showcase(evaluate.load_pipeline(folder))
        sheet.save(arguments.grid, quality=90)
        print("\n".join(captions))
        if not arguments.json:
            return
    report = {}
    print(f"{machine()}, {torch.get_num_threads()} threads")
    print(f"{'':49}{'value':>9}{'95 %':>24}{'n':>6}{'at least':>10}{'goal':>7}")
    for name, figure in figures(arguments):
        show(name, figure)
        report[name] = entry(name, figure)
    if arguments.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
