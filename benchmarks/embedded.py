"""Measures the embedded model against the truth of its world.

    python benchmarks/embedded.py            48 held-out captions of each kind, about 6 minutes
    python benchmarks/embedded.py --quick    6 of each kind
    python benchmarks/embedded.py --json     the last line is one JSON object
    python benchmarks/embedded.py --grid F   draws the grid of 48 captions into F; more with --json

Captions are fixed; each holds some combination that training never shows, and in the rows that
name one ("held-out pairs") it is that one. Caption n is drawn with seed n, 25 DDIM steps, guidance
scale 4. Attention is measured at timestep 400 only. Intervals are 95 % (Wilson for shares, normal
for means; nouns of one scene count as one).
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers.utils import logging
from report import machine

from sdlab.embedded.checker import Checker
from sdlab.shipped import FOLDER
from sdlab.training import evaluate

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


def measure(folder: Path, quick: bool) -> Iterator[tuple[str, evaluate.Figure]]:
    """Yields all figures of a model folder."""
    pipeline = evaluate.load_pipeline(folder)
    checker = Checker.load()
    size = evaluate.bytes_on_disk(folder)
    yield "vae_psnr_db", evaluate.reconstruction(pipeline, 16 if quick else 128)
    yield from evaluate.fidelity(pipeline, checker, 6 if quick else 48).items()
    yield from evaluate.attention(pipeline, 24 if quick else 128).items()
    yield "reading", evaluate.reading(checker, 64 if quick else 1024)
    yield "scenes", evaluate.scenes_per_second(3 if quick else 9)
    yield "seconds", evaluate.seconds_per_picture(pipeline, 3 if quick else 9)
    yield "mebibytes", _exactly(size / 2**20)
    yield "megabytes", _exactly(size / 1e6)


def _exactly(value: float) -> evaluate.Figure:
    return evaluate.Figure(value, value, value, 1)


def entry(name: str, figure: evaluate.Figure) -> dict:
    """Returns a row of the JSON object; "holds" is None where nothing was asked."""
    _, least, goal, less = ROWS[name]
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


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--grid", type=Path, default=None)
    arguments = parser.parse_args()
    logging.disable_progress_bar()
    torch.set_num_threads(2)
    if arguments.grid:
        captions, sheet = evaluate.showcase(evaluate.load_pipeline(arguments.folder))
        sheet.save(arguments.grid, quality=90)
        print("\n".join(captions))
        if not arguments.json:
            return
    report = {}
    print(f"{machine()}, {torch.get_num_threads()} threads")
    print(f"{'':49}{'value':>9}{'95 %':>24}{'n':>6}{'at least':>10}{'goal':>7}")
    for name, figure in measure(arguments.folder, arguments.quick):
        row, least, goal, _ = ROWS[name]
        interval = f"{figure.low:.3f} .. {figure.high:.3f}"
        asked = f"{'' if least is None else least:>10}{'' if goal is None else goal:>7}"
        print(f"{row:49}{figure.value:9.3f}{interval:>24}{figure.samples:6}{asked}", flush=True)
        report[name] = entry(name, figure)
    if arguments.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
