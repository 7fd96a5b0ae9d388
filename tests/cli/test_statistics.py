"""``sdlab statistics``: a solver made of a model's statistics on the command line."""

from typer.testing import CliRunner

from sdlab.cli import app
from sdlab.solvers.model_statistics import ModelStatistics


def call(*args):
    return CliRunner().invoke(app, ["statistics", "a red car", *args])


def test_it_writes_the_solver_and_its_numbers(tmp_path):
    done = call(
        *("--guidance-scale", "1", "--width", "64", "--height", "64", "--seeds", "0"),
        *("--levels", "5", "--name", "mine", "--out", str(tmp_path / "new")),
    )
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "new" / "mine.py") in done.stdout
    assert 'solver("mine", order=2)' in (tmp_path / "new" / "mine.py").read_text()
    held = ModelStatistics.read(tmp_path / "new" / "mine.json")
    assert held.of["prompt"] == "a red car" and held.of["seeds"] == [0]


def test_a_name_that_is_taken_is_refused_before_anything_is_measured(tmp_path):
    done = call("--name", "heun", "--out", str(tmp_path / "new"))
    assert done.exit_code == 2 and "laboratory's own" in done.output
    assert not (tmp_path / "new").exists()
