"""Where a sweep's runs stand is told from its own runs, not from the whole store."""

import pytest

from dashboard.views.sweep import states
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.sweep import Sweep


@pytest.fixture
def sweep():
    return Sweep(Experiment(prompt="a car", num_steps=2), {"seed": "1-4"})


@pytest.fixture
def stored(tmp_path, sweep):
    """A store with two of its runs and one of somebody else."""
    runs = [experiment.id for experiment in sweep.experiments[1:3]]
    for run in (*runs, "f" * 16):
        (tmp_path / run).mkdir()
    return tmp_path, set(runs)


@pytest.mark.parametrize("few", [0, 4])
def test_what_is_stored_is_found_either_way(stored, sweep, monkeypatch, few):
    monkeypatch.setattr(states, "FEW", few)
    root, runs = stored
    found = states.sweep_states(root, sweep)
    assert found.done == runs and found.missing == 2
    assert states.sweep_states(root / "none", sweep).missing == 4


def test_the_store_is_not_listed_for_few(stored, sweep, monkeypatch):
    monkeypatch.setattr(states.os, "listdir", None)
    assert states.sweep_states(stored[0], sweep).done == stored[1]
