"""``sdlab plan``: what a model takes, from its configs."""

import io
import json

import pandas as pd
from typer.testing import CliRunner

from sdlab.cli import app


def call(*args):
    return CliRunner().invoke(app, ["plan", *args])


def test_parts_ways_and_verdict_are_printed():
    done = call("embedded", "--width", "256", "--height", "128")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "StableDiffusionPipeline, 256x128, float32"
    assert any(line.startswith("unet") and "11,461,284" in line for line in lines)
    assert lines[-1].startswith("Fits as it is: ") and "offload" not in done.stdout


def test_another_machines_device():
    done = call("embedded", "--device", "cuda", "--free-gib", "0.12", "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["dtype"] == "bfloat16" and facts["free"] == int(0.12 * 2**30)
    assert [way["way"] for way in facts["ways"] if way["fits"]] == [
        "model CPU offload",
        "sequential CPU offload",
    ]
    assert facts["verdict"].startswith("Fits model CPU offload")


def test_csv_has_the_parts():
    done = call("embedded", "--csv", "--dtype", "float16")
    table = pd.read_csv(io.StringIO(done.stdout))
    assert table["part"].tolist() == ["text_encoder", "unet", "vae", "all"]
    assert table["bytes"].iloc[-1] == 2 * table["parameters"].iloc[-1]


def test_what_is_not_there_is_one_line(tmp_path):
    done = call(str(tmp_path))
    assert done.exit_code == 1 and done.stderr.count("\n") == 1
    assert "model_index.json cannot be read" in done.stderr
    assert call("embedded", "--dtype", "int4").exit_code == 2
