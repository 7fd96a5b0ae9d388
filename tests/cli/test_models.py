"""``sdlab models``: what lies on this machine."""

import io

import pandas as pd
from huggingface_hub import constants
from typer.testing import CliRunner

from sdlab.cli import app
from tests.models.hub_cache import COMMITS, make_cached, make_pipeline_folder


def call(*args):
    return CliRunner().invoke(app, ["models", *map(str, args)])


def test_cache_and_folder_are_listed(tmp_path, monkeypatch):
    cache, folder = tmp_path / "cache", tmp_path / "models"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.delenv("SDLAB_MODELS", raising=False)
    none = call()
    assert none.exit_code == 0 and f"no model in {cache}" in none.stderr and not none.stdout
    make_cached(cache, "acme/parrot", 86400.0)
    made = make_pipeline_folder(folder / "sd")
    listed = call()
    assert "acme/parrot" in listed.stdout and COMMITS[0][:7] in listed.stdout
    assert "1970-01-02" in listed.stdout and str(made) not in listed.stdout
    assert str(made) in call(folder).stdout and "acme" not in call(folder).stdout
    monkeypatch.setenv("SDLAB_MODELS", str(folder))
    table = pd.read_csv(io.StringIO(call("--csv").stdout))
    assert table["source"].tolist() == ["acme/parrot", str(made)]
    absent = call(tmp_path / "absent")
    assert absent.exit_code == 2 and "There is no folder" in absent.stderr
