"""The causes of a stored run: why it is blurred, and guidance on shared axes."""

import pandas as pd
import pytest

from dashboard.shell.lab import lab
from dashboard.views.run.causes import _so_what, so_what_of_guidance
from dashboard.widgets.causes_work import ShownDraws
from sdlab.experiment.experiment import Experiment
from tests.dashboard.conftest import read
from tests.dashboard.forms import finished, study


@pytest.fixture(scope="module")
def run(runs_folder):
    spec = Experiment(prompt="a red car", num_steps=2, solver="heun", seed=5)
    return finished(lab().submit(spec))


def test_pictures_are_drawn_from_one_x_t(open_page, run, monkeypatch):
    monkeypatch.setattr("dashboard.views.run.causes.COUNT", 2)
    monkeypatch.setattr("dashboard.views.run.causes.STEPS", 2)
    at = open_page("run", **{"id": run, "run.tab": "Causes", "step": "1"})
    assert not at.exception and not at.error
    study(at, "run.draws.start")
    assert any("The draws: each" in c.value for c in at.caption)
    assert {"**x_t**", "**x0_pred**", "**mean of 2**"} <= {m.value for m in at.markdown}
    assert any("from the mean of the 2" in c.value for c in at.caption)


def test_a_run_says_why_its_evaluations_are_more_than_its_steps(open_page, run):
    at = open_page("run", id=run)
    (told,) = [read(m) for m in at.markdown if "Why 3 evaluations?" in m.value]
    assert "1 x 2 + 1 = 3" in told and not at.exception


def test_guidance_is_drawn_on_shared_axes(open_page, run):
    at = open_page("run", **{"id": run, "run.tab": "Causes", "run.cause": "Guidance 1, 4, 10"})
    study(at, "run.causes.start")
    named = {read(m) for m in at.markdown}
    assert {"**guidance 4 (this run)**", "**guidance 1**", "**guidance 10**"} <= named
    assert any("At evaluation 0 x0_pred spreads" in c.value for c in at.caption)
    assert any("the latents end between" in c.value for c in at.caption)
    assert [len(at.get("vega_lite_chart"))] == [3]


def test_what_guidance_does_is_said_of_the_figures():
    table = pd.DataFrame(
        {
            "change": ["guidance 4 (this run)", "guidance 1", "guidance 10"],
            "least": [-3.0, -2.0, -5.0],
            "greatest": [3.0, 2.5, 6.0],
            "length": [1.2, 1.0, 1.5],
            "rms_pixels": [0.0, 30.0, 42.0],
            "lost": ["", "red car", ""],
        }
    )
    said = so_what_of_guidance(table)
    assert "from guidance 1 to 10 the latents end between -5 and 6 instead of -2 and 2.5" in said
    assert "1.50 times as long" in said
    assert "The pictures lie 30 (guidance 1) and 42 (guidance 10) from this run's" in said
    assert "guidance 1 loses red car." in said


def test_the_slider_follows_the_pictures_and_leads_it(open_page, run):
    at = open_page("run", **{"id": run, "run.tab": "Causes", "step": "1"})
    assert at.slider(key="run.blurred_at").value == 1
    at.slider(key="run.blurred_at").set_value(0).run()
    assert not at.exception and "".join(at.query_params["step"]) == "0"


@pytest.mark.parametrize(
    ("distance", "single", "said"),
    [(0.2, 0.4, "nearer to the mean"), (0.05, 0.06, "one picture is left"), (0.5, 0.4, "error")],
)
def test_what_follows_is_said_of_the_figures(distance, single, said):
    assert said in _so_what(ShownDraws(1.0, b"", b"", b"", (), distance, single, 0.1))
