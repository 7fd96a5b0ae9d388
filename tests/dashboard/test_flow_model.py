"""Every page that deals with noise, with a flow-matching model in memory: it knows the path."""

import math

import pytest

from dashboard.shell.lab import lab
from tests import flow
from tests.dashboard.conftest import model_of_pages, read, run_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def tiny_sd3(runs_folder, tmp_path_factory):
    """A tiny Stable Diffusion 3 in the pages' worker; the model that comes with it afterwards."""
    with model_of_pages(flow.sd3(shift=3.0), tmp_path_factory.mktemp("models") / "sd3"):
        yield


def sound(at):
    assert not at.exception and not at.error, [read(e) for e in (*at.exception, *at.error)]
    return at


def frames(at):
    return [frame.value for frame in at.dataframe]


def test_noise_schedules_are_drawn_over_the_time(open_page):
    at = sound(open_page("noise_schedules", **{"schedules.steps": "6"}))
    (table,) = frames(at)
    assert "flow_time" in table and table["sampler"].nunique() == 5
    assert not table.drop(columns=["timestep", "evaluation", "ratio"]).isna().any(axis=None)
    assert table.groupby("sampler")["flow_time"].first().min() > 0.99
    assert len(at.get("vega_lite_chart")) == 2


def test_lint_says_what_holds_for_flow_matching_alone(open_page):
    at = sound(open_page("noise_schedules", **{"schedules.severity": ["error", "warning", "note"]}))
    said = " ".join(h.proto.body for h in at.get("html"))
    assert "shifted once by 3" in said and "end-shifted-twice" in said
    assert "terminal-snr" not in said and "hidden-latent-scale" not in said


def test_noised_images_start_as_noise_alone(open_page):
    at = sound(open_page("noised_images", **{"noised.steps": "4", "noised.b_solver": "heun"}))
    (table,) = frames(at)
    starts = table[table["step"] == 0]
    assert (starts["flow_time"] == 1).all() and starts["sigma"].map(math.isinf).all()
    assert table["psnr_db"].notna().all()
    view = at.segmented_control(key="noised.view")
    assert view.options == ["Flow", "VP"] and view.value == "Flow"


def test_the_bench_takes_the_models_path(open_page):
    at = sound(open_page("solver_bench", **{"bench.steps": ["8", "16"]}))
    assert at.segmented_control(key="bench.law").value == "flow"
    (errors,) = [table for table in frames(at) if "start" in table]
    assert errors["start"].map(lambda sigma: sigma > 1000).all() and errors["error"].notna().all()


def test_the_workbench_makes_a_curve_of_times(open_page):
    at = sound(open_page("workbench", **{"workbench.steps": "6"}))
    assert any("times" in read(c) and "0.00299" in read(c) for c in at.caption)
    (table,) = [frame for frame in frames(at) if "series" in frame]
    times = table[table["series"] == "yours"]["flow_time"]
    assert times.iloc[0] == 1 and times.iloc[-1] == 0
    assert not any("ays" in option for option in at.selectbox(key="workbench.baseline").options)


def test_the_workbench_exports_for_the_model_in_memory(open_page):
    at = sound(open_page("workbench", **{"workbench.steps": "6"}))
    snippets = [code.value for code in at.code if "from_pretrained" in code.value]
    assert len(snippets) == 2  # the page's solver, and diffusers' own Euler
    assert all(f"    {lab().status().model.name!r},\n" in snippet for snippet in snippets)


def test_compare_begins_with_the_models_own_times(open_page):
    at = sound(open_page("compare", **{"compare.prompts": "a cat"}))
    assert at.selectbox(key="compare.curve").value == "as trained"
    assert not [e.label for e in at.expander if "cannot be compared fairly" in e.label]
    other = open_page("compare", **{"compare.curve": "karras", "compare.prompts": "a cat"})
    assert sound(other).selectbox(key="compare.curve").value == "karras"


@pytest.mark.every
def test_attention_over_the_steps_can_be_drawn_against_the_time(open_page):
    asked = {
        "attention.steps": "3",
        "attention.prompt": "a cat",
        "attention.view": "Over the steps",
    }
    at = sound(open_page("attention", **asked))
    at.button(key="attention.go").click().run()
    run_until(at, lambda page: any(s.key == "attention.axis" for s in page.segmented_control))
    axis = at.segmented_control(key="attention.axis")
    assert "flow_time" in axis.options
    axis.set_value("flow_time").run()
    sound(at)
    drawn = [str(chart.proto).replace("\\", "") for chart in at.get("vega_lite_chart")]
    assert sum('"title": "flow time t"' in chart for chart in drawn) == 4


@pytest.mark.parametrize("section", ["Eta", "Edit", "Between two noises", "Equations"])
def test_ddim_opens_on_it(open_page, section):
    at = sound(open_page("ddim", **{"ddim.section": section, "ddim.eta.steps": "3"}))
    for frame in frames(at):
        numbers = frame.select_dtypes("number")
        assert not numbers.isna().any(axis=None)
    if section == "Equations":
        assert any("Flow matching: the first step" in read(c) for c in at.caption)
    if section == "Edit":
        assert "Keep the attention of shared words for" not in [s.label for s in at.slider]


@pytest.mark.every  # the section opens in test_other_models.py; tests/ddim holds the way there
def test_a_picture_goes_there_and_back_over_the_reversed_ode(open_page):
    asked = {"ddim.section": "There and back", "ddim.back.steps": "3", "ddim.back.method": "EDICT"}
    at = sound(open_page("ddim", **asked))
    next(b for b in at.button if b.label == "Invert and regenerate").click().run()
    run_until(at, lambda page: page.metric)
    lost = {m.label: m.value for m in at.metric}["Relative RMSE"]
    assert float(lost) < 1e-3 and sound(at)
    assert len(at.get("vega_lite_chart")) >= 1


@pytest.mark.every
def test_training_is_told_for_the_velocity(open_page):
    at = sound(open_page("training", **{"training.section": "The step back", "training.t": "200"}))
    if not at.latex:  # where decoding looked slow, the network waits to be asked
        next(b for b in at.button if b.label == "Ask the network").click().run()
        at = sound(run_until(at, lambda at: at.latex))
    assert r"u &= \epsilon - x_0" in at.latex[0].value
    at.segmented_control(key="training.section").set_value("eps, x0, v, velocity").run()
    (table,) = frames(sound(at))
    assert list(table["quantity"]) == ["eps", "x0", "v", "velocity u (predicted)"]
