"""``sdlab fit-schedule``: a schedule fitted on the command line."""

import json

from typer.testing import CliRunner

from sdlab.cli import app


def call(*args):
    return CliRunner().invoke(app, ["fit-schedule", "a red car", *args])


def test_it_prints_the_schedule_and_keeps_it(tmp_path):
    done = call(
        *("--num-steps", "2", "--guidance-scale", "1", "--width", "64", "--height", "64"),
        *("--seeds", "0", "--held-out", "1,2", "--teacher-steps", "4", "--against", "karras"),
        *("--json", str(tmp_path / "curve.json")),
    )
    assert done.exit_code == 0, done.output
    sigmas = [float(sigma) for sigma in done.stdout.splitlines()[0].split(",")]
    assert len(sigmas) == 3 and sigmas[-1] == 0
    assert "On 2 held-out seeds the fitted schedule ends at" in done.stdout
    kept = json.loads((tmp_path / "curve.json").read_text())
    assert kept["curve"] == "sigmas"


def test_seeds_of_both_are_refused():
    done = call("--seeds", "0,1", "--held-out", "1,2")
    assert done.exit_code == 2 and "other seeds" in done.output
