"""``sdlab.audit`` and ``sdlab audit``: the object, its JSON and its page."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sdlab
from sdlab.auditing.known import COLUMNS, known
from sdlab.cli import app
from tests.auditing import samplers

FILE = Path(samplers.__file__)


def test_the_command_gives_the_object_and_the_page(tmp_path):
    out = tmp_path / "heun.md"
    done = CliRunner().invoke(
        app, ["audit", f"{FILE}:sample_heun", "--path", "vp", "--json", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["order"] == pytest.approx(2, abs=0.1)
    assert found["order_low"] < found["order"] < found["order_high"]
    assert found["evaluations_per_step"] == 2 and "heun" in found["equals"]
    assert found["error"]["48"] < found["plain"]["48"] < found["error"]["12"]
    assert found["best"]["48"][1] <= found["error"]["48"]
    assert list(found["on"]) == ["vp"] and not found["quiet"]
    page = out.read_text()
    assert page.startswith("# Audit of sample_heun") and "| 48 | 0.0047 | 0.018 |" in page
    assert "HeunDiscreteScheduler" in page and "It makes 2 evaluations a step" in page


@pytest.mark.every
def test_one_that_draws_noise_is_told_with_and_without_it():
    done = CliRunner().invoke(
        app, ["audit", f"{FILE}:sample_ancestral", "--path", "vp", "--option", "s_noise=0.9"]
    )
    assert done.exit_code == 0, done.output
    assert "1 evaluation a step, draws noise" in done.stdout
    assert "It does NOT keep the marginals: after 256 steps the variance is 0.7" in done.stdout
    assert "With its noise off (eta=0), over sigma" in done.stdout
    assert "euler with the noise off" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("heum",), "heun"),
        (("heun", "--path", "vq"), "vp"),
        (("EulerDiscreteScheduler", "--path", "flow"), "runs on vp"),
        (("heun", "--option", "eta=1"), "Unknown option"),
    ],
)
def test_what_is_wrong_is_one_line(args, said):
    done = CliRunner().invoke(app, ["audit", *args])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and said in done.stderr


def test_progress_is_told():
    seen = []
    sdlab.audit(samplers.sample_euler, paths=["vp"], progress=lambda *done: seen.append(done))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.every
def test_one_that_fails_on_one_path_is_measured_on_the_other():
    found = sdlab.audit(samplers.sample_large_only)
    assert list(found.on) == ["vp"] and found.order == pytest.approx(1, abs=0.05)
    assert "sigma must begin above 1" in found.conditions["all of 'flow'"]
    with pytest.raises(ValueError, match="inner_model"):
        sdlab.audit(samplers.sample_peeking)


def test_the_table_of_known_samplers_has_its_columns_and_findings():
    table = known().set_index("sampler")
    assert list(table.columns) == list(COLUMNS)[1:] and table.index.is_unique
    assert table.loc["heunpp2", "order"] == pytest.approx(1, abs=0.05)
    assert table.loc["heunpp2", "evaluations_per_step"] == 3
    assert "heunpp2" in table.loc["ComfyUI's heunpp2", "equals"]
    audited = table[table["kind"] == "solver"]
    assert all(name in same.split("; ") for name, same in audited["equals"].items())
