"""Measures the embedded model against the truth of its world.

    python benchmarks/embedded.py            48 held-out captions of each kind, about 4 minutes
    python benchmarks/embedded.py --quick    6 of each kind
    python benchmarks/embedded.py --json     the last line is one JSON object
    python benchmarks/embedded.py --grid F   writes the grid of 48 held-out captions to F

Captions are fixed and held out of training; caption n is drawn with seed n, 25 DDIM steps,
guidance scale 4. Intervals are 95 % (Wilson for shares, normal for means).
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers.utils import logging

from sdlab.embedded import evaluate
from sdlab.embedded.checker import Checker
from sdlab.embedded.nets import SHIPPED

# name: (row, at least, goal, whether less is better)
ROWS = {
    "vae_psnr_db": ("VAE PSNR on held-out scenes, dB", 27, 31, False),
    "single": ("single object present", 0.85, 0.97, False),
    "colour": ("colour right", 0.75, 0.95, False),
    "background": ("background right", 0.90, 0.99, False),
    "pair": ("both of two objects", 0.50, 0.85, False),
    "relation": ("relation right (held-out pairs)", 0.45, 0.80, False),
    "pointing": ("attention at 16x16: pointing", 0.75, 0.90, False),
    "iou": ("attention at 16x16: IoU", 0.45, 0.60, False),
    "seconds": ("25 steps with guidance, CPU, warm, s", 1.5, 1.0, True),
    "megabytes": ("size on disk, MB", 45, 35, True),
}


def measure(folder: Path, quick: bool) -> dict[str, evaluate.Figure]:
    """Returns all figures of a model folder."""
    pipeline = evaluate.load_pipeline(folder)
    checker = Checker.load()
    size = evaluate.megabytes(folder)
    return {
        "vae_psnr_db": evaluate.reconstruction(pipeline, 16 if quick else 128),
        **evaluate.fidelity(pipeline, checker, 6 if quick else 48),
        **evaluate.attention(pipeline, 24 if quick else 128),
        "seconds": evaluate.seconds_per_picture(pipeline, 3 if quick else 9),
        "megabytes": evaluate.Figure(size, size, size, 1),
    }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    parser.add_argument("--grid", type=Path, default=None)
    arguments = parser.parse_args()
    logging.disable_progress_bar()
    torch.set_num_threads(2)
    if arguments.grid:
        captions, sheet = evaluate.showcase(evaluate.load_pipeline(arguments.folder))
        sheet.save(arguments.grid, quality=90)
        print("\n".join(captions))
        return
    report = {}
    print(f"{'':40}{'value':>9}{'95 %':>19}{'n':>5}{'at least':>10}{'goal':>7}")
    for name, figure in measure(arguments.folder, arguments.quick).items():
        row, least, goal, less = ROWS[name]
        sign = -1 if less else 1
        interval = f"{figure.low:.3f} .. {figure.high:.3f}"
        print(f"{row:40}{figure.value:9.3f}{interval:>19}{figure.samples:5}{least:10}{goal:7}")
        report[name] = {
            "value": round(figure.value, 4),
            "goal": goal,
            "holds": sign * figure.value >= sign * goal,
            "least": least,
            "holds_least": sign * figure.value >= sign * least,
            "interval": [round(figure.low, 4), round(figure.high, 4)],
            "n": figure.samples,
        }
    if arguments.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
