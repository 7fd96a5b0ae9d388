"""The ablation of activations: its intervals, what it stores, and the tables of the manual."""

import csv
import math
import sys
from functools import partial

import pytest

from sdlab.playground.network import ACTIVATIONS, EMBEDDINGS
from sdlab.playground.train import Settings
from tests.imports import ROOT


@pytest.fixture(scope="module")
def ablation():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import activations

        yield activations


@pytest.fixture(scope="module")
def trainings(ablation):
    return sys.modules["trainings"]


def test_the_interval_is_students(trainings):
    found = trainings.interval([1.0, 2.0, 3.0])
    assert (found.mean, found.seeds) == (2.0, 3)
    half = 4.302653 / 3**0.5  # two degrees of freedom, a standard deviation of 1
    assert found.high - 2 == pytest.approx(half) == 2 - found.low
    assert trainings.interval([5.0]).high == math.inf


def test_a_training_is_a_row_and_is_not_made_twice(ablation, tmp_path, monkeypatch):
    path, made = tmp_path / "rows.csv", []
    short = [Settings("ring", seed=seed, steps=2, batch=8) for seed in (0, 1)]
    monkeypatch.setattr(ablation, "wanted", lambda seeds: short[:seeds])
    once = partial(ablation.points_row, parts=1, drawn=64)
    monkeypatch.setattr(ablation, "points_row", lambda s: made.append(s.seed) or once(s))
    ablation.train_missing(1, path)
    ablation.train_missing(2, path)
    assert made == [0, 1]
    first, second = ablation.stored(path)
    assert first["seed"] == "0" and second["seed"] == "1" and first["steps"] == "2"
    assert float(first["loss"]) > 0.5 and float(first["distance"]) > 0.1
    assert {k: str(v) for k, v in once(short[0]).items()} == first  # a seed is a seed


def test_the_stored_rows_are_whole(ablation):
    rows = ablation.stored(ablation.STORED)
    assert len({ablation.TABLE.key(row) for row in rows}) == len(rows)
    seeds = {row["seed"] for row in rows}
    assert len(seeds) >= 5
    asked = len(ablation.SHAPES) * len(ACTIVATIONS) * len(EMBEDDINGS)
    assert len(rows) == asked * len(seeds)


def test_the_manual_shows_the_figures_of_the_rows(ablation):
    """Computed anew here from the file, cell by cell."""
    text = (ROOT / "docs" / "activations.md").read_text("utf-8")
    with (ROOT / "docs" / "activations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for data in ablation.SHAPES:
        for measure, title in ablation.MEASURES.items():
            table = text.split(f"**{data}, {title}**")[1].split("**")[0]
            for activation in ACTIVATIONS:
                (line,) = (x for x in table.splitlines() if x.startswith(f"| {activation} |"))
                for embedding, cell in zip(EMBEDDINGS, line.split("|")[2:-1], strict=True):
                    values = [
                        float(row[measure])
                        for row in rows
                        if (row["data"], row["activation"], row["embedding"])
                        == (data, activation, embedding)
                    ]
                    assert cell.startswith(f" {sum(values) / len(values):.4f} ± ")


@pytest.fixture(scope="module")
def unet_ablation(ablation):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import unet_activations

        yield unet_activations


def test_every_network_of_the_unet_has_the_same_seeds(unet_ablation):
    rows = unet_ablation.stored(unet_ablation.STORED)
    seeds = {row["seed"] for row in rows}
    assert len(seeds) >= 3
    found = sorted((*unet_ablation.network_of(row), row["seed"]) for row in rows)
    assert found == sorted((*n, seed) for n in unet_ablation.NETWORKS for seed in seeds)


def test_the_manual_shows_the_figures_of_the_unets(unet_ablation):
    """Computed anew here from the file, cell by cell."""
    text = (ROOT / "docs" / "activations.md").read_text("utf-8")
    with (ROOT / "docs" / "unet_activations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    def values(network: tuple[str, ...], measure: str) -> list[float]:
        mine = (r for r in rows if (r["activation"], r["embedding"]) == network)
        return [float(r[measure]) for r in sorted(mine, key=lambda r: int(r["seed"]))]

    silu = values(("SiLU", "sinusoids"), "loss")
    for network in unet_ablation.NETWORKS:
        (line,) = (x for x in text.splitlines() if x.startswith(f"| {', '.join(network)} |"))
        loss, more, score = line.split("|")[2:-1]
        found = values(network, "loss")
        assert loss.startswith(f" {sum(found) / len(found):.4f} ± ")
        apart = [a - b for a, b in zip(found, silu, strict=True)]
        assert more.startswith(f" {sum(apart) / len(apart):+.4f} ± ")
        found = values(network, "score")
        assert score.startswith(f" {sum(found) / len(found):.2f} ± ")
