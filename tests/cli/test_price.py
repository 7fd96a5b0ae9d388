"""``sdlab price``: what a speed-up costs, on the command line."""

import pytest
from typer.testing import CliRunner

from sdlab.cli import app

SIZE = ("--guidance-scale", "1", "--width", "64", "--height", "64")
GIVEN = ("a red car", "--num-steps", "4", *SIZE, "--seeds", "0,1", "--speedups", "autocast")


def call(*args):
    return CliRunner().invoke(app, ["price", *args])


@pytest.mark.every
def test_it_is_printed_and_written(tmp_path):
    done = call(*GIVEN, "--speedups", "float16", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("dpmpp_2m at 4 steps is off by ")
    assert "autocast changes the picture by" in done.stdout
    assert "float16 was left out: A processor" in done.stdout
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"prices.csv", "pictures.csv", "ladder.csv", "left_out.csv"}


def test_what_is_wrong_is_said_before_the_model_is_loaded():
    done = call("a red car", "--speedups", "bfloat15", "--model", "/nowhere")
    assert done.exit_code == 2 and "bfloat16" in done.output
