"""Seeds and a grid on the Experiment page: from the fields to the sheet, and what it refuses."""

import io

import pandas as pd
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.shell.lab import lab
from dashboard.shell.routes import routes, sheet_url
from dashboard.shell.sign_in import Visitor
from dashboard.views.experiment import grid_view
from dashboard.views.experiment.grid_seen import sentences
from dashboard.views.workbench.saved_curves import NO_GRID
from dashboard.worker.stored_runs import stored_run
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.grid import Grid
from sdlab.runs.grids import open_grid, save_grid
from sdlab.runs.manifest import is_exact
from tests.dashboard.conftest import read, run_until
from tests.dashboard.forms import FORM, errors

SMALL = {"experiment.steps": "2", "experiment.width": "64", "experiment.height": "64"}
AXES = {
    "experiment.x": "Guidance scale (CFG)",
    "experiment.x_guidance_scale": "1, 4",
    "experiment.y": "Solver or scheduler",
    "experiment.seeds": "1-2",
}


def captions(at) -> str:
    return " ".join(c.value for c in at.caption)


def linked(at) -> list[str]:
    return [button.proto.url for button in at.get("link_button")]


def given(at, name) -> str:
    return "".join(at.query_params.get(name, ""))


def done(at):
    return any("/export/grid/" in url for url in linked(at))


def test_the_workbench_s_link_ends_a_sweep(open_page):
    """The fold that holds it is closed; whoever comes with a curve wants one picture."""
    at = open_page("experiment", **SMALL, **AXES)
    assert at.selectbox(key="experiment.x").value == AXES["experiment.x"]
    at = open_page("experiment", **SMALL, **NO_GRID)
    assert not at.exception and not at.error and not at.warning
    assert at.selectbox(key="experiment.x").value == at.selectbox(key="experiment.y").value
    assert at.selectbox(key="experiment.x").value == "nothing"
    assert not any("pictures" in button.label for button in at.button)


@pytest.fixture
def started(open_page):
    at = open_page("experiment", **SMALL, **AXES)
    assert "2 x 2 x 2 = 8 pictures" in captions(at) and not errors(at)
    (link,) = [p.proto.query_string for p in at.get("page_link") if "sweep" in p.proto.page]
    assert {"sweep.x_guidance_scale=1%2C+4", "sweep.seeds=1-2"} <= set(link.split("&"))
    return at.button(key=FORM).click().run()


def test_a_grid_from_the_address_to_the_sheet_and_the_table(started):
    assert "8 pictures: look beside the form" in started.toast[0].value
    at = run_until(started, lambda at: done(at) and "What is made appears" in captions(at))
    assert not at.exception and not errors(at)
    grid = open_grid(lab().runs, given(at, "grid"))
    assert [axis.field for axis in grid.axes] == ["guidance_scale", "solver", "seed"]
    assert grid.axes[1].values == ("ddim", "heun") and not given(at, "run")
    assert all((lab().runs / run.id / "manifest.json").is_file() for run in grid.experiments)
    assert any("4 steps" in m.value or "2 steps" in m.value for m in at.markdown)
    (said,) = [read(m) for m in at.markdown if m.value.startswith("**What is seen:**")]
    assert "By guidance scale, CFG 1 and CFG 4 differ by " in said and "By solver" in said
    assert "of the prompt's statements hold with" in said
    (link,) = [one.proto for one in at.get("page_link") if "step by step" in one.proto.label]
    assert link.label == "Compare step by step"
    assert link.query_string.count("%2C") == 7 or link.query_string.count(",") == 7
    with TestClient(Starlette(routes=routes())) as client:
        answer = client.get(sheet_url(grid.id))
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(answer.content)).width > 512
        assert client.get(sheet_url("0" * 16)).status_code == 404


def test_a_stored_grid_opens_by_its_address_alone(started, open_page):
    grid = given(run_until(started, done), "grid")
    at = open_page("experiment", grid=grid)
    assert done(at) and not at.exception
    assert "8 pictures" not in captions(at)  # the form is another's own


def test_one_run_takes_the_place_of_a_grid_and_back(started):
    at = run_until(started, done)
    at.text_input(key="experiment.seeds").set_value("").run()
    for side in "xy":
        at.selectbox(key=f"experiment.{side}").set_value("nothing").run()
    at.button(key=FORM).click().run()
    assert given(at, "run") and not given(at, "grid") and not done(at)


def test_a_run_in_the_address_goes_before_the_grid_shown_last(started, open_page):
    at = run_until(started, done)
    run = open_grid(lab().runs, given(at, "grid")).experiments[0].id
    at.query_params.clear()
    at.query_params["run"] = run
    at.run()
    assert not done(at) and given(at, "run") == run


def test_what_of_a_stored_grid_is_missing_can_be_made(runs_folder, open_page):
    base = Experiment(prompt="a cat", num_steps=2, width=64, height=64)
    grid = Grid(base, {"seed": "900-901"})
    save_grid(grid, runs_folder)
    at = open_page("experiment", grid=grid.id)
    assert [b.label for b in at.button if b.key == "experiment.grid_again"] == ["Run again"]
    assert not done(at) and len(at.get("download_button")) == 1  # the table, which says so
    at.button(key="experiment.grid_again").click().run()
    assert done(run_until(at, done))


