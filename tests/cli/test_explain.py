"""``sdlab explain``: why two pictures differ, on the command line."""

import json

import pytest
from typer.testing import CliRunner

from sdlab.cli import app
from tests.explaining.files import a1111, comfyui, png


@pytest.fixture
def files(tmp_path):
    (tmp_path / "web.png").write_bytes(png(parameters=a1111(Steps="4", Sampler="Euler").decode()))
    workflow = comfyui(sampler_name="euler", steps=4, cfg=6.0)
    (tmp_path / "comfy.json").write_text(json.dumps(workflow))
    return [str(tmp_path / name) for name in ("web.png", "comfy.json")]


def call(*args):
    return CliRunner().invoke(app, ["explain", *args])


def test_it_says_causes_fixes_and_the_nearest_experiment(files):
    done = call(*files)
    assert done.exit_code == 0, done.output
    said = done.stdout
    assert said.startswith("web.png (AUTOMATIC1111), comfy.json (ComfyUI): 4 things differ;")
    assert "1. Noise of CPU or GPU (unrelated picture)." in said and "Fix: In AUTOMATIC1111" in said
    assert "The experiment of ours that comes nearest to comfy.json (ComfyUI):\n{" in said
    assert "The same: " in said and "Seed" in said


def test_json_and_csv(files):
    facts = json.loads(call(*files, "--json").stdout)
    assert facts["differences"][0]["cause"] == "noise-device" and len(facts["b"]["sigmas"]) == 5
    rows = call(*files, "--csv").stdout.splitlines()
    assert rows[0].lstrip("\ufeff").startswith("cause,what,effect,message")
    assert len(rows) == 1 + len(facts["differences"])


@pytest.mark.every  # tests/explaining/test_measured.py has it on a smaller model
def test_what_each_costs_is_measured(files):
    done = call(*files, "--measure", "--json")
    facts = json.loads(done.stdout)["measured"]
    costs = {row["what"]: row for row in facts["costs"]}
    assert costs["Guidance scale"]["distance"] > 0.01 and facts["own_error"] > 0
    assert costs["Weights in the prompt"]["distance"] is None


def test_what_is_wrong_is_one_line(files):
    done = call(files[0], "nothing here")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "neither a file, a folder nor a run's id" in done.stderr
