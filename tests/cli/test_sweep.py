"""`sdlab sweep`: told beforehand, made, made again, and what it refuses."""

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from sdlab.cli import app

SMALL = ["width=64", "height=64", "num_steps=2", "--device", "cpu"]


def call(*args):
    return CliRunner().invoke(app, ["sweep", *map(str, args)])


def test_it_is_told_beforehand_made_once_and_summed_up(tmp_path):
    (tmp_path / "words.txt").write_text("a red car\na cat\n")
    asked = ["solver=ddim,heun", "seed=0-1", *SMALL, "--prompts", tmp_path / "words.txt"]
    asked += ["--root", tmp_path / "runs"]
    told = call(*asked, "--dry-run")
    assert told.exit_code == 0 and "8: 8 to make, 0 stored" in told.output, told.output
    assert "evaluations  20\n" in told.output and not (tmp_path / "runs").exists()

    files = ["--table", tmp_path / "t.csv", "--sheet", tmp_path / "s.png"]
    done = call(*asked, *files, "--best", "minimize: nfe")
    assert done.exit_code == 0 and ": 8 done" in done.output and "ddim" in done.output, done.output
    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 8 and set(table["prompt"]) == {"a red car", "a cat"}
    assert Image.open(tmp_path / "s.png").width > 512
    assert "8: 0 to make, 8 stored" in call(*asked, "--dry-run").output


@pytest.mark.every  # what it makes is tested in tests/sweeping/test_search.py
def test_a_search_makes_a_part_and_names_the_best(tmp_path):
    asked = ["prompt=a red car", "seed=0-1", "solver=ddim,heun,euler", *SMALL]
    done = call(*asked, "--root", tmp_path, "--search", "minimize: nfe", "--trials", 2)
    assert "sdlab: 2 of 2 trials" in done.output
    assert done.exit_code == 0 and ": 4 done, 2 missing" in done.output, done.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Name fields, such as: sdlab sweep"),
        (["sovler=ddim"], "Did you mean 'solver'"),
        (["seed=0-9", "num_steps=0-9"], "num_steps must be from 1 to 10000, got 0"),
        (["seed=1", "--best", "seconds"], "A goal is 'minimize: MEASURE'"),
        (["seed=1", "--search", "minimize: fidelty"], "Did you mean 'fidelity'?"),
        (["seed=1", "--measure", "fidelty"], "Did you mean 'fidelity'?"),
        (["solver=hoin,doim", "--device", "cpu"], "Unknown solver 'hoin'"),
        (["seed=1", "--on", "rey"], "Unknown place of a sweep (--on) 'rey'. Did you mean 'ray'?"),
        (["seed=1", "--slurm", "partition=a"], "--slurm is for --on slurm, not for --on local."),
        (["seed=1", "--on", "slurm", "--cores", "2"], "--cores is for --on ray, not for --on slu"),
        (["seed=1", "--on", "ray", "--workers", "0"], "workers must be at least 1, got 0"),
    ],
)
def test_what_it_refuses_in_one_line(args, message, tmp_path):
    done = call(*args, "--root", tmp_path)
    assert done.exit_code == 2 and message in done.output, done.output
    assert len(done.output.strip().splitlines()) == 1
