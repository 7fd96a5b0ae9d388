"""The playground's points: moments, shapes, errors."""

import math

import pytest
import torch

from sdlab.playground.data import DATA, sample


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", DATA)
def test_noise_of_variance_one_covers_them(name):
    points = sample(name, 20_000, seeded())
    assert points.shape == (20_000, 2) and points.dtype == torch.float32
    assert points.mean(0).abs().max() < 0.03
    assert float(points.square().sum(1).mean()) == pytest.approx(2, rel=0.03)
    assert torch.equal(points, sample(name, 20_000, seeded()))
    assert sample(name, 1, seeded(1)).shape == (1, 2)


def test_each_has_its_shape():
    ring = sample("ring", 5000, seeded()).norm(dim=1)
    assert float(ring.mean()) == pytest.approx(math.sqrt(2), abs=0.01) and ring.std() < 0.07
    board = torch.floor(sample("checkerboard", 5000, seeded()) * 2 / math.sqrt(3) + 2)
    assert ((board.sum(1) % 2) == 0).all() and len(board.unique(dim=0)) == 8
    angles = torch.atan2(*sample("mixture", 5000, seeded()).T) / (math.pi / 4)
    assert (angles - angles.round()).abs().mean() < 0.1
    assert len((angles.round() % 8).unique()) == 8
    moons = sample("two moons", 5000, seeded()) / 1.4138 + torch.tensor([0.5, 0.25])
    upper = (moons.norm(dim=1) - 1).abs()
    lower = ((moons - torch.tensor([1.0, 0.5])).norm(dim=1) - 1).abs()
    assert torch.minimum(upper, lower).max() < 0.3
    assert float((upper < lower).float().mean()) == pytest.approx(0.5, abs=0.05)
    spiral = sample("spiral", 5000, seeded())
    turn = torch.atan2(spiral[:, 1], spiral[:, 0]) - 6.664 / math.sqrt(2) * spiral.norm(dim=1)
    turn = torch.remainder(turn + math.pi / 2, math.pi) - math.pi / 2  # two arms, half a turn apart
    assert turn.abs().median() < 0.2


@pytest.mark.parametrize("name", DATA)
def test_the_number_of_a_row_says_nothing_of_its_point(name):
    """Nor its parity: times come ascending, and what goes with them can be read from them."""
    points = sample(name, 20_000, seeded())
    moments = torch.cat((points, points.square(), points.prod(1, keepdim=True)), 1)
    even, odd = moments[::2].mean(0), moments[1::2].mean(0)
    early, late = moments.chunk(2)
    assert (even - odd).abs().max() < 0.06
    assert (early.mean(0) - late.mean(0)).abs().max() < 0.06


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="'moons'.*two moons"):
        sample("moons", 1, seeded())
    with pytest.raises(ValueError, match="count must be 1 or more, got 0"):
        sample("ring", 0, seeded())
