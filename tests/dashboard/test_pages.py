"""Every page by AppTest, with the real embedded model behind the real worker."""

import json
import os
import shutil
from dataclasses import replace

import pytest

import sdlab
from dashboard.shell.lab import lab
from dashboard.worker.snapshots import ModelRequest
from sdlab.experiment.experiment import Experiment
from sdlab.runs.run_folder import open_run
from tests.dashboard.conftest import read, run_until

FORM = "experiment.go"


def titles(at) -> list[str]:
    return [t.value for t in at.title]


def errors(at) -> list[str]:
    return [read(e) for e in at.error]


def start(at):
    at.button(key=FORM).click().run()
    return run_until(at, lambda a: any(s.value == "Measurements" for s in a.header))


@pytest.fixture
def quick(open_page):
    at = open_page("experiment")
    at.number_input(key="experiment.steps").set_value(3).run()
    return at


@pytest.fixture
def slow_run(runs_folder):
    run = lab().submit(Experiment(prompt="slow", seed=99, num_steps=900))
    yield run
    lab().cancel(run, "nobody")


def test_home_makes_a_picture(open_page):
    at = open_page("home")
    assert titles(at) == ["sdlab, the laboratory for Stable Diffusion"]
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


def test_experiment_from_form_to_tables(quick):
    assert titles(quick) == ["Experiment"]
    assert [i.value for i in quick.info] == ["Press **Run**: the picture takes shape here."]
    at = start(quick)
    assert not at.exception and not at.error
    assert len(at.query_params["run"]) in (1, 16)
    assert [len(d.value) for d in at.dataframe][:2] == [3, 12]
    assert len(at.get("download_button")) == 5


def test_a_prompt_left_by_the_click_itself_is_what_runs(quick):
    quick.text_area(key="experiment.prompt").set_value("a typed sun")
    at = start(quick)  # one rerun has both
    assert open_run(lab().runs / "".join(at.query_params["run"])).experiment.prompt == "a typed sun"


def test_axis_choice_redraws_the_charts(quick):
    at = start(quick)
    assert at.segmented_control(key="run.axis").value == "step"
    at.segmented_control(key="run.axis").set_value("sigma").run()
    assert not at.exception
    assert len(at.get("vega_lite_chart")) == 11


def test_without_guidance_a_sentence_stands_for_the_charts(quick):
    quick.number_input(key="experiment.cfg").set_value(1.0).run()
    at = start(quick)
    assert len(at.get("vega_lite_chart")) == 9
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
    quick.selectbox(key="experiment.solver").set_value("euler_ancestral").run()
    assert quick.number_input(key="experiment.eta_1").value == 1.0

    def etas():
        made = [open_run(path).experiment for path in runs_folder.glob("[0-9a-f]" * 16)]
        return [e.eta for e in made if e.solver == "euler_ancestral"]

    start(quick)
    assert etas() == [None]
    quick.number_input(key="experiment.eta_1").set_value(0.0).run()
    quick.button(key=FORM).click().run()
    run_until(quick, lambda at: 0.0 in etas())


def test_every_scheduler_can_be_chosen(quick):
    table = sdlab.schedulers()
    names = quick.selectbox(key="experiment.solver").options
    assert set(names) == set(table.loc[table["compatible"], "name"])
    for name in names:
        quick.selectbox(key="experiment.solver").set_value(name).run()
        assert not quick.exception and not quick.error, name
        assert quick.selectbox(key="experiment.solver").value == name


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
    at = start(quick)
    assert at.dataframe[0].value["sigma"].tolist() == [14.0, 3.0, 0.5]
    (runs_folder / "curves" / "for the form.json").write_text("{")
    at.run()
    assert "cannot be read" in errors(at)[0] and not at.exception
    delete_curve("for the form", runs_folder)
    quick.selectbox(key="experiment.solver").set_value("DDIMScheduler").run()
    assert "formula" not in quick.selectbox(key="experiment.curve").options


def test_a_formula_is_typed_as_a_curve_option(quick):
    quick.selectbox(key="experiment.curve").set_value("formula").run()
    typed = quick.text_input(key="experiment.curve_options")
    typed.set_value("formula=max(10 - 9*u, sigma_min)").run()
    at = start(quick)
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


