"""Reports are whole: what they say, how large they are, what no prompt can do to them."""

import asyncio
import json
import re
import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest
from altair import SCHEMA_VERSION
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

import sdlab
from dashboard.charts.runs import scatter
from dashboard.report import MOST_RUNS, html, making, routes
from dashboard.report.frames import spread
from dashboard.report.parts import Figures, Gallery, Picture, Report, Section, Table, Words
from dashboard.report.pictures import encoded, png_of
from dashboard.report.routes import NICER, report_routes, report_url, written
from dashboard.shell import lab as lab_module
from sdlab.errors import SdlabError, StoreError
from sdlab.runs.grids import save_grid
from sdlab.sweeping.sweep_folder import SweepFolder
from tests.dashboard.report.conftest import HOSTILE
from tests.imports import ROOT

# What is in a report.


def texts(report):
    """Return the titles of a report's sections, and how many parts each has."""
    return {section.title: len(section.parts) for section in report.shown}


def test_a_run_has_all_of_itself(store, small):
    root, ids = store
    report = making.report_of(root, [ids["run"][:10]], small)
    assert report.title == HOSTILE and "heun" in report.lead
    assert list(texts(report)) == [
        *("Picture", "Step by step", "Measurements", "Words", "Make it again"),
        "Settings and tables",
    ]
    frames = report.shown[1].parts
    assert [len(row.pictures) for row in frames] == [5, 5]  # x_t and x0_pred, each evaluation
    charts = [part for part in report.shown[2].parts if isinstance(part, Figures)]
    assert sum(len(part.charts) for part in charts) == 11
    assert "StableDiffusionPipeline" in report.shown[4].parts[2].text
    assert HOSTILE in eval(re.search(r"prompt=(.*),\n", report.shown[4].parts[0].text)[1])
    without = making.report_of(root, [ids["run"]])
    assert "Step by step" not in texts(without) and texts(without)["Make it again"] == 2


def test_a_comparison_has_verdict_pictures_and_charts(store):
    root, ids = store
    report = making.report_of(root, [ids["comparison"]])
    assert {"Verdict", "Pictures", "Error and cost", "Step by step"} <= set(texts(report))
    assert texts(report)["Pictures"] == 3
    pictures = report.shown[1].parts[0].pictures
    assert [p.name for p in pictures] == ["reference", "heun", "ddim"]
    (again,) = (section for section in report.shown if section.title == "Make it again")
    assert "entrants=['heun', 'ddim']" in again.parts[0].text


def test_sweep_and_grid_have_their_axes_measures_and_pictures(store):
    root, ids = store
    sweep = making.report_of(root, [ids["sweep"]])
    assert "4 of 4 pictures" in sweep.lead
    (figures,) = (part for part in sweep.shown[0].parts if isinstance(part, Figures))
    assert figures.charts
    assert len(sweep.shown[1].parts[0].pictures) == 4
    grid = making.report_of(root, [ids["grid"]])
    assert [p.name for p in grid.shown[0].parts[1].pictures] == ["ddim", "heun"]
    assert "sdlab.Sweep(base, axes)" in grid.shown[1].parts[0].text


def test_a_grid_gone_on_with_as_a_sweep_is_that_sweep(tmp_path):
    grid = sdlab.Grid(sdlab.Experiment(prompt="a car", num_steps=1), {"seed": "0, 1"})
    save_grid(grid, tmp_path)
    assert making.find(tmp_path, grid.id) == ("grid", grid.id)
    sweep = sdlab.Sweep(grid.base, grid.axes)
    SweepFolder(tmp_path, sweep.id).save(sweep)
    assert making.find(tmp_path, grid.id) == ("sweep", sweep.id)


def test_several_runs_are_compared(store):
    root, _ = store
    runs = sdlab.runs(root)["run"]
    few = making.report_of(root, list(runs[:3]))
    assert len(few.shown[0].parts[0].pictures) == 3
    assert isinstance(few.shown[2].parts[0], Figures)
    many = making.report_of(root, list(runs))
    assert len(runs) > 12 and isinstance(many.shown[2].parts[0], Words)  # no charts laid over


def test_what_is_not_stored_is_refused(store):
    root, ids = store
    with pytest.raises(StoreError, match="begins with 'ffffff'"):
        making.report_of(root, ["ffffff"])
    with pytest.raises(StoreError, match="is no id"):
        making.report_of(root, ["../.."])
    with pytest.raises(ValueError, match="1 to 500 ids, got 0"):
        making.report_of(root, [])
    with pytest.raises(StoreError, match="No run in"):
        making.report_of(root, [ids["run"], ids["comparison"]])


# How it is written.


def test_no_prompt_gets_out_of_its_place(store):
    root, ids = store
    page = making.report(root, [ids["run"]]).decode()
    assert HOSTILE not in page and "<script>alert" not in page and "<img src=https" not in page
    nonces = set(re.findall(r"nonce[-=]\"?([\w-]+)", page))
    scripts = re.findall(r"<script([^>]*)>", page)
    assert len(nonces) == 1 and all("nonce=" in s or "application/json" in s for s in scripts)
    assert page.count("</script>") == len(scripts)
    assert "default-src 'none'" in page


