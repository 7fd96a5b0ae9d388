"""A computation of runs that are too large for a server is not offered."""

import pytest

from dashboard.shell.lab import lab
from dashboard.worker.limits import Limits
from tests.dashboard.conftest import read


@pytest.mark.parametrize(
    ("page", "fields", "button", "steps"),
    [
        ("price", {"price.steps": "21"}, "price.start", 168),
        ("noise_schedules", {}, "schedules.fit.start", 60),
        ("ddim", {"ddim.section": "Eta", "ddim.eta.steps": "41"}, "ddim.eta.start", 41),
        (
            *("ddim", {"ddim.section": "There and back", "ddim.back.steps": "41"}),
            *("ddim.back.start", 41),
        ),
        (
            *("tokens", {"tokens.tab": "What a word does", "tokens.steps": "41"}),
            *("tokens.causes.start", 41),
        ),
    ],
)
def test_it_is_said_before_the_button(open_page, monkeypatch, page, fields, button, steps):
    monkeypatch.setattr(lab().limits, "limits", Limits(megapixel_steps=0.5))
    at = open_page(page, **fields)
    assert not at.exception
    told = [read(one) for one in at.warning if "on this server" in one.value]
    assert told and f"128 x 128 pixels by {steps} steps" in told[0]
    assert at.button(key=button).disabled
