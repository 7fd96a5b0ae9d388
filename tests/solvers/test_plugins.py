"""Plug-ins: what passes runs everywhere, what fails is refused with a reason and harms nothing."""

import importlib.metadata
import os
import sys

import pytest
import torch
from typer.testing import CliRunner

import sdlab
from sdlab.cli import app
from sdlab.errors import SdlabError
from sdlab.solvers import plugins, registry, trial

GOOD = """
from itertools import pairwise
import sdlab

@sdlab.solver("mine", order=1)
def mine(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        x = x0_pred + (x - x0_pred) * sigma_next / sigma
    return x
"""
ENDLESS = """
import sdlab

@sdlab.solver("endless")
def endless(x, sigmas, noise):
    while True:
        yield x, 1.0
"""
BAD = {
    "broken_import": ("import no_such_module", "ModuleNotFoundError: No module named"),
    "broken_syntax": ("def f(:", "SyntaxError"),
    "quits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "empty": ("x = 1", "registers no solver"),
    "plain": ("import sdlab\nsdlab.solver('plain')(len)", "must be a generator function"),
    "boastful": (GOOD.replace("mine", "boastful").replace("order=1", "order=3"), "order 3, but"),
    "thief": (GOOD.replace('"mine"', '"heun"'), "one of the laboratory's own"),
    "endless": (ENDLESS, "does its loop end"),
}


@pytest.fixture
def fresh(monkeypatch):
    """No plug-ins loaded yet, and none left behind."""
    registry.solvers()
    monkeypatch.setattr(registry, "_SOLVERS", dict(registry._SOLVERS))
    monkeypatch.setattr(plugins, "_refused", {})
    monkeypatch.setattr(plugins, "_met", {})
    monkeypatch.setattr(plugins, "_loaded", False)
    monkeypatch.setattr(plugins, "TIME_LIMIT", 20.0)


@pytest.fixture
def folder(tmp_path, fresh, monkeypatch):
    monkeypatch.setenv("SDLAB_SOLVERS", str(tmp_path))
    return tmp_path


def test_a_folder_of_good_and_bad_ones(folder):
    (folder / "mine.py").write_text(GOOD)
    (folder / "_private.py").write_text("raise RuntimeError('not to be imported')")
    for name, (text, _) in BAD.items():
        (folder / f"{name}.py").write_text(text)
    table = sdlab.schedulers().set_index("name")
    assert table.loc["mine", "compatible"] and table.loc["mine", "nfe"] == "N"
    refused = table[table["origin"] == "plug-in"]
    named = {name: name for name in BAD} | {"thief": "heun"}
    for name, (_, reason) in BAD.items():
        rows = refused.loc[[named[name]]]
        assert reason in rows["reason"].iloc[0], name
        assert str(folder / f"{name}.py") in rows["reason"].iloc[0]
    assert len(refused) == len(BAD)
    own = table[(table.index == "heun") & (table["origin"] == "sdlab")]
    assert own["compatible"].all() and len(own) == 1
    assert not any(name.startswith("_sdlab_plugin_quits") for name in sys.modules)


def test_a_refused_one_says_why_when_asked_for(folder):
    (folder / "boastful.py").write_text(BAD["boastful"][0])
    with pytest.raises(ValueError, match="'boastful' was refused: order: declares order 3"):
        sdlab.course("boastful", 5)


def test_a_plug_in_runs_in_an_experiment(folder, small):
    (folder / "mine.py").write_text(GOOD)
    spec = sdlab.Experiment(solver="mine", num_steps=2, model="small")
    own, euler = sdlab.run(small, spec), sdlab.run(small, spec.with_(solver="euler"))
    torch.testing.assert_close(own.latents, euler.latents, rtol=0, atol=1e-5)  # the same step


