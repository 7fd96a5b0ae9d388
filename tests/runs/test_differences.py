"""What differs between runs is found, and only that."""

import pytest

from sdlab.errors import StoreError
from sdlab.runs.differences import differing, settings_table
from tests.runs.conftest import copy_of


def test_only_what_differs_is_left(run, stored):
    other = copy_of(stored, seed=5, solver_options={"s_churn": 0.5}, eta=0.25)
    table = settings_table(stored.parent, [run.id, other.name])
    found = differing(table)
    assert set(found.index) == {"seed", "solver_options.s_churn", "eta"}
    assert found.loc["seed"].tolist() == [str(2**64 - 1), "5"]
    assert found.loc["eta"].tolist() == ["", "0.25"]
    assert table.loc["model.hash", run.id] == run.manifest["model"]["hash"]
    assert table.loc["record.every", run.id] == "1" and "versions.torch" in table.index


def test_one_run_differs_from_none(run, stored):
    assert differing(settings_table(stored.parent, [run.id])).empty


def test_a_run_that_is_not_there_is_named(stored):
    with pytest.raises(StoreError, match="no run in"):
        settings_table(stored.parent, ["0" * 16])
