"""The Models page loads what every form then runs on, or says why not."""

import pytest
from streamlit.runtime.state.common import TESTING_KEY
from streamlit.runtime.state.session_state import SessionState

from dashboard.shell.lab import lab
from dashboard.worker.model_room import ModelRoom
from dashboard.worker.snapshots import ModelRequest
from sdlab.experiment.experiment import Experiment
from sdlab.runs.run_folder import open_run
from sdlab.shipped import FLOW
from tests.dashboard.conftest import load_into_pages, read, run_until
from tests.dashboard.forms import errors, start, titles


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


def asked_for(at, monkeypatch):
    """Press Load and return what the worker is asked for, which it does not get."""
    asked = []
    monkeypatch.setattr(lab().models, "load", lambda request, owner, session: asked.append(request))
    at.text_input(key="models.source").set_value("a/model")
    next(b for b in at.button if b.label == "Load").click().run()
    assert not at.exception
    return asked[0]


def test_the_cpu_has_no_offload_and_says_why(open_page, monkeypatch):
    at = run_until(open_page("models"), holds("embedded"))
    offload = at.selectbox(key="models.no_offload")
    assert offload.disabled and "needs CUDA" in offload.value
    plain = asked_for(at, monkeypatch)
    assert (plain.offload, plain.tiled) == (None, False)
    at.checkbox(key="models.tiled").check()
    tiled = asked_for(at, monkeypatch)
    assert (tiled.offload, tiled.tiled) == (None, True)


def remembered(at):
    """All that the session holds; what the test itself has typed, Streamlit keeps beside it."""
    state = at.session_state
    while not isinstance(state, SessionState):
        state = object.__getattribute__(state, "_state")
    kept = {**state._new_session_state, **state._new_widget_state.states, **state._old_state}
    kept.pop(TESTING_KEY)
    return [f"{key}: {value!r}" for key, value in kept.items()]


def test_a_token_leaves_its_field_and_the_session_with_the_press(open_page, monkeypatch):
    at = run_until(open_page("models"), holds("embedded"))
    at.text_input(key="models.token").set_value("hf_secret")
    assert asked_for(at, monkeypatch).token == "hf_secret"
    assert at.text_input(key="models.token").value == ""
    at.text_input(key="models.source").set_value(" ")
    at.text_input(key="models.token").set_value("hf_secret")
    next(b for b in at.button if b.label == "Load").click().run()
    assert "Name a hub id" in at.warning[0].value
    assert not [place for place in remembered(at) if "hf_secret" in place]
    assert asked_for(at, monkeypatch).token is None


@pytest.mark.parametrize("way", ["model", "sequential"])
def test_a_gpu_can_be_offloaded(open_page, monkeypatch, way):
    run_until(open_page("models"), holds("embedded"))
    monkeypatch.setattr("dashboard.views.models.page._device", lambda: "cuda:0")
    at = open_page("models")
    assert at.selectbox(key="models.offload").value == "all on the device"
    assert asked_for(at, monkeypatch).offload is None
    at.selectbox(key="models.offload").set_value(way)
    assert asked_for(at, monkeypatch).offload == way


@pytest.fixture(scope="module")
def folder():
    from sdlab.shipped import FOLDER

    return str(FOLDER)


def holds(name):
    return lambda at: (view := lab().status().model) and view.name == name


@pytest.fixture
def loaded(open_page, folder):
    """The Models page after a folder was loaded there, once for the tests that follow."""
    at = open_page("models")
    if not holds(folder)(at):
        at.text_input(key="models.source").set_value(folder)
        next(b for b in at.button if b.label == "Load").click()
        at.run()
    run_until(at, lambda a: any(t.value == folder for t in a.text))
    assert not errors(at)
    return at


@pytest.fixture(scope="module", autouse=True)
def _embedded_after():
    yield
    if not holds("embedded")(None):
        lab().models.load(ModelRequest())


def swaps(at):
    return [read(w) for w in at.warning if "in memory" in w.value]


@pytest.mark.every
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
    assert "Press **Draw**" in read(home.info[0])  # a large model may take minutes: asked first
    home.button(key="home.another").click().run()
    run_until(home, lambda a: any("px" in c.value for c in a.caption))
    for page, button in (("attention", "attention.go"), ("compare", "compare.go")):
        at = open_page(page, **{f"{page}.steps": "2"})
        assert any(f"On {folder}" in read(c).replace("*", "") for c in at.caption), page
        assert not swaps(at)
        assert any(b.key == button for b in at.button)
    assert lab().status().model.name == folder, "a page took the model out"


@pytest.mark.every
def test_a_form_that_nobody_touched_follows_the_model_in_memory(open_page, loaded, folder):
    form = open_page("experiment")
    lab().models.load(ModelRequest())
    run_until(form, lambda a: a.selectbox(key="experiment.model").value == "embedded")
    form.selectbox(key="experiment.model").set_value(folder).run()
    assert not swaps(form)  # both are in memory
    run_until(form, holds("embedded"))
    assert form.selectbox(key="experiment.model").value == folder  # chosen, so it stays
    lab().models.load(ModelRequest(folder))
    run_until(form, holds(folder))


@pytest.mark.every
def test_a_link_and_a_stored_run_say_what_they_take_out(open_page, monkeypatch):
    monkeypatch.setattr(lab()._held, "_room", ModelRoom(models=1))
    load_into_pages(FLOW)
    form = open_page("experiment", **{"experiment.model": "embedded"})
    assert form.selectbox(key="experiment.model").value == "embedded"
    assert swaps(form) == [
        "This runs on **embedded**, which is not in memory: running it loads it and unloads"
        " embedded-flow."
    ]
    run = lab().submit(Experiment(prompt="gone", seed=1702, num_steps=900, model=FLOW))
    lab().cancel(run, "nobody")
    page = run_until(
        open_page("run", id=run), lambda a: any(b.key == "run.again" for b in a.button)
    )
    assert not swaps(page)
    load_into_pages("embedded")
    assert "unloads embedded" in swaps(page.run())[0]


@pytest.mark.every
def test_a_run_of_a_model_that_is_there_takes_nothing_out(loaded, open_page, folder):
    form = open_page("experiment", **{"experiment.model": "embedded"})
    assert not swaps(form)
    form.number_input(key="experiment.steps").set_value(2)
    form.text_input(key="experiment.seed").set_value("1703")
    assert not start(form).exception
    assert {held.name for held in lab().status().held} >= {"embedded", folder}
    at = open_page("models")
    assert any(t.value == folder for t in at.text)
    at.button(key="models.other_0.use_model").click().run()
    assert any(t.value == "embedded" for t in at.text)
    assert any(t.value == folder for t in open_page("models").text), "the choice is one's own"


def test_the_embedded_model_comes_back_by_its_button(loaded):
    loaded.button(key="models.embedded").click().run()
    run_until(loaded, holds("embedded"))
