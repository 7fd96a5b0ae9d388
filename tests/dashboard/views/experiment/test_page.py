"""The Experiment page by AppTest: from the form to the tables, and what it refuses."""

from urllib.parse import parse_qs

import pytest

import sdlab
from dashboard.shell.lab import lab
from sdlab.runs.run_folder import open_run
from sdlab.sampler_names import NAMES
from tests.dashboard.conftest import read, run_until
from tests.dashboard.forms import FORM, errors, open_tab, start, titles


def test_experiment_from_form_to_tables(quick):
    assert titles(quick) == ["Experiment"]
    assert [i.value for i in quick.info] == ["Press **Run**: the picture takes shape here."]
    at = start(quick)
    assert not at.exception and not at.error
    assert len(at.query_params["run"]) in (1, 16)
    assert not at.dataframe
    assert [len(d.value) for d in open_tab(at, "Tables").dataframe][:2] == [3, 12]
    assert len(at.get("download_button")) == 4
    assert len(open_tab(at, "Files").get("download_button")) == 1


@pytest.mark.every
def test_a_prompt_left_by_the_click_itself_is_what_runs(quick):
    quick.text_area(key="experiment.prompt").set_value("a typed sun")
    at = start(quick)  # one rerun has both
    assert open_run(lab().runs / "".join(at.query_params["run"])).experiment.prompt == "a typed sun"


def test_axis_choice_redraws_the_charts(quick):
    at = start(quick)
    assert at.segmented_control(key="run.axis").value == "step"
    at.segmented_control(key="run.axis").set_value("sigma").run()
    assert not at.exception
    assert len(at.get("vega_lite_chart")) == 3


def test_without_guidance_a_sentence_stands_for_the_charts(quick):
    quick.number_input(key="experiment.cfg").set_value(1.0).run()
    at = open_tab(start(quick), "Guidance")
    assert len(at.get("vega_lite_chart")) == 1
    assert any("no unconditional half" in c.value for c in at.caption)


def test_a_negative_prompt_without_guidance_is_told_before_and_after(quick):
    quick.text_input(key="experiment.negative").set_value("rain").run()
    assert not any("negative prompt is ignored" in i.value for i in quick.info)
    quick.number_input(key="experiment.cfg").set_value(1.0).run()
    assert any("negative prompt is ignored" in i.value for i in quick.info)
    at = start(quick)
    assert any("negative prompt is ignored" in w.value for w in at.warning)


def test_eta_only_where_it_applies(quick):
    assert any(s.key == "experiment.eta_0" for s in quick.number_input)
    quick.selectbox(key="experiment.solver").set_value("heun").run()
    assert not any(s.key.startswith("experiment.eta") for s in quick.number_input)
    assert not quick.exception


def test_eta_stands_at_the_solvers_own_and_can_be_zero(quick, runs_folder):
    quick.text_area(key="experiment.prompt").set_value("noise of its own")  # no other test's run
    quick.selectbox(key="experiment.solver").set_value("euler_ancestral").run()
    assert quick.number_input(key="experiment.eta_1").value == 1.0

    def etas():
        made = [open_run(path).experiment for path in runs_folder.glob("[0-9a-f]" * 16)]
        return [e.eta for e in made if e.prompt == "noise of its own"]

    start(quick)
    assert etas() == [None]
    quick.number_input(key="experiment.eta_1").set_value(0.0).run()
    quick.button(key=FORM).click().run()
    run_until(quick, lambda at: 0.0 in etas())


@pytest.mark.every
def test_every_scheduler_can_be_chosen(quick):
    table = sdlab.schedulers()
    names = quick.selectbox(key="experiment.solver").options
    assert set(names) == {*table.loc[table["compatible"], "name"], *NAMES}
    for name in [name for name in names if name not in NAMES]:
        quick.selectbox(key="experiment.solver").set_value(name).run()
        assert not quick.exception and not quick.error, name
        assert quick.selectbox(key="experiment.solver").value == name


