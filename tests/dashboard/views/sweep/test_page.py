"""The Sweep page: one spec in three ways, started, cancelled, gone on with, reopened, measured."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.shell.lab import lab
from dashboard.shell.routes import routes, sheet_url
from dashboard.views.sweep import start
from dashboard.views.sweep.making import Way, begin, runs_of, task, task_of
from dashboard.worker.limits import LimitError, Limits
from sdlab.errors import ModelError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.grid import Grid
from sdlab.experiment.overrides import sweep_of
from sdlab.runs.grids import save_grid
from sdlab.sweeping.result import open_sweep
from sdlab.sweeping.sweep_folder import SweepFolder, find_sweep
from tests.dashboard.conftest import run_until
from tests.dashboard.forms import errors
from tests.dashboard.worker.waiting import until

GO = "sweep.go"
LINES = ["prompt=a red car", "width=64", "height=64", "num_steps=1-2", "seed=0-1"]
TYPED = {"sweep.by": "Typed", "sweep.typed": "\n".join([*LINES, "solver=ddim,heun"])}


def given(at, name):
    return "".join(at.query_params.get(name, ""))


def captions(at):
    return " ".join(c.value for c in at.caption)


def keys(at):
    return {button.key for button in at.button}


def ended(at):
    return "sweep.again" in keys(at) or "sweep.missing" in keys(at)


@pytest.fixture(scope="module")
def spec():
    return sweep_of([*LINES, "solver=ddim,heun"])


def test_started_watched_measured_and_reopened(open_page, spec):
    at = open_page("sweep", **TYPED)
    assert "2 x 2 x 2 = **8 pictures**" in captions(at) and not errors(at)
    at = run_until(at.button(key=GO).click().run(), ended)
    assert given(at, "id") == spec.id and not at.exception and not errors(at)
    assert task(spec.id) is None  # what is done lies on disk
    result = open_sweep(lab().runs, spec.id)
    assert (result.table["state"] == "done").all() and "fidelity" in result.measures
    (best,) = [s.value for s in at.success]
    assert "most with" in best and "95 % interval" in best
    assert len(at.get("vega_lite_chart")) == 2 and len(at.get("download_button")) == 2
    with TestClient(Starlette(routes=routes())) as client:
        assert client.get(sheet_url(spec.id)).headers["content-type"] == "image/png"
    assert any(f"id={spec.id}" in button.proto.url for button in at.get("link_button"))  # report

    at.selectbox(key="sweep.measure").set_value("nfe").run()
    assert "least with steps 1 · ddim**, 1" in at.success[0].value
    at.selectbox(key="sweep.lines").set_value("none").run()
    assert len(at.get("vega_lite_chart")) == 1 and not at.exception

    at = open_page("sweep")  # the list, and the way back
    first = at.dataframe[0].value.iloc[0]
    assert (first["pictures"], first["state"]) == (8, "8 done") and GO in keys(at)
    at = open_page("sweep", id=spec.id)
    assert ended(at) and GO not in keys(at)
    at.button(key="sweep.change").click().run()
    assert 'prompt = "a red car"' in at.text_area(key="sweep.toml").value
    assert "**8 pictures**, 8 of them stored" in captions(at)


def test_cancelled_it_goes_on_and_other_runs_do_meanwhile(open_page, unhurried):
    at = open_page("sweep", **{**TYPED, "sweep.typed": "\n".join([*LINES, "seed=50-53"])})
    at.button(key=GO).click().run()
    sweep = given(at, "id")
    assert task(sweep).live
    other = lab().submit(Experiment(prompt="a cat", num_steps=1, width=64, height=64, seed=9))
    at.button(key="sweep.cancel").click().run()
    unhurried()
    at = run_until(at, ended)
    assert any("Cancelled" in i.value for i in at.info)
    left = next(b for b in at.button if b.key == "sweep.missing")
    at = run_until(left.click().run(), lambda at: "sweep.again" in keys(at))
    assert (open_sweep(lab().runs, sweep).table["state"] == "done").all()
    run_until(at, lambda at: (lab().runs / other).is_dir())


def test_a_failing_experiment_is_kept_with_its_error(open_page):
    lines = [*LINES[:3], "num_steps=2", "solver=ddim,hoin"]
    at = open_page("sweep", **{"sweep.by": "Typed", "sweep.typed": "\n".join(lines)})
    at = run_until(at.button(key=GO).click().run(), ended)
    assert "1 of 2 done" in " ".join(m.value for m in at.markdown)
    assert any("Unknown solver 'hoin'" in t.value for t in at.text) and not at.exception
    assert "sweep.failed" in keys(at)


def test_fields_prompts_and_toml_are_the_same_sweep(open_page):
    at = open_page("sweep", **{
        **{"experiment.steps": "2", "experiment.width": "64", "experiment.height": "64"},
        **{"sweep.x": "Guidance scale (CFG)", "sweep.x_guidance_scale": "1, 4"},
        **{"sweep.y": "Solver or scheduler", "sweep.seeds": "1-2"},
        **{"sweep.prompts": "a cat\n\na red car, by night"},
    })  # fmt: skip
    assert "2 x 2 x 2 x 2 = **16 pictures**" in captions(at) and not errors(at)
    text = 'prompts = ["a cat"]\n[base]\nnum_steps = 3\n[axes]\nseed = "0-2"'
    at = open_page("sweep", **{"sweep.by": "TOML", "sweep.toml": text})
    assert "**3 pictures** · **9 evaluations**" in captions(at) and not errors(at)


def test_a_search_is_asked_for_by_its_measure(open_page):
    at = open_page("sweep", **TYPED, **{"sweep.search": "true"})
    assert at.selectbox(key="sweep.sought").options[0] == "fidelity" and not errors(at)
    assert at.number_input(key="sweep.trials").value == 40
    at.selectbox(key="sweep.sought").set_value("nfe").run()
    at.number_input(key="sweep.trials").set_value(1).run()
    at = run_until(at.button(key=GO).click().run(), ended)
    assert (SweepFolder(lab().runs, given(at, "id")).path / "search.db").is_file()


def test_a_dry_run_says_what_it_takes(open_page):
    at = open_page("sweep", **{**TYPED, "sweep.typed": "\n".join([*LINES, "seed=70-73"])})
    at.button(key="sweep.dry.start").click().run()
    at = run_until(at, lambda at: any("Dry run" in m.value for m in at.markdown))
    (said,) = [m.value for m in at.markdown if "| Dry run" in m.value]
    assert "| To make | 8 of 8 |" in said and "| Evaluations | 12 |" in said


def test_a_grid_opens_as_a_sweep(runs_folder, open_page):
    grid = Grid(
        Experiment(prompt="a cat on a sweep", num_steps=2, width=64, height=64), {"seed": "902-903"}
    )
    save_grid(grid, runs_folder)
    at = open_page("sweep", id=grid.id)
    assert "0 of 2 done" in " ".join(m.value for m in at.markdown) and not at.exception
    assert find_sweep(runs_folder, grid.id).id == grid.id


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sweep.by": "Typed", "sweep.typed": "sovler=ddim"}, "Did you mean 'solver'"),
        ({"sweep.by": "TOML", "sweep.toml": "prompts = 'a.txt'"}, "no file is read"),
        ({"sweep.by": "TOML", "sweep.toml": "seds = 3"}, "Did you mean 'seeds'"),
        ({"sweep.x": "Steps", "sweep.x_num_steps": "5, ten"}, "num_steps: 'ten' is no"),
        ({"experiment.seed": "one"}, "whole number"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_starts(open_page, fields, message):
    at = open_page("sweep", **fields)
    assert len(errors(at)) == 1 and message in errors(at)[0]
    assert at.button(key=GO).disabled and not at.exception


def test_what_is_too_large_or_of_another_model_is_not_started(open_page, monkeypatch):
    monkeypatch.setattr(start, "MOST", 9)
    at = open_page("sweep", **{"sweep.by": "Typed", "sweep.typed": "seed=0-9"})
    assert at.button(key=GO).disabled and any("too many" in w.value for w in at.warning)
    at = open_page("sweep", **{"sweep.by": "Typed", "sweep.typed": "model=other\nseed=0-2"})
    assert at.button(key=GO).disabled and any("in memory" in w.value for w in at.warning)


def test_a_model_loaded_since_the_page_was_drawn_makes_no_other_ones_sweep(runs_folder):
    other = sweep_of(["model=other", "seed=0-2"])
    with pytest.raises(ModelError, match="This sweep is of other, and .* is in memory by now"):
        begin(other, Way(), "a session")
    assert find_sweep(runs_folder, other.id) is None and task(other.id) is None


def test_a_sweeps_runs_are_limited_and_belong_to_who_asks(runs_folder, monkeypatch):
    until(lambda: lab().status().model)
    sweep = sweep_of([f"model={lab().status().model.name}", *LINES, "seed=70-71"])
    monkeypatch.setattr(lab().limits, "limits", Limits(megapixel_steps=0.001))
    monkeypatch.setattr(lab().limits, "operator", lambda who: False)
    with pytest.raises(LimitError, match="64 x 64 pixels by 1 steps"):
        begin(sweep, Way(), "a session", "ada")
    assert find_sweep(runs_folder, sweep.id) is None and task(sweep.id) is None
    monkeypatch.setattr(lab().limits, "limits", Limits())
    begin(sweep, Way(measures=("distance",)), "a session", "ada")
    runs = runs_of(sweep, ("distance",), "vp")
    owners = lab().owned.all_owners("run")
    assert {owners[run.id] for run in runs} == {("ada",)}
    assert len(runs) == 4 + 2 and lab().owned.owners("sweep", sweep.id) == ("ada",)
    lab().cancel(task_of(sweep.id), "a session", "ada")


def test_a_sweep_that_is_nobodys_stays_so_and_its_new_runs_are_the_askers(runs_folder):
    until(lambda: lab().status().model)
    sweep = sweep_of([f"model={lab().status().model.name}", *LINES, "seed=80-81"])
    SweepFolder(runs_folder, sweep.id).save(sweep)  # as on the command line
    begin(sweep, Way(), "a session", "eve")
    owners = lab().owned.all_owners("run")
    assert {owners[run.id] for run in sweep.experiments} == {("eve",)}
    assert lab().owned.owners("sweep", sweep.id) == ()
    assert lab().cancel(task_of(sweep.id), "a session", "eve") == "cancelled"


def test_an_unknown_or_damaged_sweep_is_said(runs_folder, open_page):
    at = open_page("sweep", id="nothing")
    assert any("No sweep" in i.value for i in at.info) and not at.exception
    folder = SweepFolder(runs_folder, "0" * 16).path
    folder.mkdir(parents=True)
    (folder / "sweep.json").write_text("{")
    at = open_page("sweep", id="0" * 16)
    assert "cannot be read" in errors(at)[0] and not at.exception
    at = open_page("sweep")
    assert "cannot be read" in " ".join(at.dataframe[0].value["sweep"])
