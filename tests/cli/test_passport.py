"""``sdlab passport``: what a program runs, on the command line."""

import json

import pytest
from typer.testing import CliRunner

from sdlab.cli import app
from sdlab.passports.passport import passport


def call(*args):
    return CliRunner().invoke(app, ["passport", *args])


def test_json_is_the_object():
    done = call("comfyui", "--model", "sd15", "--scheduler", "karras", "--steps", "6", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == passport("comfyui", "sd15", "karras", 6).to_dict()


def test_it_is_printed_for_people_and_as_csv():
    done = call("a1111", "--scheduler", "ddim", "--steps", "7", "--denoise", "1")
    assert done.stdout.startswith("AUTOMATIC1111: ddim, 7 steps; Stable Diffusion 1.5\n8 steps")
    assert "- 7 steps were asked for, and 8 run." in done.stdout and "0.0413" in done.stdout
    csv = call("a1111", "--scheduler", "ddim", "--steps", "7", "--csv").stdout.splitlines()
    assert csv[0].lstrip("\ufeff") == "step,sigma,timestep" and len(csv) == 10


def test_the_setting_of_another_engine_and_its_text(tmp_path):
    given = ("comfyui", "--scheduler", "karras", "--steps", "5", "--option", "sampler=heun")
    equal = call(*given, "--equal", "a1111")
    assert equal.stdout.startswith("AUTOMATIC1111 runs the same levels with karras, 5 steps.\n")
    facts = json.loads(call(*given, "--equal", "a1111", "--json").stdout)
    assert facts["same"] and facts["passport"]["scheduler"] == "karras"
    assert call(*given, "--export", "comfyui").stdout.startswith("14.6146412, ")
    workflow = tmp_path / "workflow.json"
    nodes = [{"type": "BasicScheduler", "widgets_values": ["simple", 3, 1.0]}]
    workflow.write_text(json.dumps({"nodes": nodes}))
    assert json.loads(call(str(workflow), "--json").stdout)["scheduler"] == "simple"


def test_what_is_given_beside_a_file_replaces_what_it_says(tmp_path):
    workflow, config = tmp_path / "workflow.json", tmp_path / "scheduler_config.json"
    nodes = [{"type": "BasicScheduler", "widgets_values": ["simple", 3, 1.0]}]
    workflow.write_text(json.dumps({"nodes": nodes}))
    config.write_text('{"_class_name": "EulerDiscreteScheduler", "beta_schedule": "scaled_linear"}')

    def told(file, *args):
        return json.loads(call(str(file), *args, "--json").stdout)

    given = ("--steps", "6", "--denoise", "0.5", "--scheduler", "karras")
    wanted = passport("comfyui", "sd15", "karras", 6, 0.5, sampler="euler")
    assert told(workflow, *given) == wanted.to_dict()
    assert told(workflow)["sigmas"] == list(passport("comfyui", "sd15", "simple", 3).sigmas)
    assert len(told(config, "--steps", "7")["sigmas"]) == 8
    assert len(told(config)["sigmas"]) == 21


@pytest.mark.parametrize(
    "args", [("comfy", "--model", "flx"), ("webui2",), ("comfyui", "--export", "png")]
)
def test_what_is_wrong_is_one_line(args):
    done = call(*args)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "Unknown" in done.stderr
