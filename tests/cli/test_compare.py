"""`sdlab compare`: what it prints, what it writes, and which arguments it refuses."""

import io
import zipfile

import pandas as pd
import pytest
from typer.testing import CliRunner

from sdlab.cli import app
from sdlab.cli.compare import numbers
from sdlab.comparing.columns import COST, TABLES

SMALL = ["--width", "64", "--height", "64", "--reference-steps", "4", "--device", "cpu"]


def call(*args):
    return CliRunner().invoke(app, list(args))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("compare")
    done = call(
        *("compare", "euler", "heun", "DDIMScheduler", "--prompt", "a cat", "--seeds", "3"),
        *("--budget", "3", "--more", "2", "--align", "nfe", *SMALL, "--root", str(place / "runs")),
        *("--out", str(place / "tables"), "--zip", str(place / "all.zip"), "--with-runs"),
    )
    assert done.exit_code == 0, done.output
    return done, place


def test_it_prints_the_costs_and_the_verdict(made):
    done, place = made
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["entrant", "num_steps", "nfe", "seconds"]
    assert [line.split()[0] for line in lines[1:7]] == ["euler"] * 2 + ["heun"] * 2 + [
        "DDIMScheduler"
    ] * 2
    assert "With 3 evaluations each," in done.stdout
    assert "with one picture luck cannot be told from skill" in done.stdout


def test_where_there_is_no_terminal_it_says_how_far_it_is_line_by_line(made):
    lines = made[0].stderr.splitlines()
    total = 3 + 3 + 3 + 2 + 1 + 2 + 7 + 3
    assert 2 < len(lines) <= 21 and lines[-1] == f"sdlab: {total} of {total} evaluations"
    counts = [int(line.split()[1]) for line in lines]
    assert counts == sorted(set(counts)) and "evaluations" not in made[0].stdout.splitlines()[0]


def test_it_writes_tables_zip_and_runs(made):
    done, place = made
    assert {path.stem for path in (place / "tables").glob("*.csv")} == set(TABLES)
    assert set(pd.read_csv(place / "tables" / "cost.csv").columns) == set(COST)
    names = zipfile.ZipFile(place / "all.zip").namelist()
    assert "verdict.txt" in names
    (result,) = (place / "runs" / ".comparisons").iterdir()
    assert str(result) in done.stdout
    stored = {path.parent.name for path in (place / "runs").glob("[0-9a-f]*/manifest.json")}
    assert len(stored) == 8
    kept = {name.split("/")[1] for name in names if name.startswith("runs/")}
    assert len(kept) == 7 and kept < stored  # all but the reference at half its steps


def test_as_csv_it_prints_the_cost_table_alone(made):
    _, place = made
    root = ("--root", str(place / "runs"))
    done = call("compare", "euler", "--prompt", "a cat", "--budget", "2", *SMALL, *root, "--csv")
    assert pd.read_csv(io.StringIO(done.stdout))["nfe"].tolist() == [2]


def test_ranges_and_lists_are_numbers():
    assert numbers("seeds", "0-3") == (0, 1, 2, 3)
    assert numbers("seeds", "1, 5,7-8") == (1, 5, 7, 8)
    with pytest.raises(ValueError, match="--seeds must be whole numbers such as 0-3 or 1,5,7"):
        numbers("seeds", "1-x")


@pytest.mark.parametrize(
    "args, message",
    [
        (["euler"], "--prompt must be given"),
        (["--prompt", "a"], "Name samplers to compare"),
        (["eulr", "--prompt", "a"], "Did you mean 'euler'"),
        (["--preset", "two order", "--prompt", "a"], "Did you mean 'two orders'"),
        (["euler", "--preset", "two orders", "--prompt", "a"], "not both"),
        (["euler", "--prompt", "a", "--more", "5,x"], "--more must be whole numbers"),
        (["euler", "--prompt", "a", "--target", "0"], "target must be above 0"),
    ],
)
def test_wrong_arguments_end_with_one_line(args, message, tmp_path):
    done = call("compare", *args, "--root", str(tmp_path), "--device", "cpu")
    assert done.exit_code == 2 and message in done.output
    assert len(done.output.strip().splitlines()) == 1


@pytest.mark.parametrize("text", ["0-99999999999", "0-9999,1-9999", "9" * 5000, "0-" + "9" * 5000])
def test_a_long_list_of_numbers_is_refused_in_a_line(text):
    answer = CliRunner().invoke(app, ["compare", "euler", "--prompt", "a", "--seeds", text])
    assert answer.exit_code == 2 and "--seeds must be" in answer.output
    assert len(answer.output) < 300


def test_a_long_name_is_not_echoed_whole():
    answer = CliRunner().invoke(app, ["run", "a cat", "--solver", "x" * 10_000])
    assert answer.exit_code == 2 and len(answer.output) < 1500, answer.output[:200]
