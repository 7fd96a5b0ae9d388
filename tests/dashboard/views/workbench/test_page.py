"""The Workbench: drafts and charts by themselves, the page with the real model."""

import json

import numpy as np
import pytest

import sdlab
from dashboard.charts import workbench as charts
from dashboard.components.points_editor import _pairs
from dashboard.shell.lab import lab
from dashboard.views.workbench import draft as drafts
from dashboard.views.workbench.controls import CurveTrial
from dashboard.views.workbench.page import _longest, problem_table
from dashboard.views.workbench.saved_curves import loaded_from, solver_code
from sdlab.noise import NoiseSchedule, curves
from sdlab.noise.exchange import NamedCurve
from sdlab.noise.schedule import FlowTimes
from sdlab.runs.curves import delete_curve, list_curves, load_curve
from sdlab.runs.run_folder import open_run
from sdlab.shipped import EMBEDDED
from tests.dashboard.conftest import read, run_until

SCHEDULE = NoiseSchedule.from_config(
    {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
)


PIXELS = {"workbench.space": "Pixels"}  # no VAE decodes two strips for every rerun


@pytest.fixture
def bench(open_page):
    return open_page("workbench", **PIXELS)


def errors(at) -> list[str]:
    return [read(e) for e in at.error]


def links_to_runs(at) -> int:
    return sum(link.proto.label == "Every step of it" for link in at.get("page_link"))


def tabs(at) -> list[str]:
    return [tab.label for tab in at.tabs]


@pytest.mark.parametrize("text", [drafts.FORMULA, *drafts.EXAMPLES.values()])
@pytest.mark.parametrize("num_steps", [1, 2, 30])
def test_the_examples_are_sound(text, num_steps):
    draft = drafts.of_formula(text, num_steps, SCHEDULE)
    assert not draft.problems
    made = curves.make(draft.curve, SCHEDULE, num_steps, draft.options)
    np.testing.assert_array_equal(draft.sigmas, made)


def test_a_draft_keeps_what_is_wrong_at_its_place():
    draft = drafts.of_formula("1/(u - 0.5) + 20", 5, SCHEDULE)
    assert [p.index for p in draft.problems] == [0, 1, 2, 3, 4]
    assert "division by zero" in draft.problems[2].sentence and np.isnan(draft.sigmas[2])
    assert "above the model's largest" in draft.problems[0].sentence


def test_a_table_is_appended_only_when_asked():
    bare, ended = (drafts.of_table("14.6 2.5 0.1", zero, SCHEDULE) for zero in (False, True))
    assert "append a 0" in bare.problems[0].sentence and bare.num_steps == 2
    assert not ended.problems and ended.sigmas.tolist() == [14.6, 2.5, 0.1, 0.0]
    already = drafts.of_table("14.6 2.5 0", True, SCHEDULE)
    assert already.sigmas.tolist() == [14.6, 2.5, 0.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [("0", "two sigmas or more"), ("a", "no number"), ("1 " * 1002, "1,001 steps; the model's")],
)
def test_a_table_that_is_none_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        drafts.of_table(text, False, SCHEDULE)


def test_points_go_through_text_and_back():
    points = drafts.first_points(SCHEDULE)
    back = drafts.read_points(drafts.points_text(points))
    np.testing.assert_allclose(back, points, rtol=1e-3)
    draft = drafts.of_points(back, 12, SCHEDULE)
    assert not draft.problems and len(draft.sigmas) == 13


@pytest.mark.parametrize("text", ["0", "0 1, x 2", "0 1 2, 1 1", "0 14; 1 nan", ""])
def test_bad_points_are_refused(text):
    with pytest.raises(ValueError, match="point"):
        drafts.read_points(text)


@pytest.mark.parametrize(
    "named",
    [
        NamedCurve("formula", {"formula": "10 - 9*u"}, 7),
        NamedCurve("points", {"points": ((0, 14.0), (0.25, 3.0), (1, 0.05))}, 7),
        NamedCurve("sigmas", {"sigmas": (14.0, 1.0, 0.0)}, 2),
        NamedCurve("karras", {"rho": 3.0}, 7),
        NamedCurve("formula", {"formula": "sigma_max - u", "sigma_max": 9.0}, 7),
    ],
)
def test_any_curve_can_be_opened(named):
    settings = drafts.as_settings(named, SCHEDULE)
    by_way = {
        "Formula": lambda: drafts.of_formula(settings["formula"], settings["steps"], SCHEDULE),
        "Table": lambda: drafts.of_table(settings["table"], False, SCHEDULE),
        drafts.DRAW: lambda: drafts.of_points(
            drafts.read_points(settings["points"]), settings["steps"], SCHEDULE
        ),
    }
    draft = by_way[settings["way"]]()
    want = curves.make(named.curve, SCHEDULE, named.num_steps, named.options)
    np.testing.assert_allclose(draft.sigmas, want, rtol=1e-4)


@pytest.mark.parametrize("sent", [None, 3, "x", [[1]], [["a", 1]], [[1, 2, 3]]])
def test_what_a_browser_sends_is_judged(sent):
    assert _pairs(sent) == []


def test_charts_show_both_curves_and_the_problems():
    draft = drafts.of_table("14 2 3 -1 0", False, SCHEDULE)
    frame = charts.curve_table({"yours": draft.sigmas, "karras": curves.karras(4, 0.03, 14.6)})
    problems = problem_table(draft)
    assert problems["step"].tolist() == [2, 3]
    spec = charts.sigma(frame, problems).to_dict()
    assert spec["title"]["text"] == "Noise level"
    marks = [layer["mark"]["type"] for layer in spec["layer"]]
    assert marks == ["rule", "line", "circle", "point"]
    for chart in (charts.log_snr, charts.ratio):
        titles = [
            layer["encoding"]["x"]["title"] for layer in chart(frame, problems).to_dict()["layer"]
        ]
        assert set(titles) == {"solver step"}
    assert frame["ratio"].tolist()[0] == pytest.approx(1 / 7)


def test_a_sound_curve_has_no_marks_and_a_missing_column_is_named():
    frame = charts.curve_table({"yours": curves.karras(4, 0.03, 14.6)})
    none = problem_table(drafts.of_formula(drafts.FORMULA, 4, SCHEDULE))
    marks = [layer["mark"]["type"] for layer in charts.ratio(frame, none).to_dict()["layer"]]
    assert marks == ["line", "circle"]
    with pytest.raises(ValueError, match="needs the column.*ratio"):
        charts.ratio(frame.drop(columns="ratio"), none)


def test_the_page_opens_sound_with_everything(open_page):
    bench = open_page("workbench")
    assert [t.value for t in bench.title] == ["Workbench"] and not bench.exception
    assert tabs(bench) == ["A noised image", "Pictures", "Save and export"]
    assert not bench.error and len(bench.get("vega_lite_chart")) == 3


@pytest.mark.every
def test_lint_of_many_steps_waits_to_be_asked(bench):
    found = len(bench.expander)
    bench.number_input(key="workbench.steps").set_value(400).run()
    assert bench.toggle(key="workbench.slow").value is False and len(bench.expander) < found
    bench.toggle(key="workbench.slow").set_value(True).run()
    assert len(bench.expander) > 1 and not bench.exception


def test_problems_are_said_and_nothing_else_is_offered(bench):
    bench.text_area(key="workbench.formula").set_value("1/u").run()
    assert "step 0 (u = 0): division by zero" in errors(bench)[0].replace("\\", "")
    assert tabs(bench) == [] and len(bench.get("vega_lite_chart")) == 3
    bench.text_area(key="workbench.formula").set_value("u.real").run()
    assert "no attributes" in errors(bench)[0]
    assert not bench.exception and bench.text_area(key="workbench.formula").value == "u.real"


def test_an_example_is_put_into_the_field(bench):
    bench.button(key="workbench.example_Karras, rho 7").click().run()
    assert bench.text_area(key="workbench.formula").value == drafts.EXAMPLES["Karras, rho 7"]
    assert not bench.error


def test_a_table_ends_in_zero_when_asked(bench):
    bench.segmented_control(key="workbench.way").set_value("Table").run()
    bench.text_area(key="workbench.table").set_value("14.6\n2.5\n0.1").run()
    assert "At line 3: the curve ends at sigma 0" in errors(bench)[0].replace("\\", "")
    bench.toggle(key="workbench.zero").set_value(True).run()
    assert not bench.error and any(c.value == "3 steps." for c in bench.caption)


def test_points_and_baselines_by_url(open_page):
    at = open_page(
        "workbench",
        **{
            "workbench.way": "Points",
            "workbench.points": "0 14, 0.5 1, 1 0.05",
            "workbench.steps": "3",
            "workbench.baseline": "ays_sd15",
        },
    )
    assert not at.error and not at.exception
    table = at.dataframe[0].value
    np.testing.assert_allclose(table["sigma"][:4], [14.0, 1.0, 0.05, 0.0])
    assert set(table["series"]) == {"yours", "ays_sd15"}


def test_a_baseline_that_has_none_is_explained(open_page):
    at = open_page("workbench", **{"workbench.steps": "60", "workbench.baseline": "lcm"})
    assert any("take fewer steps" in w.value for w in at.warning) and not at.exception
    assert tabs(at) == ["Save and export"]


def test_both_pictures_are_made(open_page, runs_folder):
    at = open_page("workbench", **PIXELS, **{"workbench.steps": "2", "workbench.seed": "1107"})
    at.button(key="workbench.go").click().run()
    run_until(at, lambda a: links_to_runs(a) == 2)
    assert not at.exception and not at.error
    made = [open_run(path) for path in runs_folder.glob("[0-9a-f]" * 16)]
    ours = {run.experiment.curve: run for run in made if run.experiment.seed == 1107}
    assert set(ours) == {"formula", "karras"}
    assert ours["formula"].experiment.to_dict()["curve_options"] == {"formula": drafts.FORMULA}


@pytest.mark.every
def test_what_is_left_by_the_click_itself_is_saved_and_deleted(bench):
    bench.text_input(key="workbench.name").set_value("first name").run()
    bench.text_input(key="workbench.name").set_value("second name")
    bench.button(key="workbench.save").click().run()
    assert [read(s) for s in bench.success] == ["second name is saved."]
    bench.text_input(key="workbench.name").set_value("first name").run()
    bench.button(key="workbench.save").click().run()
    kept = {"first name", "second name"}
    assert kept <= {curve.name for curve in list_curves()}
    other = (kept - {bench.selectbox(key="workbench.saved").value}).pop()
    bench.selectbox(key="workbench.saved").set_value(other)
    bench.button(key="workbench.delete").click().run()
    left = {curve.name for curve in list_curves()} & kept
    assert left == kept - {other}
    delete_curve(left.pop())


def test_a_curve_is_saved_opened_and_deleted(bench, runs_folder):
    bench.text_area(key="workbench.formula").set_value("12 - 11*u").run()
    bench.text_input(key="workbench.name").set_value("my line").run()
    bench.button(key="workbench.save").click().run()
    assert [s.value.replace("\\", "") for s in bench.success] == ["my line is saved."]
    assert load_curve("my line", runs_folder).options == {"formula": "12 - 11*u"}
    bench.text_area(key="workbench.formula").set_value("13 - 12*u").run()
    bench.button(key="workbench.load").click().run()
    assert bench.text_area(key="workbench.formula").value == "12 - 11*u"
    bench.selectbox(key="workbench.baseline").set_value("saved: my line").run()
    assert not bench.exception and not bench.error
    bench.selectbox(key="workbench.baseline").set_value("karras").run()
    bench.button(key="workbench.delete").click().run()
    assert "my line" not in {curve.name for curve in list_curves(runs_folder)}
    assert not bench.exception


def test_a_bad_name_is_refused_and_the_curve_stays(bench):
    bench.text_input(key="workbench.name").set_value("../x").run()
    bench.button(key="workbench.save").click().run()
    assert "a curve's name may hold" in errors(bench)[0].replace("\\", "")
    assert bench.text_input(key="workbench.name").value == "../x"


def test_a_damaged_curve_is_told_and_the_page_works(bench, runs_folder):
    (runs_folder / "curves").mkdir(exist_ok=True)
    (runs_folder / "curves" / "broken.json").write_text("{")
    bench.run()
    assert any("broken" in w.value for w in bench.warning) and not bench.exception
    bench.button(key="workbench.load").click().run()
    assert "cannot be read" in errors(bench)[0].replace("\\", "")
    delete_curve("broken", runs_folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no json", "cannot be read as JSON"),
        (b"{}", "this JSON is no scheduler config"),
        (b'{"kind": "sdlab.curve", "format": 1, "curve": "x"}', "unknown name"),
    ],
)
def test_a_hostile_file_is_refused(bench, content, said):
    bench.get("file_uploader")[0].set_value(("bad.json", content, "application/json")).run()
    assert said in errors(bench)[0].replace("\\", "") and not bench.exception


