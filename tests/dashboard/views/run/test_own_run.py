"""Pages begin with the run that this session made or opened last, not with another's newer one."""

import pytest
from streamlit.testing.v1 import AppTest

import sdlab
from dashboard.shell.lab import lab
from dashboard.widgets import source_picture
from sdlab.experiment.experiment import Experiment
from tests.dashboard.conftest import MAIN


@pytest.fixture(scope="module")
def runs(runs_folder, embedded):
    """Return the ids of an earlier run and a newer one."""
    lab().ask(lambda model: None)
    asked = [Experiment(prompt=words, seed=12, num_steps=1) for words in ("mine", "another's")]
    for experiment in asked:
        sdlab.run(embedded, experiment).save(runs_folder)
    return [experiment.id for experiment in asked]


def _opened(name, *own):
    at = AppTest.from_file(str(MAIN), default_timeout=240)
    at.session_state["own_runs"] = own
    at.switch_page(f"../../pages/{name}.py")
    at.run()
    assert not at.exception
    return at


def _shown(at, name):
    """Return the run that a page shows: by its address, or by its field."""
    if name == "network":
        return at.text_input(key="network.run").value
    return "".join(at.query_params["id" if name == "run" else "run"])


@pytest.mark.parametrize("name", ["run", "learn", "network"])
def test_a_page_begins_with_the_sessions_own_run(runs, name):
    mine, newer = runs
    assert _shown(_opened(name, mine), name) == mine
    at = _opened(name, "0" * 16)  # one that is no longer stored
    assert _shown(at, name) == newer
    assert at.session_state["own_runs"][0] == newer  # held on to, whatever others make


def test_the_page_of_a_run_says_whose_run_it_took(runs):
    assert any("that **you** made" in m.value for m in _opened("run", runs[0]).markdown)
    assert any("The **latest** stored run" in m.value for m in _opened("run").markdown)


def test_an_own_run_is_found_however_many_are_newer(runs, monkeypatch):
    monkeypatch.setattr(source_picture, "LATEST", 1)
    assert _shown(_opened("run", runs[0]), "run") == runs[0]
