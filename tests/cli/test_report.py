"""The commands ``sdlab report``, ``sdlab runs table`` and ``sdlab runs send``."""

import io

import pandas as pd
import pytest
from typer.testing import CliRunner

import sdlab
from sdlab.cli import app


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run."""
    spec = sdlab.Experiment(prompt="a cat", num_steps=1, width=64, height=64)
    return sdlab.run(sdlab.load(device="cpu"), spec).save(tmp_path_factory.mktemp("cli") / "runs")


def call(folder, *words):
    return CliRunner().invoke(app, [*words, "--root", str(folder.parent)])


def test_a_report_is_written(made, tmp_path):
    out = tmp_path / "one.html"
    done = call(made, "report", made.name[:6], "--out", str(out))
    assert done.exit_code == 0 and done.stdout == f"{out}\n"
    page = out.read_text()
    assert "Decoded by the model&#39;s VAE" in page and "StableDiffusionPipeline" in page
    assert call(made, "report", "ffff", "--out", str(out), "--no-frames").exit_code == 1


def test_one_table_of_many_runs_is_printed_or_written(made, tmp_path):
    done = call(made, "runs", "table", "steps", "CAT", "--setting", "solver")
    table = pd.read_csv(io.BytesIO(done.stdout_bytes))
    assert len(table) == 1 and table["solver"].tolist() == ["ddim"]
    out = tmp_path / "steps.parquet"
    written = call(made, "runs", "table", "steps", "--run", made.name[:5], "--out", str(out))
    assert written.exit_code == 0 and len(pd.read_parquet(out)) == 1
    assert call(made, "runs", "table", "steps", "dog").exit_code == 2
    refused = call(made, "runs", "table", "stops")
    assert refused.exit_code == 2 and "Did you mean 'steps'" in refused.stderr


def test_what_is_to_be_sent_must_be_said(made):
    refused = call(made, "runs", "send", "--to", "mlflow")
    assert refused.exit_code == 2 and "Say which runs" in refused.stderr
    unknown = call(made, "runs", "send", "--to", "mlfow", "--all")
    assert unknown.exit_code == 2 and "Did you mean 'mlflow'" in unknown.stderr
