"""Charts of several sessions: one lock goes before Altair's settings, which all threads share."""

import altair as alt
import pytest
from streamlit.elements import vega_charts

from dashboard.shell.lab import lab
from sdlab.experiment.experiment import Experiment
from tests.dashboard.conftest import run_until


@pytest.fixture
def written(monkeypatch):
    """Of each chart that was written as a dict: whether Streamlit's lock was held meanwhile."""
    held, plain = [], alt.TopLevelMixin.to_dict

    def to_dict(chart, *args, **kwargs):
        held.append(vega_charts._altair_globals_lock.locked())
        return plain(chart, *args, **kwargs)

    monkeypatch.setattr(alt.TopLevelMixin, "to_dict", to_dict)
    return held


@pytest.mark.parametrize(
    "page",
    [
        "noise_schedules",
        "tokens",
        pytest.param("workbench", marks=pytest.mark.every),
        pytest.param("latents", marks=pytest.mark.every),
        pytest.param("noised_images", marks=pytest.mark.every),
        pytest.param("solver_bench", marks=pytest.mark.every),
    ],
)
def test_a_page_writes_its_charts_under_streamlits_lock_only(open_page, written, page):
    assert not open_page(page).exception
    assert written and all(written)


def test_so_do_the_charts_of_a_run(open_page, written):
    run = lab().submit(Experiment(prompt="a chart", seed=3, num_steps=2))
    at = run_until(open_page("run", id=run), lambda a: a.header)
    assert not at.exception and len(written) > 5 and all(written)