@pytest.mark.parametrize(
    ("name", "solver", "curve", "settled"),
    [
        ("DPM++ 2M Karras", "dpmpp_2m", "karras", True),
        ("Euler a", "euler_ancestral", "linspace", False),
    ],
)
def test_a_web_uis_name_sets_solver_and_curve(quick, name, solver, curve, settled):
    quick.selectbox(key="experiment.solver").set_value(name).run()
    (field,) = [box for box in quick.selectbox if box.label == "Sigma curve"]
    assert (field.value, field.disabled) == (curve, settled)
    assert any(f"Here: {solver} over {curve}." == c.value for c in quick.caption)
    at = start(quick)
    made = open_run(lab().runs / "".join(at.query_params["run"])).experiment
    assert (made.solver, made.curve, made.solver_options) == (solver, curve, ())


def test_the_bench_is_asked_of_the_solver_chosen_and_those_used_most(quick):
    quick.selectbox(key="experiment.solver").set_value("DPM++ 2M Karras").run()
    (link,) = [one.proto for one in quick.get("page_link") if "best at" in one.proto.label]
    assert link.label == "Which is best at 3 evaluations?" and "bench.at=3" in link.query_string
    asked = parse_qs(link.query_string)["bench.solvers"]
    assert asked == ["dpmpp_2m", "ddim", "euler", "heun"]


def test_the_dice_give_another_seed(quick):
    before = quick.text_input(key="experiment.seed").value
    quick.button(key="experiment.dice").click().run()
    after = quick.text_input(key="experiment.seed").value
    assert after != before and 0 <= int(after) < 2**32


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("experiment.seed", "abc", "seed must be a whole number"),
        ("experiment.seed", "-1", "seed must be from 0 to 18446744073709551615"),
        ("experiment.seed", str(2**64), "seed must be from 0"),
        ("experiment.options", "rho", "name=value"),
        ("experiment.options", "rho=1, rho=2", "comes twice"),
        ("experiment.curve_options", "rho", "curve options are name=value"),
        ("experiment.negative", "a\x07b", "control character"),
    ],
)
def test_what_cannot_run_is_said_at_once(quick, key, value, message):
    quick.text_input(key=key).set_value(value).run()
    assert len(errors(quick)) == 1 and message in errors(quick)[0]
    assert quick.button(key=FORM).disabled
    assert not quick.exception


def test_own_curves_are_offered_to_own_solvers_and_run(quick, runs_folder):
    from sdlab.noise import NoiseSchedule
    from sdlab.noise.exchange import NamedCurve
    from sdlab.runs.curves import delete_curve, save_curve

    table = NamedCurve("sigmas", {"sigmas": (14.0, 3.0, 0.5, 0.0)}, 3)
    save_curve("for the form", table, NoiseSchedule.from_config({}), runs_folder)
    quick.run()
    curve = quick.selectbox(key="experiment.curve")
    assert {"ays_sd15", "formula", "saved: for the form"} <= set(curve.options)
    curve.set_value("saved: for the form").run()
    quick.number_input(key="experiment.steps").set_value(4).run()
    assert errors(quick) == ["the curve is a table of 3 steps, so Steps must be 3, got 4."]
    quick.number_input(key="experiment.steps").set_value(3).run()
    at = open_tab(start(quick), "Tables")
    assert at.dataframe[0].value["sigma"].tolist() == [14.0, 3.0, 0.5]
    (runs_folder / "curves" / "for the form.json").write_text("{")
    at.run()
    assert "cannot be read" in errors(at)[0] and not at.exception
    delete_curve("for the form", runs_folder)
    quick.selectbox(key="experiment.solver").set_value("DDIMScheduler").run()
    assert "formula" not in quick.selectbox(key="experiment.curve").options


def test_a_curve_of_another_model_is_noticed_and_left(open_page):
    drawn = "points=[[0.0, 20.5], [1.0, 0.05]]"
    fields = {"curve": "points", "curve_options": drawn, "steps": "3"}
    at = open_page("experiment", **{f"experiment.{name}": v for name, v in fields.items()})
    (said,) = [read(w) for w in at.warning]
    assert said.startswith("Your drawn curve belongs to another model (sigma up to 20.5);")
    assert at.button(key=FORM).disabled and "Drawn curve of 2 points." in map(read, at.caption)
    at.button(key="experiment.curve_own").click().run()
    assert at.selectbox(key="experiment.curve").value == "as trained"
    assert at.text_input(key="experiment.curve_options").value == ""
    assert not at.warning and not at.button(key=FORM).disabled


