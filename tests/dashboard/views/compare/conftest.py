"""The Compare page, filled in for small runs."""

import pytest

from dashboard.shell.lab import lab
from sdlab.comparing.model_facts import ModelFacts
from tests.dashboard.views.compare.filled_in import QUICK, headers, shown


@pytest.fixture
def page(open_page):
    at = open_page("compare", **QUICK)
    assert not at.exception and not at.error
    if "Measurements" in headers(at):  # another test has made it
        at.session_state[f"compare.form_{shown(at)}"] = True
        at.run()
    return at


@pytest.fixture
def model(runs_folder) -> ModelFacts:
    lab().catalogue()
    return lab().ask(ModelFacts.of)
