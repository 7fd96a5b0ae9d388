"""A sweep as a file: TOML and prompts, and the overrides that count before them."""

from textwrap import dedent

import numpy as np
import pytest

from sdlab.experiment.experiment import Experiment
from sdlab.experiment.sweep import Sweep
from sdlab.sweeping import sweep_file
from sdlab.sweeping.sweep_file import sweep_from, sweep_of_toml, toml_of

EXAMPLE = dedent(sweep_file.__doc__.partition("Example::")[2])


def test_a_file_prompts_and_overrides_are_one_sweep(tmp_path):
    (tmp_path / "prompts.txt").write_text("a red car\n\na cat, by night\n")
    (tmp_path / "other.txt").write_text("a boat\n")
    file = tmp_path / "sweep.toml"
    file.write_text(EXAMPLE)
    base = Experiment(num_steps=20, record={"every": 5})
    rest = {"solver": ("heun", "ddim"), "guidance_scale": tuple(np.arange(1, 8, 0.5).tolist())}
    axes = {axis.field: axis.values for axis in sweep_from(file=file).axes}
    assert axes == {**rest, "seed": tuple(range(10)), "prompt": ("a red car", "a cat, by night")}
    changed = sweep_from(["seed=7", "num_steps=3"], file, tmp_path / "other.txt")
    wanted = Sweep(base.with_(seed=7, num_steps=3), {**rest, "prompt": ["a boat"]})
    assert {x.id for x in changed.experiments} == {x.id for x in wanted.experiments}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = ", "is no TOML"),
        ("seds = 3", "Unknown entry of a sweep 'seds'. Did you mean 'seeds'"),
        ("axes = 3", r"axes must be a table, \[axes\], got 3"),
        ("[axes]\nsolver = 3", "solver: 3 does not suit it"),
        ("[axes]\nseed = [true]", "seed: True does not suit it"),
        ("[base]\nnum_steps = 'many'", "num_steps must be a whole number, got 'many'"),
        ("prompts = 'none.txt'", "none.txt cannot be read: No such file"),
        ("prompts = 3", "prompt: 3 does not suit it"),
        ("prompts = []", "prompt: give values"),
    ],
)
def test_what_a_file_refuses(tmp_path, text, message):
    file = tmp_path / "sweep.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        sweep_from(file=file)


@pytest.mark.parametrize(
    ("base", "axes"),
    [
        ({"prompt": 'a "red" car,\n\\ ☂', "num_steps": 3}, {"cfg": "1, 4.5", "seed": range(3)}),
        ({"record": {"every": 5, "tensors": []}}, {"curve": [None, "karras"], "eta": "none, 0.5"}),
        ({"prompt": "a car", "curve": "karras"}, {"curve_options.rho": "3, 7", "fast": "no, yes"}),
        ({"prompt": "a car"}, {"words": "car, boat", "solver": ["heun"]}),
        ({"solver_options": {"order": 2}}, {"prompt": ["it's, 'quoted'", "b"]}),
    ],
)
def test_a_sweep_written_as_toml_is_the_same_one(base, axes):
    sweep = Sweep(Experiment(**base), axes)
    assert sweep_of_toml(toml_of(sweep)) == sweep


def test_a_text_names_no_file_and_counts_before_the_base():
    with pytest.raises(ValueError, match="no file is read"):
        sweep_of_toml("prompts = 'words.txt'")
    sweep = sweep_of_toml("[base]\nseed = 3", {"seed": 4, "num_steps": 9})
    assert (sweep.base.seed, sweep.base.num_steps) == (3, 9)


def test_prompts_must_be_text_and_some(tmp_path):
    for data, message in {b"\n \n": "holds no prompt", b"\xff": "it is not UTF-8"}.items():
        (tmp_path / "p.txt").write_bytes(data)
        with pytest.raises(ValueError, match=message):
            sweep_from(prompts=tmp_path / "p.txt")
