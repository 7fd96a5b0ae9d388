"""The Run page by its address: stored, unknown, under way, with a slow decoder."""

import time
from dataclasses import replace

import pytest

from dashboard.shell.lab import lab
from sdlab.experiment.experiment import Experiment
from tests.dashboard.conftest import run_until
from tests.dashboard.forms import finished, titles


@pytest.mark.parametrize("name", ["id", "run"])  # other pages write the latter
def test_run_page_by_link(open_page, quick, name):
    run = lab().submit(Experiment(prompt="a sun", seed=3, num_steps=2))
    at = run_until(open_page("run", **{name: run, "run.tab": "Tables"}), lambda a: a.dataframe)
    assert titles(at) == ["One run"] and not at.exception
    assert len(at.dataframe) == 4


@pytest.mark.parametrize("given", ["0" * 16, "../../etc", "x", "'; drop", "0123456789ABCDEF"])
def test_run_page_with_an_unknown_id(open_page, given):
    at = open_page("run", id=given)
    assert titles(at) == ["One run"] and not at.exception
    assert "is stored here" in at.info[0].value


def test_without_an_id_the_latest_run_is_shown_and_said_so(open_page):
    time.sleep(1.1)  # manifests tell seconds
    run = finished(lab().submit(Experiment(prompt="the latest", seed=11, num_steps=2)))
    at = open_page("run")
    assert not at.exception and "".join(at.query_params["id"]) == run
    assert any("The **latest** stored run" in m.value for m in at.markdown)
    at.text_input(key="run.id").set_value(f" {run} ").run()  # the one that is shown
    at.text_input(key="run.id").set_value("0" * 16).run()
    assert "is stored here" in at.info[0].value
    assert not any("latest" in m.value for m in at.markdown)


def test_without_an_id_and_without_runs_the_first_is_offered(open_page, monkeypatch, tmp_path):
    monkeypatch.setattr(lab(), "runs", tmp_path)
    at = open_page("run")
    assert "No run is stored here yet" in at.info[0].value and not at.exception
    assert "id" not in at.query_params and not at.header


def test_run_page_of_a_live_run_and_cancel(open_page, slow_run):
    at = open_page("run", id=slow_run)
    run_until(at, lambda a: any(b.key == "run.cancel" for b in a.button))
    run_until(at, lambda a: [h.value for h in a.header] == ["So far"])
    assert len(at.get("vega_lite_chart")) == 3 and not at.exception
    at.button(key="run.cancel").click().run()
    run_until(at, lambda a: any("Cancelled" in i.value for i in a.info))
    assert any(b.key == "run.again" for b in at.button)


def test_frames_of_a_slow_decoder_are_decoded_by_a_button(open_page, monkeypatch):
    lab().ask(lambda model: None)
    library = lab()._held.current
    monkeypatch.setattr(library, "view", replace(library.view, decodes_fast=False))
    monkeypatch.setattr(library, "measure_again", lambda: False)  # the worker would find it quick
    monkeypatch.setattr(library, "_pause", float("inf"))
    run = lab().submit(Experiment(prompt="decode me", num_steps=2))
    at = open_page("run", id=run)
    run_until(at, lambda at: [b for b in at.button if b.label == "Decode all frames"])
    assert any("linear map" in c.value for c in at.caption)
    at.button(key="run.frames.start").click().run()
    run_until(at, lambda at: any("Frames are decoded" in c.value for c in at.caption))
    assert not at.exception and not [b for b in at.button if b.label == "Decode all frames"]
