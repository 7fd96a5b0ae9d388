"""Sweeps: typed in Hydra's grammar, as a file and in Python, all of them one spec."""

import itertools
import json

import pytest

from sdlab.experiment.experiment import Experiment
from sdlab.experiment.grid import Grid
from sdlab.experiment.overrides import read_override, sweep_of
from sdlab.experiment.sweep import Sweep

BASE = Experiment(prompt="a parrot on a beach", seed=9)


@pytest.mark.parametrize(
    ("typed", "field", "values"),
    [
        ("solver=heun,ddim", "solver", ("heun", "ddim")),
        ("num_steps=range(5,30,5)", "num_steps", (5, 10, 15, 20, 25)),
        ("seed=0-9", "seed", tuple(range(10))),
        ("seeds=1,5-7", "seed", (1, 5, 6, 7)),
        ("steps='10-30 (+10)'", "num_steps", (10, 20, 30)),
        ("cfg=range(0,1,0.25)", "guidance_scale", (0.0, 0.25, 0.5, 0.75)),
        ("eta=null,0.5", "eta", (None, 0.5)),
        ("curve=none,karras", "curve", (None, "karras")),
        ("fast=false,true", "fast", (False, True)),
        ("prompt='a red, old car',a cat", "prompt", ("a red, old car", "a cat")),
        ("solver=sort(heun,ddim)", "solver", ("ddim", "heun")),
        ("curve_options.rho=choice(3,5.5)", "curve_options.rho", (3, 5.5)),
    ],
)
def test_several_values_are_an_axis(typed, field, values):
    assert read_override(typed) == (field, values, True)
    assert sweep_of([typed], BASE) == Sweep(BASE, {field: values})


def test_one_value_is_set_in_the_base():
    typed = ["prompt='a red car, by night'", "record.every=4", "record.tensors=[x_t]"]
    sweep = sweep_of([*typed, "curve=karras", "curve_options.rho=5", "model=other", "cfg=2"])
    assert sweep.axes == () and len(sweep.cells) == 1
    assert sweep.base == Experiment(
        prompt="a red car, by night",
        record={"every": 4, "tensors": ["x_t"]},
        curve="karras",
        curve_options={"rho": 5},
        model="other",
        guidance_scale=2,
    )


def test_the_last_of_two_for_one_field_counts():
    axes = {"seeds": "0-3", "solver": ["ddim", "heun"], "num_steps": "range(2,5)"}
    sweep = sweep_of(["seed=7", "steps=8,9"], BASE, axes)
    assert sweep == Sweep(BASE.with_(seed=7), {"solver": ("ddim", "heun"), "num_steps": (8, 9)})


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("seed", "'seed' cannot be read: missing EQUAL.*hydra.cc"),
        ("+seed=1", "all fields are there; write FIELD=VALUE"),
        ("~seed", "all fields are there"),
        ("seed=shuffle(range(3))", "leave out shuffle"),
        ("cfg=interval(0,1)", "cannot be read"),
        ("solver=glob(dpm*)", "cannot be read"),
        ("seed=1,x", "seed: 'x' is no whole number"),
        ("num_steps=1.5,2", "num_steps: 1.5 does not suit it"),
        ("sovler=ddim,heun", "Did you mean 'solver'"),
        ("sovler=ddim", "Did you mean 'solver'"),
        ("model=a,b", "model cannot be an axis: one is in memory; make a sweep for each"),
        ("num_steps=0-3", "num_steps must be from 1 to 10000, got 0"),
    ],
)
def test_what_an_override_refuses(typed, message):
    with pytest.raises(ValueError, match=message):
        sweep_of([typed], BASE)


def test_every_combination_is_an_experiment_the_first_axis_fastest():
    axes = {"solver": "ddim, heun", "cfg": "1, 4", "eta": "none, 0", "seeds": "1-3"}
    sweep = Sweep(BASE, axes)
    values = [axis.values for axis in sweep.axes]
    wanted = [tuple(reversed(each)) for each in itertools.product(*reversed(values))]
    assert [cell.values for cell in sweep.cells] == wanted and len(sweep.experiments) == 24
    assert sweep.cells[1].experiment == BASE.with_(solver="heun", guidance_scale=1, seed=1)


def test_json_gives_the_same_sweep_and_a_grid_has_the_sweeps_id():
    sweep = Sweep(BASE, {"cfg": "1, 4.5", "eta": "none, 0.5"})
    again = Sweep.from_dict(json.loads(sweep.to_json()))
    assert again == sweep and hash(again) == hash(sweep)
    assert Grid(sweep.base, sweep.axes).id == sweep.id


def test_a_sweep_of_too_many_is_refused_before_it_is_spread():
    with pytest.raises(ValueError, match="at most 100,000 pictures, got 1,?000 x 101 = 101,000"):
        Sweep(BASE, {"seed": "1-1000", "num_steps": "1-101"})
