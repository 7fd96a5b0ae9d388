"""Orders, evaluations and errors of samplers that are written here from their definitions."""

import json
import math
from pathlib import Path

import pytest
import torch

from sdlab.auditing.accuracy import accuracy
from sdlab.auditing.named import subject_of
from sdlab.bench.ready_solver import SharedNoise
from tests.auditing import samplers

HERE = Path(__file__).parent
ORDERS = {
    "sample_euler": (1.0, 1),
    "sample_heun": (2.0, 2),
    "sample_heunpp2": (1.0, 3),
    "sample_ipndm": (2.0, 1),
    "sample_dpmpp_2m": (2.0, 1),
}


@pytest.mark.parametrize(
    ("name", "path"), [*((name, "vp") for name in ORDERS), ("sample_heun", "flow")]
)
def test_the_order_is_that_of_theory_with_its_interval_around_it(name, path):
    order, each = ORDERS[name]
    found = accuracy(subject_of(getattr(samplers, name)), path)
    assert found.per_step == each
    assert found.order.order == pytest.approx(order, abs=0.15)
    assert found.order.low < found.order.order < found.order.high
    assert found.spent[48] <= 48 and found.error[48] < found.error[12]


ENGINE = json.loads((HERE.parent / "data" / "comfyui_ends.json").read_text())["rows"]
ROWS = [row for row in ENGINE if f"sample_{row['sampler']}" in ORDERS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['sampler']}-{row['sigmas'][-1]:.2g}")
def test_these_samplers_end_where_the_engines_do(row):
    subject = subject_of(getattr(samplers, f"sample_{row['sampler']}"))
    mean = torch.tensor([0.3, -0.2, 0.7], dtype=torch.float64).view(1, 3, 1, 1)
    std = torch.tensor([0.5, 1.5, 0.2], dtype=torch.float64).view(1, 3, 1, 1)

    def denoise(x, sigma):
        return mean + std**2 / (std**2 + sigma**2) * (x - mean)

    start = torch.tensor(row["start"], dtype=torch.float64).view(1, 3, 1, 1)
    entrant = subject.over(tuple(row["sigmas"]), "vp", False)
    found, made = entrant.run(start, denoise, SharedNoise(torch.Generator()), None)
    assert made == row["nfe"]
    theirs = torch.tensor(row["end"], dtype=torch.float64)
    torch.testing.assert_close(found.flatten(), theirs, rtol=0, atol=1e-8)


def test_a_floor_is_where_the_error_stops():
    assert accuracy(subject_of("heun"), "vp").floor == pytest.approx(1.6e-3, rel=0.2)
    assert math.isnan(accuracy(subject_of("lms"), "vp").floor)
