"""Home makes a picture by itself, and not again once that was cancelled."""

from types import SimpleNamespace

import pytest

from dashboard.shell.lab import find, lab
from dashboard.shell.navigation import entries
from dashboard.views.home import six_pictures
from sdlab.experiment.experiment import Experiment
from tests.dashboard.conftest import read, run_until
from tests.dashboard.forms import titles


def test_home_makes_a_picture(open_page):
    at = open_page("home")
    assert titles(at) == ["sdlab, the laboratory for diffusion models"]
    assert "Stable Diffusion, SDXL, SD3, Flux and nearly any other" in at.markdown[0].value
    run_until(at, lambda a: any("px" in c.value for c in a.caption))
    run_until(at, lambda a: "6. The picture" in labels(a))
    told = [label for label in labels(at) if label[:1].isdigit()]
    assert [label[:2] for label in told] == ["1.", "2.", "3.", "4.", "5.", "6."]
    assert any("Where “" in label for label in told)
    answers = [entry.answers for name, entry in entries().items() if name != "home"]
    assert all(answers) and set(answers) <= set(labels(at))
    assert not at.exception


@pytest.mark.every
def test_home_draws_the_words_that_are_typed(open_page):
    at = open_page("home")
    at.text_input(key="home.words").set_value("a red star")
    at.button(key="home.draw").click().run()
    run = at.session_state["home.asked"]
    made = run_until(at, lambda a: find(run) and getattr(find(run), "manifest", None))
    assert find(run).manifest["experiment"]["prompt"] == "a red star" and not made.exception


def test_home_says_before_the_run_what_the_model_knows_and_what_it_does_not(open_page, monkeypatch):
    monkeypatch.setattr("dashboard.views.home.page.ask_run", lambda experiment, press: "")
    at = open_page("home")
    assert any("knows 20 objects (cat, elephant, panda, …)" in c.value for c in at.caption)
    at.text_input(key="home.words").set_value("a dragon on a beach")
    at.button(key="home.draw").click().run()
    assert "does not know “dragon”" in read(at.info[0])
    told = next(c for c in at.caption if c.value.startswith("It knows 20 objects (cat, "))
    assert "mushroom, fish, flower." in told.help and not at.exception


def test_the_first_guess_is_the_first_evaluations():
    sheet = SimpleNamespace(kept=list(range(20)), names=["x_t", "x0_pred"], how="decoded")
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(six_pictures, "_frame", lambda *frame: drawn.append(frame[3:]))
        patch.setattr(six_pictures, "read_tables", lambda run: {"tokens": None})
        patch.setattr(six_pictures, "_pieces", lambda tokens: [])
        patch.setattr(six_pictures, "_attention", lambda *run: None)
        patch.setattr(lab().frames, "sheet", lambda run: sheet)
        manifest = {"experiment": Experiment().to_dict(), "created": ""}
        run = SimpleNamespace(id="x", folder="", manifest=manifest, picture=None)
        titles = [station.title for station in six_pictures._stations(run)]
    assert drawn == [("x_t", 0), ("x0_pred", 0), ("x0_pred", 10)] and "First guess" in titles


def labels(at) -> list[str]:
    return [link.proto.label for link in at.get("page_link")]


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