@pytest.fixture(scope="module")
def noisy():
    """A report of four pictures that no format makes small."""
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 255, (200, 200, 3), np.uint8)) for _ in range(4)]
    pictures = tuple(Picture(png_of(image), "noise") for image in noise)
    return Report("Noise", "All of it.", (Section("Pictures", (Gallery(pictures),)),))


def test_a_report_stays_below_its_limit(monkeypatch, noisy):
    monkeypatch.setattr(html, "LIMIT", 100_000)
    page = html.html_of(noisy)
    assert len(page) < html.LIMIT and b"image/webp" in page
    assert "its pictures are WebP of at most" in page.decode() and "left out" not in page.decode()
    monkeypatch.setattr(html, "LIMIT", 1000)
    with pytest.raises(SdlabError, match="name fewer runs"):
        html.html_of(noisy)


def test_at_the_border_nothing_is_done_and_a_byte_below_it_is_said(monkeypatch, noisy):
    whole = html.html_of(noisy)
    assert b"So that this file stays" not in whole and whole.count(b"image/png") == 4
    for limit, kind in ((len(whole) + 1000, b"image/png"), (len(whole) + 999, b"image/webp")):
        monkeypatch.setattr(html, "LIMIT", limit)
        page = html.html_of(noisy)
        assert len(page) <= limit and page.count(kind) == 4
        assert (b"So that this file stays" in page) == (kind == b"image/webp")


def test_pictures_that_do_not_fit_are_left_out_and_counted(monkeypatch, noisy):
    png = noisy.shown[0].parts[0].pictures[0].png
    smallest = len(encoded([png], 4000)[0][0])  # which only the smallest side is below
    monkeypatch.setattr(html, "LIMIT", len(html._written(noisy, [], [""] * 4, "", 200)) + 1000)
    monkeypatch.setattr(html, "LIMIT", html.LIMIT + round(2.5 * smallest))
    page = html.html_of(noisy).decode()
    assert len(page.encode()) <= html.LIMIT
    assert "The last 2 of its 4 pictures are left out." in page
    assert page.count("data:image/webp") == 2 and page.count(">Left out<") == 2


def test_tables_of_long_texts_are_cut_to_fit(monkeypatch):
    frame = pd.DataFrame({f"text {n}": ["x" * 10_000] * 200 for n in range(4)})
    report = Report("T", "", (Section("S", (Table(frame, "All"),)),))
    page = html.html_of(report).decode()
    assert "… (10,000 letters)" in page and len(page) < 10**6
    assert page.count("<tr><td>") == 200
    monkeypatch.setattr(html, "LIMIT", 150_000)
    page = html.html_of(report).decode()
    assert len(page) <= html.LIMIT and "The first 50 rows of 200." in page


@pytest.mark.every  # 200 large pictures take ten seconds
def test_two_hundred_large_pictures_stay_below_ten_megabytes():
    rng = np.random.default_rng(0)
    png = png_of(Image.fromarray(rng.integers(0, 255, (1024, 1024, 3), np.uint8)))
    pictures = tuple(Picture(png, f"run {n}") for n in range(200))
    page = html.html_of(Report("R", "", (Section("P", (Gallery(pictures),)),))).decode()
    assert len(page.encode()) <= 10 * 10**6 and "WebP of at most" in page
    assert page.count("data:image/webp") == 200


def test_a_run_whose_table_is_damaged_is_left_out_of_the_charts(store, tmp_path):
    root, _ = store
    shutil.copytree(root, tmp_path / "runs")
    runs = sdlab.runs(tmp_path / "runs")["run"].tolist()[:2]
    (tmp_path / "runs" / runs[0] / "steps.parquet").write_bytes(b"PAR1")
    report = making.report_of(tmp_path / "runs", runs)
    said, charts = report.shown[2].parts
    assert "is left out" in said.texts[0] and runs[0] in said.texts[0]
    assert charts.charts


def test_small_pictures_stay_as_they_are():
    png = png_of(Image.new("RGB", (8, 8), "red"))
    (uri,), said = encoded([png], 1000)
    assert uri.startswith("data:image/png;base64,") and said == ""
    (uri,), said = encoded([png], 10)
    assert uri is None and "64 pixels" in said and "The last 1 of its 1 pictures" in said


def test_charts_fill_their_place_with_seven_digits():
    runs = pd.DataFrame({"run": ["a"], "x": [1 / 3], "y": [2.0]})
    spec = html.spec_of(scatter(runs, "x", "y", "", {"x": "x", "y": "y"}))
    assert spec["width"] == "container"
    assert [row["x"] for rows in spec["datasets"].values() for row in rows] == [0.3333333]