@pytest.mark.parametrize("name", ["id", "run"])  # other pages write the latter
def test_run_page_by_link(open_page, quick, name):
    run = lab().submit(Experiment(prompt="a sun", seed=3, num_steps=2))
    at = run_until(open_page("run", **{name: run}), lambda a: a.header)
    assert titles(at) == ["Run"] and not at.exception
    assert len(at.dataframe) == 4


@pytest.mark.parametrize("given", ["0" * 16, "../../etc", "x", "'; drop", "0123456789ABCDEF"])
def test_run_page_with_an_unknown_id(open_page, given):
    at = open_page("run", id=given)
    assert titles(at) == ["Run"] and not at.exception
    assert "is stored here" in at.info[0].value


def test_run_page_without_an_id(open_page):
    at = open_page("run")
    assert at.text_input(key="run.id").value == ""


def test_run_page_of_a_live_run_and_cancel(open_page, slow_run):
    at = open_page("run", id=slow_run)
    run_until(at, lambda a: any(b.key == "run.cancel" for b in a.button))
    at.button(key="run.cancel").click().run()
    run_until(at, lambda a: any("Cancelled" in i.value for i in a.info))
    assert any(b.key == "run.again" for b in at.button)


def test_runs_lists_the_stored_and_the_unfinished(open_page, slow_run):
    done = lab().submit(Experiment(prompt="a star", seed=4, num_steps=2))
    run_until(open_page("run", id=done), lambda a: a.header)
    at = open_page("runs")
    assert titles(at) == ["Runs"] and not at.exception
    table = at.dataframe[0].value
    assert done in set(table["id"])
    assert "Not stored" in [h.value for h in at.header]


def test_a_spoilt_run_is_named_and_the_others_are_shown(open_page, runs_folder):
    done = lab().submit(Experiment(prompt="a star", seed=4, num_steps=2))
    run_until(open_page("run", id=done), lambda a: a.header)
    spoilt = [runs_folder / f"{number:016x}" for number in range(3)]
    for folder in spoilt:
        folder.mkdir()
    (spoilt[0] / "manifest.json").write_text('{"format": 1, "width": [1]}')
    os.mkfifo(spoilt[1] / "manifest.json")
    cut = Experiment(prompt="a star", seed=5, num_steps=2)
    shutil.copytree(runs_folder / done, runs_folder / cut.id)
    manifest = runs_folder / cut.id / "manifest.json"
    values = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**values, "experiment": cut.to_dict()}))
    picture = runs_folder / cut.id / "image.png"
    picture.write_bytes(picture.read_bytes()[:-400])  # its head is whole
    try:
        at = open_page("runs")
        assert not at.exception and done in set(at.dataframe[0].value["id"])
        named = " ".join(t.value for t in at.expander[0].text)
        assert all(str(folder) in named for folder in (*spoilt, runs_folder / cut.id))
        assert not open_page("run", id=cut.id).exception
    finally:
        for folder in (*spoilt, runs_folder / cut.id):
            shutil.rmtree(folder)


def test_models_says_what_is_loaded(open_page):
    at = open_page("models")
    run_until(at, lambda a: any(t.value == "embedded" for t in a.text))
    assert titles(at) == ["Models"] and not at.exception
    assert {"Device", "Precision", "Parameters"} <= {c.value for c in at.caption}


@pytest.mark.parametrize(
    ("source", "message"),
    [("/no/such/folder", "/no/such/folder"), ("model.ckpt", "safetensors")],
)
def test_a_model_that_cannot_be_loaded_is_explained(open_page, source, message):
    at = open_page("models")
    at.text_input(key="models.source").set_value(source)
    next(b for b in at.button if b.label == "Load").click()
    at.run()
    at = run_until(at, lambda a: errors(a))
    assert message in errors(at)[0] and "could not be loaded" in errors(at)[0]
    run_until(at, lambda a: any(t.value == "embedded" for t in a.text))


@pytest.fixture(scope="module")
def folder():
    from sdlab.shipped import FOLDER

    return str(FOLDER)


