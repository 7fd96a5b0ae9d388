"""Home makes a picture by itself, and not again once that was cancelled."""

import pytest

from dashboard.shell.lab import lab
from tests.dashboard.conftest import run_until
from tests.dashboard.forms import titles


def test_home_makes_a_picture(open_page):
    at = open_page("home")
    assert titles(at) == ["sdlab, the laboratory for diffusion models"]
    assert "Stable Diffusion, SDXL, SD3, Flux and nearly any other" in at.markdown[0].value
    run_until(at, lambda a: any("px" in c.value for c in a.caption))
    assert not at.exception


def test_home_does_not_ask_again_for_what_was_cancelled(open_page):
    from dashboard.views.home.page import scene

    at = open_page("home")
    worker, run = lab(), scene(3).with_(num_steps=900)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dashboard.views.home.page.scene", lambda number, model: run)
        at.button(key="home.another").click().run()
        run_until(at, lambda a: any(b.key == "home.cancel" for b in a.button))
        at.button(key="home.cancel").click().run()
        run_until(at, lambda a: (v := worker.get(run.id)) and v.state == "cancelled")
        at.run()
        at.run()
        assert worker.get(run.id).state == "cancelled"
