"""Trains small networks with each activation and each time embedding: final loss, sample quality.

    python benchmarks/activations.py            trains what docs/activations.csv lacks, then tells
    python benchmarks/activations.py --quick    three activations, short trainings, nothing stored
    python benchmarks/activations.py --table    writes the tables of docs/activations.md anew
    python benchmarks/activations.py --json     the last line is one JSON object

The 2-D networks are the playground's, with its usual settings: 1,500 steps of 256 points, epsilon.
Each training is one row of the table, written as soon as it is done, so a run that was stopped goes
on where it was. A seed decides weights, data and noise of a training; all networks of a data set
are judged on the same held-out points, timesteps and noise. Intervals are Student's, 95 %, over the
seeds: of what another seed would give.

loss        mean squared error of the predicted noise on 32,768 held-out points, averaged weights
distance    sliced Wasserstein distance of 8,000 drawn points to the truth, in standard deviations
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from report import Report
from trainings import Trainings, asked_rows, options, stored, write_between

from sdlab.playground.data import sample
from sdlab.playground.distance import to_truth
from sdlab.playground.network import ACTIVATIONS, EMBEDDINGS
from sdlab.playground.process import loss
from sdlab.playground.train import MEASURED, Settings, Trained, train

ROOT = Path(__file__).parents[1]
STORED = ROOT / "docs" / "activations.csv"
TOLD = ROOT / "docs" / "activations.md"
FIELDS = ("network", "data", "activation", "embedding", "seed", "steps", "loss", "distance")
SHAPES = ("two moons", "checkerboard")
HELD_OUT, PARTS = 4096, 8
QUICK = ("SiLU", "ReLU", "sigmoid")
TABLE = Trainings(FIELDS, known_by=FIELDS[:5], alike=FIELDS[:4])
MEASURES = {"loss": "held-out loss", "distance": "distance to the truth"}


def held_out_loss(trained: Trained, parts: int = PARTS) -> float:
    """Return the training loss on points, timesteps and noise that no training has drawn."""
    generator = torch.Generator().manual_seed(2**31)
    total = 0.0
    with torch.no_grad():
        for _ in range(parts):
            points = sample(trained.settings.data, HELD_OUT, generator)
            total += float(loss(trained.network, trained.settings.prediction, points, generator))
    return total / parts


def points_row(settings: Settings, parts: int = PARTS, drawn: int = MEASURED) -> dict[str, object]:
    """Train a network of points and return its row, judged on so many points."""
    work = train(settings, every=settings.steps, pictures=0)
    try:
        while True:
            next(work)
    except StopIteration as stop:
        trained: Trained = stop.value
    return {
        "network": "points", "data": settings.data, "activation": settings.activation,
        "embedding": settings.embedding, "seed": settings.seed, "steps": settings.steps,
        "loss": f"{held_out_loss(trained, parts):.6f}",
        "distance": f"{trained.distance(drawn).value:.6f}",
    }  # fmt: skip


def floor(data: str) -> float:
    """Return the distance between two clouds of the truth, of as many points."""
    generator = torch.Generator().manual_seed(1)
    clouds = [sample(data, MEASURED, generator).numpy() for _ in range(3)]
    return to_truth(*clouds).value


def wanted(seeds: int) -> Iterator[Settings]:
    """Yield every training, a whole seed of all networks before the next."""
    for seed in range(seeds):
        for data in SHAPES:
            for activation in ACTIVATIONS:
                for embedding in EMBEDDINGS:
                    yield Settings(data, activation=activation, embedding=embedding, seed=seed)


def train_missing(seeds: int, path: Path) -> None:
    """Train and store what the table lacks."""
    asked = (
        ({"network": "points", **vars(settings)}, partial(points_row, settings))
        for settings in wanted(seeds)
    )
    TABLE.train_missing(asked, path)


def tables(rows: list[dict[str, str]]) -> str:
    """Return the Markdown tables of all measures: activations down, embeddings across."""
    parts = []
    subjects = list(dict.fromkeys((row["network"], row["data"]) for row in rows))
    for network, data in subjects:
        for measure, title in MEASURES.items():
            found = TABLE.figures(rows, measure)
            mine = {group[2:]: f for group, f in found.items() if group[:2] == (network, data)}
            if not mine:
                continue
            across = [name for name in EMBEDDINGS if any(e == name for _, e in mine)]
            seeds = min(figure.seeds for figure in mine.values())
            steps = next(r["steps"] for r in rows if (r["network"], r["data"]) == (network, data))
            head = f"**{data}, {title}** ({network}; {int(steps):,} steps, {seeds} seeds)"
            if network == "points" and measure == "distance":
                head += f", floor {floor(data):.3f}"
            lines = [head, "", "| | " + " | ".join(across) + " |", "|---" * (len(across) + 1) + "|"]
            for activation in ACTIVATIONS:
                cells = [mine.get((activation, embedding)) for embedding in across]
                told = ["" if c is None else f"{c.mean:.4f} ± {c.high - c.mean:.4f}" for c in cells]
                lines.append(f"| {activation} | " + " | ".join(told) + " |")
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def quick_rows() -> list[dict[str, str]]:
    """Return short trainings of three activations and one of each embedding, two seeds each."""
    kinds = [(name, "sinusoids") for name in QUICK] + [("SiLU", name) for name in EMBEDDINGS[1:]]
    rows = []
    for activation, embedding in kinds:
        for seed in (0, 1):
            settings = Settings(activation=activation, embedding=embedding, seed=seed, steps=400)
            rows.append({name: str(value) for name, value in points_row(settings).items()})
    return rows


def main() -> None:
    """Print the table."""
    report = Report(__doc__.split("\n")[0], options(8, STORED))
    torch.set_num_threads(1)  # the tensors are small
    if report.arguments.table:
        write_between(TOLD, "tables", tables(stored(STORED)))
        return
    report.head()
    TABLE.tell(report, asked_rows(report, quick_rows, train_missing), MEASURES)
    report.add("distance between two clouds of the truth, two moons", floor("two moons"))
    report.close()


if __name__ == "__main__":
    main()