def holds(name):
    return lambda at: (view := lab().status().model) and view.name == name


@pytest.fixture
def loaded(open_page, folder):
    """The Models page after a folder was loaded there; the embedded model comes back after."""
    at = open_page("models")
    at.text_input(key="models.source").set_value(folder)
    next(b for b in at.button if b.label == "Load").click()
    at.run()
    run_until(at, lambda a: any(t.value == folder for t in a.text))
    assert not errors(at)
    yield at
    at.run()
    at.button(key="models.embedded").click().run()
    run_until(at, holds("embedded"))


def swaps(at):
    return [read(w) for w in at.warning if "in memory" in w.value]


def test_the_model_in_memory_is_what_every_form_runs_on(loaded, open_page, folder):
    form = open_page("experiment")
    assert form.selectbox(key="experiment.model").value == folder and not swaps(form)
    form.number_input(key="experiment.steps").set_value(2)
    form.text_input(key="experiment.seed").set_value("1701")
    assert not start(form).exception
    made = open_run(lab().runs / "".join(form.query_params["run"]))
    assert made.experiment.model == folder
    bench = open_page("workbench")
    assert any(folder.rpartition("/")[2] in read(c) for c in bench.caption)
    bench.number_input(key="workbench.steps").set_value(2).run()
    bench.button(key="workbench.go").click().run()
    home = open_page("home")
    assert "Press **Another**" in read(home.info[0])  # a large model may take minutes: asked first
    home.button(key="home.another").click().run()
    run_until(home, lambda a: any("px" in c.value for c in a.caption))
    for page, button in (("attention", "attention.go"), ("compare", "compare.go")):
        at = open_page(page, **{f"{page}.steps": "2"})
        assert any(f"On {folder}" in read(c).replace("*", "") for c in at.caption), page
        assert not swaps(at)
        assert any(b.key == button for b in at.button)
    assert lab().status().model.name == folder, "a page took the model out"


def test_a_form_that_nobody_touched_follows_the_model_in_memory(open_page, loaded, folder):
    form = open_page("experiment")
    lab().load(ModelRequest())
    run_until(form, lambda a: a.selectbox(key="experiment.model").value == "embedded")
    form.selectbox(key="experiment.model").set_value(folder).run()
    assert len(swaps(form)) == 1 and "unloads embedded" in swaps(form)[0]
    run_until(form, holds("embedded"))
    assert form.selectbox(key="experiment.model").value == folder  # chosen, so it stays
    lab().load(ModelRequest(folder))
    run_until(form, holds(folder))


def test_a_link_and_a_stored_run_say_what_they_take_out(loaded, open_page, folder):
    form = open_page("experiment", **{"experiment.model": "embedded"})
    assert form.selectbox(key="experiment.model").value == "embedded"
    assert f"unloads {folder}" in swaps(form)[0]
    run = lab().submit(Experiment(prompt="gone", seed=1702, num_steps=900, model=folder))
    lab().cancel(run, "nobody")
    page = run_until(
        open_page("run", id=run), lambda a: any(b.key == "run.again" for b in a.button)
    )
    assert not swaps(page)
    lab().load(ModelRequest())
    run_until(page, holds("embedded"))
    assert "unloads embedded" in swaps(page.run())[0]
    lab().load(ModelRequest(folder))
    run_until(page, holds(folder))


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


def test_frames_of_a_slow_decoder_are_decoded_by_a_button(open_page, monkeypatch):
    lab().ask(lambda model: None)
    library = lab()._held
    monkeypatch.setattr(library, "view", replace(library.view, decodes_fast=False))
    monkeypatch.setattr(library, "_pause", float("inf"))
    run = lab().submit(Experiment(prompt="decode me", num_steps=2))
    at = open_page("run", id=run)
    run_until(at, lambda at: [b for b in at.button if b.label == "Decode all frames"])
    assert any("linear map" in c.value for c in at.caption)
    at.button(key="run.frames.start").click().run()
    run_until(at, lambda at: any(c.value == "Frames are decoded by the VAE." for c in at.caption))
    assert not at.exception and not [b for b in at.button if b.label == "Decode all frames"]
