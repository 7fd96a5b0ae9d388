"""The commands that make stored runs again."""

import pytest
from typer.testing import CliRunner

from sdlab.cli import app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cli") / "runs")


@pytest.fixture(scope="module")
def run(root):
    """The id of a stored run."""
    size = ["--num-steps", "2", "--width", "64", "--height", "64", "--device", "cpu"]
    return call("run", "a cat", *size, "--root", root).stdout.strip().rpartition("/")[2]


def call(*args, code=0):
    done = CliRunner().invoke(app, list(args))
    assert done.exit_code == code, done.output
    return done


def test_a_script_is_printed_or_written(run, root, tmp_path):
    printed = call("script", run, "--root", root).stdout
    compile(printed, "script", "exec")
    path = call("script", run[:6], "--root", root, "--out", str(tmp_path / "a.py")).stdout.strip()
    assert (tmp_path / "a.py").read_text() == printed
    assert path == str(tmp_path / "a.py")


def test_a_rerun_says_whether_a_bit_differs(run, root):
    assert call("rerun", run, "--root", root).stdout.startswith("Bit-identical: ")
    said = call("rerun", run, "--root", root, "--dtype", "float64", code=1).stdout
    assert said.startswith("Evaluation 0 (sigma ")
    assert "number format: float32 then, float64 now" in said


@pytest.mark.every
def test_golden_runs_are_recorded_and_checked(tmp_path):
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"prompt": "a cat", "num_steps": 2, "width": 64, "height": 64}\n')
    file = str(tmp_path / "runs.safetensors")
    cpu = ("--device", "cpu")
    assert call("golden", "record", file, "--experiments", str(asked), *cpu).stdout.strip() == file
    table = call("golden", "check", file, "--csv", *cpu).stdout.splitlines()
    assert table[0].lstrip("\ufeff").startswith("solver,num_steps,seed,evaluations,first_different")
    assert table[1].startswith("ddim,2,0,2,,,0.0,0.0,")
    done = call("golden", "check", file, *cpu, "--dtype", "float16", "--tolerance", "1e-9", code=1)
    assert "number format: float32 then, float16 now" in done.stdout
    assert (
        call("golden", "check", file, *cpu, "--dtype", "float16", "--tolerance", "1").exit_code == 0
    )