def test_a_missing_folder_is_shown(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("SDLAB_SOLVERS", str(tmp_path / "none"))
    assert [r.reason for r in plugins.refusals()] == ["SDLAB_SOLVERS names no folder."]


def point(value, name="pointed"):
    return importlib.metadata.EntryPoint(name, value, "sdlab.solvers")


def test_entry_points(fresh, monkeypatch, tmp_path):
    """A module that registers, a bare generator function, and one that is not there."""
    (tmp_path / "sdlab_test_module.py").write_text(GOOD.replace("mine", "by_module"))
    (tmp_path / "sdlab_test_bare.py").write_text(
        GOOD.replace('@sdlab.solver("mine", order=1)\n', "")
    )
    monkeypatch.syspath_prepend(tmp_path)
    points = [
        point("sdlab_test_module"),
        point("sdlab_test_bare:mine", "by_function"),
        point("sdlab_test_nowhere", "nowhere"),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    assert {"by_module", "by_function"} <= set(registry.solvers())
    assert [r.name for r in plugins.refusals()] == ["nowhere"]


TWO_STAGES = """
@sdlab.solver("two_stages", order=2, stages=2)
def two_stages(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        d = (x - (yield x, sigma)) / sigma
        x_next = x + (sigma_next - sigma) * d
        if sigma_next > 0:
            d = (d + (x_next - (yield x_next, sigma_next)) / sigma_next) / 2
        x = x + (sigma_next - sigma) * d
    return x
"""


def test_entry_points_into_one_module_keep_what_is_declared(fresh, monkeypatch, tmp_path):
    """The module is imported for the first of them only, or was before any of them."""
    boastful = GOOD.replace("mine", "boastful").replace("order=1", "order=3")
    (tmp_path / "sdlab_test_several.py").write_text(GOOD + TWO_STAGES + boastful)
    monkeypatch.syspath_prepend(tmp_path)
    points = [
        point(f"sdlab_test_several:{name}", name) for name in ("mine", "two_stages", "boastful")
    ] + [point("sdlab_test_several", "all")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    found = registry.solvers()
    assert (found["mine"].order, found["two_stages"].stages) == (1, 2)
    assert "boastful" not in found
    assert [r.name for r in plugins.refusals()] == ["boastful"]


def test_typed_code_is_off_by_default(fresh, monkeypatch):
    monkeypatch.delenv("SDLAB_ALLOW_CODE", raising=False)
    with pytest.raises(SdlabError, match="SDLAB_ALLOW_CODE=1"):
        plugins.from_text("raise SystemExit")


def test_typed_code_where_it_is_allowed(fresh, monkeypatch):
    monkeypatch.setenv("SDLAB_ALLOW_CODE", "1")
    assert plugins.from_text(GOOD.replace("mine", "typed")) == ["typed"]
    assert sdlab.course("typed", 4).nfe == 4
    for text, reason in (BAD["quits"], BAD["thief"]):
        with pytest.raises(ValueError, match=reason):
            plugins.from_text(text)
    with pytest.raises(ValueError, match="at most 20000 characters, got 20001"):
        plugins.from_text("#" * 20_001)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("while True:\n    pass", "does not end within 2 seconds"),
        pytest.param(
            "import time\ntime.sleep(1000)",
            "does not end within 2 seconds",
            marks=pytest.mark.every,
        ),
        ("import os\nos._exit(7)", "ends the process that tries it, with exit code 7"),
    ],
)
def test_code_that_hangs_or_crashes_ends_elsewhere(tmp_path, code, reason):
    """And the plug-ins after it have their turn."""
    bad, good = tmp_path / "bad.py", tmp_path / "good.py"
    bad.write_text(code)
    good.write_text("print('not an answer')\n" + GOOD)
    assert reason in trial.attempt(("file", "bad", str(bad)), 2.0)["error"]
    assert trial.attempt(("file", "good", str(good)), 60.0) == {"reasons": {"mine": ""}}


def test_a_plug_in_may_ask_for_the_solvers(folder):
    (folder / "curious.py").write_text(
        GOOD.replace("mine", "curious")
        + "from sdlab.solvers import registry\nassert 'heun' in registry.solvers()\n"
    )
    assert "curious" in registry.solvers()


def test_the_command_line_checks(fresh, tmp_path, monkeypatch):
    monkeypatch.setenv("SDLAB_SOLVERS", "")
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(GOOD)
    bad.write_text(BAD["boastful"][0])
    call = CliRunner().invoke
    assert "mine: all is well" in call(app, ["check-solver", str(good)]).output
    refused = call(app, ["check-solver", str(bad)])
    assert refused.exit_code == 2 and "declares order 3, but reaches" in refused.output
    registry.solver("vain", order=2)(registry.solvers()["mine"].function)
    found = call(app, ["check-solver", "vain"])
    assert found.exit_code == 1 and "vain: order: declares order 2" in found.output


def test_the_command_line_names_the_folder(fresh, tmp_path, monkeypatch):
    monkeypatch.setenv("SDLAB_SOLVERS", "")
    (tmp_path / "good.py").write_text(GOOD)
    done = CliRunner().invoke(app, ["--solvers", str(tmp_path), "check-solver", "mine"])
    assert done.exit_code == 0 and os.environ["SDLAB_SOLVERS"] == str(tmp_path)