def test_a_grid_that_is_nobodys_stays_so(runs_folder, monkeypatch):
    monkeypatch.setattr(grid_view, "visitor", lambda: Visitor("eve", operator=False))
    monkeypatch.setattr(grid_view, "session_id", lambda: "a session")
    base = Experiment(prompt="a cat", num_steps=1, width=64, height=64)
    old, new = Grid(base, {"seed": "910-911"}), Grid(base, {"seed": "911-912"})
    save_grid(old, runs_folder)  # as on the command line
    for grid in (old, new):
        grid_view.ask_grid(grid, mix=False)
    assert lab().owned.all_owners("grid") == {new.id: ("eve",)}
    assert lab().owned.owners("run", old.experiments[0].id) == ("eve",)


def test_an_unknown_grid_is_said(open_page):
    at = open_page("experiment", grid="nothing")
    assert any("No grid" in i.value for i in at.info) and not at.exception


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiment.seeds": "one"}, "seed: 'one' is no whole number; write for example 1-4"),
        ({"experiment.seeds": "1-400"}, "at most 64 pictures, got 400"),
        ({"experiment.x": "Steps", "experiment.x_num_steps": "5, ten"}, "num_steps: 'ten' is no"),
        ({"experiment.x": "Prompt"}, "prompt: give values"),
        ({"experiment.x": "Curve option"}, "write name = values"),
        ({"experiment.x": "Seed", "experiment.seeds": "1-2"}, "seed is an axis twice"),
        (
            {"experiment.x": "Seed", "experiment.y": "Steps", "experiment.y_num_steps": "1-20"},
            "at most 64 pictures, got 4 x 20 = 80",
        ),
    ],
)
def test_what_a_grid_refuses_is_said_at_once(open_page, changes, message):
    at = open_page("experiment", **SMALL, **changes)
    assert len(errors(at)) == 1 and message in errors(at)[0]
    assert at.button(key=FORM).disabled and not at.exception


def test_every_field_that_is_offered_makes_an_axis_or_says_what_it_needs(open_page):
    at = open_page("experiment", **SMALL)
    for name in at.selectbox(key="experiment.x").options[1:]:
        at.selectbox(key="experiment.x").set_value(name).run()
        assert not at.exception, name
        assert errors(at) or "pictures" in captions(at), name


def test_cancel_ends_all_pictures(open_page, unhurried):
    at = open_page(
        "experiment", **{**SMALL, "experiment.steps": "9"}, **{"experiment.seeds": "70-73"}
    )
    at.button(key=FORM).click().run()
    grid = open_grid(lab().runs, given(at, "grid"))
    at.button(key="experiment.cancel").click().run()
    unhurried()
    at = run_until(at, lambda at: any(b.key == "experiment.grid_again" for b in at.button))
    states = {view.state for run in grid.experiments if (view := lab().known_runs.get(run.id))}
    assert states == {"cancelled"} and not at.exception


def test_what_is_seen_is_said_of_the_figures():
    base = Experiment(prompt="a red car")
    grid = Grid(base, {"cfg": "1, 4, 8", "seed": "1-2"})
    pairs = pd.DataFrame(
        [
            ("guidance_scale", "CFG 1", "CFG 4", 61.2, 2),
            ("guidance_scale", "CFG 4", "CFG 8", 20.4, 2),
            ("seed", "seed 1", "seed 2", 80.0, 3),
        ],
        columns=["axis", "one", "other", "rms", "pairs"],
    )
    none = pd.DataFrame(columns=["axis", "value", "fidelity"])
    rms = "(RMS of the pixels, 0 to 255)"
    assert sentences(grid, pairs, none) == (
        f"By guidance scale, CFG 1 and CFG 4 differ most, by 61.2 {rms}, "
        "CFG 4 and CFG 8 least, by 20.4."
    )
    shares = pd.DataFrame(
        [("guidance_scale", "CFG 1", 0.5), ("guidance_scale", "CFG 4", 1.0)],
        columns=["axis", "value", "fidelity"],
    )
    said = sentences(grid, pairs, shares)
    assert said.endswith("; 100% of the prompt's statements hold with CFG 4, 50% with CFG 1.")
    seeds = Grid(base, {"seed": "1-2"})
    assert sentences(seeds, pairs, none) == f"By seed, seed 1 and seed 2 differ by 80 {rms}."
    assert sentences(grid, pairs.iloc[:0], none) == ""


@pytest.mark.every  # the worker's tests hold the rule
def test_pictures_are_exact_unless_sharing_is_chosen(open_page, unhurried):
    asked = {**SMALL, "experiment.steps": "4", "experiment.seeds": "31-33"}
    at = open_page("experiment", **asked, **{"experiment.shared": "true"})
    at = run_until(at.button(key=FORM).click().run(), done)
    runs = [x.id for x in open_grid(lab().runs, given(at, "grid")).experiments]
    assert "Made together." in captions(at)
    unhurried()
    at.toggle(key="experiment.shared").set_value(False).run()
    at.button(key=FORM).click().run()
    at = run_until(at, lambda at: done(at) and "Made together." not in captions(at))
    assert all(is_exact(stored_run(lab().runs, run).manifest) for run in runs)