def test_a_scheduler_config_becomes_a_table(bench):
    config = {
        "_class_name": "EulerDiscreteScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "use_karras_sigmas": True,
        "clip_sample": True,
    }
    file = ("scheduler_config.json", json.dumps(config).encode(), "application/json")
    bench.get("file_uploader")[0].set_value(file).run()
    assert not bench.error and not bench.exception
    assert bench.segmented_control(key="workbench.way").value == "Table"
    sigmas = [float(line) for line in bench.text_area(key="workbench.table").value.splitlines()]
    np.testing.assert_allclose(sigmas, curves.make("karras", SCHEDULE, 20, {}), rtol=1e-5)
    entries = bench.dataframe[0].value.set_index("entry")["used or why not"]
    assert entries["clip_sample"].startswith("ignored: the laboratory's own solvers never clip")


def test_the_same_pictures_are_found_again(open_page):
    at = open_page("workbench", **{"workbench.steps": "2", "workbench.seed": "1107"})
    assert lab().status().model is not None
    assert not any(b.key == "workbench.go" for b in at.button) and links_to_runs(at) == 2


def test_the_code_shown_makes_the_picture_of_its_solver():
    draft = drafts.of_points([(0.0, 14.0), (1.0, 0.05)], 2, SCHEDULE)
    trial = CurveTrial("dpmpp_2m", "a parrot", 3)
    made = {}
    exec(solver_code(draft, trial, loaded_from(EMBEDDED)), made)
    asked = sdlab.Experiment(
        prompt="a parrot",
        seed=3,
        solver="dpmpp_2m",
        curve="points",
        curve_options=draft.options,
        num_steps=2,
    )
    want = sdlab.run(sdlab.load(), asked).image
    difference = np.abs(np.asarray(made["image"], int) - np.asarray(want, int))
    assert difference.max() <= 1  # the pipeline decodes in a batch of its own


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("way", ["formula", "points"])
def test_what_flow_matching_begins_with_has_no_warning(shift, way):
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": shift}
    times = FlowTimes.of_config(config, 4096)
    draft = (
        drafts.of_formula(drafts.first_formula(times), 20, times)
        if way == "formula"
        else drafts.of_points(drafts.first_points(times), 20, times)
    )
    assert not draft.problems
    found = sdlab.lint("dpmpp_2m", 20, config=config, curve=way, curve_options=draft.options)
    assert "curve-over-time" not in set(found["rule"])
    old = {"formula": drafts.FORMULA}
    found = sdlab.lint("dpmpp_2m", 20, config=config, curve="formula", curve_options=old)
    (said,) = found.loc[found["rule"] == "curve-over-time", "message"]
    assert said.startswith("With the curve 'formula', ")


def test_the_longest_step_of_a_sound_curve_is_named():
    sound = drafts.Draft("sigmas", {}, 3, np.array([10.0, 8.0, 2.0, 0.0]))
    assert _longest(sound) == "Yours goes furthest in step 1, to 0.25 of what it was."
    short = drafts.Draft("sigmas", {}, 1, np.array([10.0, 0.0]))
    assert _longest(short) == "The noise level at which each step begins."


@pytest.mark.parametrize("page", ["workbench", "noised_images"])
def test_without_a_list_of_samplers_the_page_says_so(open_page, monkeypatch, page):
    open_page(page)
    monkeypatch.setattr(lab(), "catalogue", lambda: None)
    at = open_page(page)
    assert errors(at) == ["No model could be loaded."] and not at.exception