def test_long_tables_are_cut_and_cells_read_well():
    frame = pd.DataFrame({"n": range(1000), "x": [None, 0.1 + 0.2, *[1.0] * 998]})
    page = html.html_of(Report("T", "", (Section("S", (Table(frame, "All"),)),))).decode()
    assert "The first 200 rows of 1,000." in page and "<td>0.3</td>" in page
    assert "vegaEmbed" not in page  # no scripts where there is no chart
    assert [html.cell(value) for value in (True, pd.NaT, float("nan"))] == ["yes", "", ""]


def test_the_scripts_are_those_of_altair():
    assert f"Vega-Lite {SCHEMA_VERSION}," in html.scripts()[:100]
    assert "</script" not in html.scripts().lower() and "<!--" not in html.scripts()


def test_the_colours_are_those_of_the_dashboard():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    script = (ROOT / "dashboard" / "report" / "report.js").read_text()
    for theme in ("light", "dark"):
        colors = " ".join(config[theme]["chartCategoricalColors"]).replace("#", "")
        assert f'"{colors}"' in script


def test_a_few_frames_are_spread_evenly():
    assert spread(range(3)) == [0, 1, 2] and spread([4]) == [0] and spread([]) == []
    assert spread(range(15)) == [0, 2, 4, 6, 8, 10, 12, 14]


def test_the_library_writes_the_file(store, tmp_path):
    root, ids = store
    path = sdlab.report(ids["grid"], tmp_path / "grid.html", root=root)
    assert path.read_bytes().startswith(b"<!doctype html>")


@pytest.mark.parametrize("name", ["plain", "comparison"])
def test_what_a_version_before_stored_is_reported(name):
    before = ROOT / "tests" / "data" / "version_0_2"
    of = json.loads((before / "ids.json").read_text())[name]
    report = making.report_of(before / "runs", [of])
    assert of in report.lead or of in str(report.shown[-1])
    assert len(report.shown) > 3 and html.html_of(report).startswith(b"<!doctype html>")


# By a process of its own, for the server.


async def whole(*args, **named):
    return b"".join([block async for block in written(*args, **named)]).decode()


@pytest.mark.every
def test_the_server_has_it_written_by_another_process(store):
    root, ids = store
    page = asyncio.run(whole(root, [ids["run"]], script="# the script"))
    assert page.startswith("<!doctype html>") and "# the script" in page


@pytest.mark.every  # what it says is tested above
def test_what_is_wrong_is_told_in_the_file(store):
    page = asyncio.run(whole(store[0], ["ffffff"]))
    assert "begins with &#x27;ffffff&#x27;" in page


def test_a_report_ends_with_who_waits_for_it(store):
    here = psutil.Process()
    before = set(here.children())

    async def left():
        waiting = asyncio.create_task(whole(store[0], [store[1]["run"]]))
        while not (made := set(here.children()) - before):
            await asyncio.sleep(0.01)
        while (nice := min(process.nice() for process in made)) == here.nice():
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled(), made, nice

    with ThreadPoolExecutor() as own:  # Playwright's loop may run in this thread
        cancelled, (process,), nice = own.submit(asyncio.run, left()).result()
    assert cancelled and not process.is_running()
    assert nice == min(19, here.nice() + NICER)  # the worker goes before it


def test_one_persons_reports_are_made_one_after_the_other(monkeypatch, tmp_path):
    begun, go_on = [], {}

    async def run(command, sent):
        begun.append(sent.decode())
        await go_on.setdefault(begun[-1], asyncio.Event()).wait()
        return 0, sent, ""

    async def made():
        asked = [("ada", "first"), ("ada", "second"), ("ada", "third"), ("bob", "other")]
        waiting = [asyncio.create_task(whole(tmp_path, ["aaaa"], *one[::-1])) for one in asked]
        seen = []
        for name in ("other", "first", "second", "third"):
            for _ in range(20):  # turns of the loop, in which all that can begins
                await asyncio.sleep(0)
            seen.append(sorted(begun))
            go_on[name].set()
        return seen, await asyncio.gather(*waiting)

    monkeypatch.setattr(routes, "_run", run)
    with ThreadPoolExecutor() as own:
        seen, pages = own.submit(asyncio.run, made()).result()
    assert seen[0] == seen[1] == ["first", "other"]
    assert seen[2] == ["first", "other", "second"]
    assert pages == ["first", "second", "third", "other"]


def test_only_what_is_stored_is_served(store, monkeypatch):
    monkeypatch.setattr(lab_module, "lab", lambda: SimpleNamespace(runs=store[0]))
    client = TestClient(Starlette(routes=report_routes()))
    several = f"?id={store[1]['run']}&id=%00", "?id=--help&id=-x"
    for address in ("", "?id=ffff", "?id=../x", *several):
        answer = client.get(f"/export/report.html{address}")
        assert answer.status_code == 404 and "Nothing is stored here" in answer.text
    many = "&".join(f"id={number:016x}" for number in range(MOST_RUNS + 1))
    answer = client.get(f"/export/report.html?{many}")
    assert answer.status_code == 400
    assert answer.text == "A report is of at most 500 runs, and 501 are named. Name fewer."
    assert report_url("a", "b") == "/export/report.html?id=a&id=b"
