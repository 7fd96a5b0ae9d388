"""Grids of experiments: values as they are typed, what is refused, and the order of the cells."""

import json

import pytest

from sdlab.experiment.axis import Axis, axis_fields
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.grid import Grid

BASE = Experiment(prompt="a parrot on a beach", seed=9)


@pytest.mark.parametrize(
    ("field", "typed", "values"),
    [
        ("seed", "1-4, 7", (1, 2, 3, 4, 7)),
        ("seeds", " 3 - 1 ", (3, 2, 1)),
        ("seed", "18446744073709551615", (2**64 - 1,)),
        ("steps", "10, 20, 30", (10, 20, 30)),
        ("num_steps", "10-35 (+10)", (10, 20, 30)),
        ("cfg", "1-8 [3]", (1.0, 4.5, 8.0)),
        ("cfg", "0-0.3 (+0.1)", (0.0, 0.1, 0.2, 0.3)),
        ("cfg", "-1, 1e1", (-1.0, 10.0)),
        ("eta", "none, 0.5", (None, 0.5)),
        ("fast", "no, Yes", (False, True)),
        ("sampler", "ddim,heun\neuler", ("ddim", "heun", "euler")),
        ("curve", "none, karras", (None, "karras")),
        ("prompt", 'a cat, "a red, old car"', ("a cat", "a red, old car")),
        ("curve_options.rho", "3-7 (+2), 7.5", (3, 5, 7, 7.5)),
        ("solver_options.algorithm_type", "dpmsolver++, sde", ("dpmsolver++", "sde")),
        ("width", "none, 64-128 (+64)", (None, 64, 128)),
    ],
)
def test_typed_values(field, typed, values):
    axis = Axis(field, typed)
    assert axis.values == values
    assert [type(v) for v in axis.values] == [type(v) for v in values]
    assert axis == Axis(field, values) == Axis.from_dict(axis.to_dict())


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        ("steps", "10, x", "num_steps: 'x' is no whole number; write for example 1-4, 7"),
        ("steps", "1.5", "num_steps: '1.5' is no whole number"),
        ("steps", "1-2 [3]", "num_steps: '1-2 \\[3\\]' is no whole number"),
        ("cfg", "two", "guidance_scale: 'two' is no number; write for example 2, 4.5, 8"),
        ("cfg", "nan", "'nan' is no number"),
        ("cfg", "1e999", "'1e999' is no number"),
        ("seed", "9" * 50, "is no whole number"),
        ("seed", "", "seed: give values, such as 1-4, 7"),
        ("seed", " , ", "seed: give values"),
        ("seed", "1-3, 2", "seed: 2 comes twice; leave one out"),
        ("seed", "0-99999999999", "is 100,000,000,000 values; 1 to 100,000 are possible"),
        ("seed", "0-99999, 100000", "seed: at most 100,000 values"),
        ("seed", "1-4 (+0)", "goes in steps of 0"),
        ("seed", "1-4 [0]", "is 0 values"),
        ("seed", "1" * 20_000, "seed: at most 10,000 characters"),
        ("fast", "maybe", "fast: 'maybe' is neither yes nor no; write for example no, yes"),
        ("seed", [1.5], "seed: 1.5 does not suit it; give for example"),
        ("seed", [True], "seed: True does not suit it"),
        ("num_steps", [None], "num_steps: None does not suit it"),
        ("sovler", "ddim", "Unknown axis 'sovler'. Did you mean 'solver'?"),
        ("image", "a.png", "Unknown axis 'image'"),
        ("model", "a, b", "model cannot be an axis: one is in memory"),
        ("curve_options", "3", "curve_options needs the option's name"),
        (3, "3", "an axis is named by a field, got 3"),
    ],
)
def test_what_an_axis_refuses_names_value_and_fix(field, values, message):
    with pytest.raises(ValueError, match=message):
        Axis(field, values)


def test_every_field_named_can_be_an_axis_and_has_labels():
    for field in axis_fields():
        typed = "yes" if field == "fast" else "1"
        (label,) = Axis(field, typed).labels
        assert label


def test_cells_come_row_by_row_and_keep_the_rest_of_the_base():
    grid = Grid(BASE, {"cfg": "1, 4", "solver": "ddim, heun, euler", "seeds": "1-2"})
    assert grid.sides == (2, 3, 2)
    assert [cell.place for cell in grid.cells[:4]] == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)]
    assert grid.cells[7].labels == ("CFG 4", "ddim", "seed 2")
    made = grid.cells[7].experiment
    assert made == BASE.with_(guidance_scale=4.0, solver="ddim", seed=2)


def test_words_are_replaced_in_both_prompts_after_the_other_axes():
    base = BASE.with_(negative_prompt="no parrot")
    grid = Grid(base, [("words", "parrot, owl"), ("prompt", "a parrot, two parrot")])
    assert [cell.experiment.prompt for cell in grid.cells] == [
        *("a parrot", "a owl", "two parrot", "two owl")
    ]
    assert grid.cells[1].experiment.negative_prompt == "no owl"


def test_options_are_added_to_those_of_the_base():
    base = BASE.with_(curve="karras", curve_options={"rho": 3.0, "sigma_max": 10.0})
    grid = Grid(base, {"curve_options.rho": "5, 7"})
    found = [dict(x.curve_options) for x in grid.experiments]
    assert found == [{"rho": 5, "sigma_max": 10.0}, {"rho": 7, "sigma_max": 10.0}]


def test_json_gives_the_same_grid_and_id():
    grid = Grid(BASE, {"cfg": "1, 4.5", "eta": "none, 0.5"})
    again = Grid.from_dict(json.loads(grid.to_json()))
    assert again == grid and again.id == grid.id and hash(again) == hash(grid)
    assert Grid(BASE, {"cfg": [1, 4.5], "eta": (None, 0.5)}).id == grid.id


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "a grid has 1 to 3 axes, got 0"),
        ([("seed", "1"), ("seeds", "2")], "seed is an axis twice"),
        ({"seed": "1-9", "cfg": "1-9"}, "at most 64 pictures, got 9 x 9 = 81; leave out values of"),
        ({"seed": "1-99"}, "at most 64 pictures, got 99; leave out values of seed"),
        ({"steps": "0-3"}, "num_steps must be from 1 to 10000, got 0"),
        ({"eta": "2"}, "eta must be from 0 to 1, got 2"),
        ({"words": "owl, cat"}, "words: 'owl' is not in the prompt 'a parrot on a beach'"),
        (["seed"], "an axis is a field and its values, got 'seed'"),
        ({"width": "100"}, "width must be a multiple of 8, got 100; try 96 or 104"),
    ],
)
def test_what_a_grid_refuses(axes, message):
    with pytest.raises(ValueError, match=message):
        Grid(BASE, axes)


def test_the_base_must_be_an_experiment():
    with pytest.raises(ValueError, match="base must be an Experiment, got 3"):
        Grid(3, {"seed": "1"})