def test_the_options_of_a_curve_go_with_it(quick):
    quick.selectbox(key="experiment.curve").set_value("points").run()
    typed = quick.text_input(key="experiment.curve_options")
    typed.set_value("points=[[0, 10], [1, 0.05]]").run()
    assert not errors(quick)
    quick.selectbox(key="experiment.curve").set_value("as trained").run()
    assert quick.text_input(key="experiment.curve_options").value == ""
    quick.selectbox(key="experiment.curve").set_value("points").run()
    typed.set_value("points=[[0, 10], [1, 0.05]]").run()
    quick.selectbox(key="experiment.solver").set_value("DDIMScheduler").run()
    assert quick.text_input(key="experiment.curve_options").value == "" and not errors(quick)


def test_a_formula_is_typed_as_a_curve_option(quick):
    quick.selectbox(key="experiment.curve").set_value("formula").run()
    typed = quick.text_input(key="experiment.curve_options")
    typed.set_value("formula=max(10 - 9*u, sigma_min)").run()
    at = open_tab(start(quick), "Tables")
    assert at.dataframe[0].value["sigma"].tolist() == [10.0, 5.5, 1.0]


def test_a_size_off_the_grid_names_the_nearest(quick):
    quick.number_input(key="experiment.width").set_value(100).run()
    assert "try 96 or 104" in errors(quick)[0]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("experiment.options", "nonsense=1", "nonsense"),
        ("experiment.options", "eta=often", "eta"),
    ],
)
def test_what_the_model_refuses_is_said_in_the_run(quick, key, value, message):
    quick.text_input(key=key).set_value(value).run()
    quick.button(key=FORM).click().run()
    at = run_until(quick, errors)
    assert message in errors(at)[0] and not at.exception


def test_more_than_memory_is_refused_with_figures(quick):
    for side in ("width", "height"):
        quick.number_input(key=f"experiment.{side}").set_value(4096)
    quick.number_input(key="experiment.steps").set_value(999).run()
    quick.button(key=FORM).click().run()
    at = run_until(quick, errors)
    assert "GB" in errors(at)[0] or "GiB" in errors(at)[0]


def test_a_long_prompt_runs_and_shows_what_was_cut(quick):
    quick.text_area(key="experiment.prompt").set_value("a red cat " * 40).run()
    at = start(quick)
    assert any("cut off" in w.value and "red cat" in w.value for w in at.warning)


def test_a_run_that_could_not_be_saved_can_be_saved_again(quick, monkeypatch):
    from sdlab.errors import StoreError
    from sdlab.runs.run import Run

    def full(run, folder):
        raise StoreError("No space left on the disk.")

    quick.text_input(key="experiment.seed").set_value("77").run()
    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", full)
        quick.button(key=FORM).click().run()
        at = run_until(quick, errors)
        assert "could not be saved: No space left" in errors(at)[0]
    at.button(key="experiment.save_again").click().run()
    run_until(at, lambda a: a.header)
    assert not errors(at) and not at.exception


def test_a_run_starts_from_an_uploaded_picture(quick):
    import io

    from PIL import Image

    Image.linear_gradient("L").save(stream := io.BytesIO(), "PNG")
    field = quick.file_uploader(key="experiment.image.file_0")
    field.set_value(("a.png", stream.getvalue(), "image/png")).run()
    quick.slider(key="experiment.strength").set_value(0.7).run()
    at = start(quick)
    assert not at.exception and not errors(at)
    made = open_run(lab().runs / "".join(at.query_params["run"]))
    assert made.experiment.image.has_pixels and len(made.steps) == 2
    assert "Source picture" in {caption.value for caption in at.caption}


def test_the_form_says_why_a_run_takes_more_evaluations_than_steps(open_page):
    at = open_page("experiment", **{"experiment.solver": "heun", "experiment.steps": "20"})
    run_until(at, lambda a: any("39 evaluations" in c.value for c in a.caption))
    (told,) = [c for c in at.caption if "39 evaluations" in c.value]
    assert read(told).startswith(
        "20 steps, 39 evaluations. **Why 39?** heun asks the network twice"
    )
    assert "19 x 2 + 1 = 39" in read(told)
    at.selectbox(key="experiment.solver").set_value("ddim").run()
    assert any(c.value == "20 steps, 20 evaluations." for c in at.caption) and not at.exception
