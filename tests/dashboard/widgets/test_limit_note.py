"""What is more than one person may have is said before the button is pressed."""

from dashboard.shell.lab import lab
from dashboard.worker.limits import Limits
from tests.dashboard.conftest import read


def test_a_form_says_that_a_run_is_too_large_and_offers_no_button(open_page, monkeypatch):
    monkeypatch.setattr(lab().limits, "limits", Limits(megapixel_steps=0.05))
    at = open_page("experiment", **{"experiment.steps": "40"})
    told = [read(one) for one in at.warning if "on this server" in one.value]
    assert len(told) == 1 and "128 x 128 pixels by 40 steps" in told[0]
    assert at.button(key="experiment.go").disabled
    at.number_input(key="experiment.steps").set_value(3).run()
    assert not at.button(key="experiment.go").disabled
