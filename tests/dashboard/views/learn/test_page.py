"""The Learn page leads from station to station, on the run of its address."""

import re

import pytest

import sdlab
from dashboard.shell.lab import lab
from dashboard.views.learn.page import STATIONS
from dashboard.widgets.first_picture import first_picture
from dashboard.worker.stored_runs import stored_run
from tests.dashboard.conftest import read, run_until
from tests.dashboard.forms import titles

STATION = "learn.station"


@pytest.fixture(scope="module")
def run(runs_folder, embedded):
    asked = first_picture("a red car on a beach", 5).with_(num_steps=5)
    sdlab.run(embedded, asked).save(runs_folder)
    return asked.id


def opened(open_page, run, station):
    lab().ask(lambda model: None)
    at = open_page("learn", run=run, **{STATION: station})
    assert titles(at) == ["Stable Diffusion, from words to picture"]
    assert not at.exception and not at.error, [read(e) for e in (*at.exception, *at.error)]
    return at


def test_a_station_has_question_numbers_code_and_a_way(open_page, run):
    at = opened(open_page, run, "Attention")
    assert at.header[0].value == "6. How does a word reach its place in the picture?"
    assert "softmax" in at.latex[0].value
    assert any(re.search(r"has \d+\.\d% on average", m.value) for m in at.markdown)
    assert at.code[0].value.startswith("def forward(self, x: Tensor, context: Tensor)")
    assert any("unet.py, line" in c.value for c in at.caption)
    (way,) = [link.proto for link in at.get("page_link") if link.proto.label.startswith("Att")
              and link.proto.query_string]  # fmt: skip
    assert run in way.query_string and stored_run(lab().runs, run) is not None


def test_the_stations_are_walked_through(open_page, run):
    at = opened(open_page, run, "Encoder")
    assert any("cos" in latex.value and "0." in latex.value for latex in at.latex)
    at.button(key="learn.next").click().run()
    assert at.header[0].value == "3. What is the picture made of?"
    assert any(c.value == "Station 3 of 12 · 2 seen" for c in at.caption)
    at.button(key="learn.previous").click().run()
    assert at.header[0].value.startswith("2.") and not at.exception


@pytest.mark.every
@pytest.mark.parametrize("station", STATIONS)
def test_every_station_is_drawn(open_page, run, station):
    at = run_until(opened(open_page, run, station), lambda a: a.header)
    assert at.header[0].value.endswith(STATIONS[station].question)
    assert at.latex and at.code and not at.exception


def test_a_run_that_is_not_here_is_said(open_page, run):
    at = open_page("learn", run="0" * 16)
    assert "is stored here" in read(at.info[0]) and not at.exception
