"""The Why different? page by AppTest."""

import json

import pytest

import sdlab
from dashboard.shell.lab import lab
from sdlab.experiment.record import Record
from tests.dashboard.conftest import read, run_until
from tests.explaining.files import a1111, comfyui, png

BASE = sdlab.Experiment(prompt="a red car", solver="dpmpp_2m", num_steps=2, record=Record(()))


@pytest.fixture(scope="module")
def two(runs_folder, embedded):
    """Two stored runs that differ in seed and guidance."""
    runs = [sdlab.run(embedded, BASE.with_(seed=s, guidance_scale=g)) for s, g in ((1, 4), (2, 6))]
    for run in runs:
        run.save(lab().runs)
    return [run.id for run in runs]


def told(at):
    return [read(e) for e in at.error]


def test_it_opens_empty_and_says_what_to_give(open_page):
    at = open_page("why_different")
    assert not at.exception and not told(at) and [t.value for t in at.title] == ["Why different?"]
    assert "Name two runs, or drop two files" in at.info[0].value


def test_two_runs_of_the_address_are_explained_and_measured(open_page, two):
    at = open_page("why_different", **{"why.a": two[0], "why.b": two[1][:8]})
    assert not at.exception and not told(at)
    assert "2 things differ; the first is seed." in read(at.warning[0])
    table = at.dataframe[0].value
    assert table["cause"].tolist() == ["seed", "guidance-scale"]
    assert table["message"].tolist()[1] == "The guidance scale is 4 and 6."
    at.button(key="why.start").click().run()
    run_until(at, lambda a: len(a.dataframe) == 2)
    costs = at.dataframe[1].value.set_index("what")
    assert costs["distance"].notna().all() and "all of them at once" in costs.index
    assert len(at.get("vega_lite_chart")) == 1
    assert any("times what the sampler itself is off by" in read(m) for m in at.markdown)


def test_files_of_other_programs(open_page):
    at = open_page("why_different")
    at.file_uploader(key="why.file_a").set_value(
        ("web.png", png(parameters=a1111().decode()), "image/png")
    ).run()
    assert "One more" in at.info[0].value
    workflow = json.dumps(comfyui(denoise=0.5)).encode()
    at.file_uploader(key="why.file_b").set_value(("w.json", workflow, "application/json")).run()
    assert not at.exception and not told(at)
    assert "noise-device" in at.dataframe[0].value["cause"].tolist()
    assert any("It cannot be measured here: w.json (ComfyUI)" in read(one) for one in at.info)
    assert json.loads(at.code[0].value)["solver"] == "euler_ancestral"


def test_what_cannot_be_read_is_said(open_page):
    at = open_page("why_different", **{"why.a": "no id"})
    assert not at.exception and "is no run id" in told(at)[0]
    at.file_uploader(key="why.file_a").set_value(("a.png", png(), "image/png")).run()
    assert "a.png says nothing of how it was made" in told(at)[0]
