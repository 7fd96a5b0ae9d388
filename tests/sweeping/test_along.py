"""What changes along the axes of a grid: pictures of known differences, and the world's checker."""

import numpy as np
import pytest
from PIL import Image

from sdlab.embedded.samples import sample_picture
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.grid import Grid
from sdlab.sweeping.along import MOST_IN_PAIRS, along, fulfilled

BASE = Experiment(prompt="a red car", num_steps=2)


def flat(grey, size=4):
    return Image.fromarray(np.full((size, size, 3), grey, np.uint8))


def drawn(grid, greys):
    return {x.id: flat(grey) for x, grey in zip(grid.experiments, greys, strict=True)}


def test_numbers_are_held_against_their_neighbours_in_order():
    grid = Grid(BASE, {"cfg": "8, 1, 4", "seed": "1-2"})
    found = along(grid, drawn(grid, [100, 10, 20, 110, 30, 60]))
    cfg = found[found["axis"] == "guidance_scale"]
    assert list(zip(cfg["one"], cfg["other"], strict=True)) == [
        ("CFG 1", "CFG 4"),
        ("CFG 4", "CFG 8"),
    ]
    assert cfg["rms"].tolist() == pytest.approx([(10 + 30) / 2, (80 + 50) / 2])
    assert cfg["pairs"].tolist() == [2, 2]
    seeds = found[found["axis"] == "seed"]
    assert seeds["rms"].tolist() == pytest.approx([(10 + 20 + 40) / 3])


def test_what_has_no_order_is_held_against_every_other():
    grid = Grid(BASE, {"solver": ("ddim", "euler", "heun")})
    found = along(grid, drawn(grid, [0, 30, 10]))
    named = dict(zip(zip(found["one"], found["other"], strict=True), found["rms"], strict=True))
    assert named == pytest.approx(
        {("ddim", "euler"): 30, ("ddim", "heun"): 10, ("euler", "heun"): 20}
    )
    many = Grid(BASE, {"seed": f"1-{MOST_IN_PAIRS + 1}"})
    assert len(along(many, drawn(many, range(MOST_IN_PAIRS + 1)))) == MOST_IN_PAIRS


def test_missing_pictures_and_those_of_another_size_are_left_out():
    grid = Grid(BASE, {"steps": "2, 3, 4"})
    pictures = drawn(grid, [0, 10, 20])
    one, two, three = (x.id for x in grid.experiments)
    assert along(grid, {one: pictures[one], three: pictures[three]}).empty
    assert along(grid, {**pictures, two: flat(10, 8)}).empty
    assert fulfilled(grid, {}).empty


def test_the_checker_says_what_holds_with_each_value():
    grid = Grid(BASE, {"steps": "2, 3"})
    shown = [sample_picture("a red car on a meadow"), sample_picture("a penguin in the snow")]
    pictures = dict(zip((x.id for x in grid.experiments), shown, strict=True))
    found = fulfilled(grid, pictures).set_index("value")["fidelity"]
    assert found.to_dict() == {"steps 2": 1.0, "steps 3": 0.0}
    other = Grid(BASE.with_(model="another"), {"steps": "2, 3"})
    assert fulfilled(other, dict(zip((x.id for x in other.experiments), shown, strict=True))).empty
