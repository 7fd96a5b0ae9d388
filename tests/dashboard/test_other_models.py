"""The pages with models in memory that are not plain Stable Diffusion: none falls over."""

import json
import math
import shutil

import pytest

from dashboard.shell.lab import lab
from tests import flow
from tests.dashboard.conftest import model_of_pages, read, run_until
from tests.tracing import pipelines
from tests.zoo.chosen import cases

pytestmark = pytest.mark.slow

BUILT = {"sd3": flow.sd3, "sdxl": lambda: pipelines.xl()[0]}


@pytest.fixture(scope="module", params=cases(BUILT, {"sd3"}))
def kind(request, runs_folder, tmp_path_factory):
    """A tiny model of another family in the pages' worker; the embedded one afterwards."""
    folder = tmp_path_factory.mktemp("models") / request.param
    with model_of_pages(BUILT[request.param](), folder):
        yield request.param


def sound(at):
    assert not at.exception and not at.error, [read(e) for e in (*at.exception, *at.error)]
    return at


def text(at):
    return " ".join(read(e) for e in (*at.caption, *at.markdown))


PAGES = ["experiment", "tokens", "attention", "latents", "runs", "models", "home"]
OF_NOISE = ["noise_schedules", "noised_images", "workbench", "compare"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(kind, open_page, page):
    sound(open_page(page))


@pytest.mark.every  # test_flow_model.py opens them on another Stable Diffusion 3
@pytest.mark.parametrize("page", OF_NOISE)
def test_every_page_of_noise_opens(kind, open_page, page):
    sound(open_page(page))


def test_the_attention_of_its_layers_is_offered(kind, open_page):
    at = sound(open_page("attention", **{"attention.steps": "3"}))
    (layers,) = (box for box in at.multiselect if box.label == "Layers")
    named = {"sd3": "block 0 (32x32)", "sdxl": "down 0.0 (16x16)"}[kind]
    assert named in layers.options
    assert not at.button(key="attention.go").disabled


@pytest.mark.parametrize("section", ["Eta", "There and back", "Between two noises"])
def test_ddim_s_sections_open(kind, open_page, section):
    sound(open_page("ddim", **{"ddim.section": section}))


def test_an_edit_is_a_plain_one_and_says_why(kind, open_page):
    at = sound(open_page("ddim", **{"ddim.section": "Edit"}))
    assert "A plain edit" in text(at)
    assert not [one for one in at.slider if "attention" in one.label]


def test_ddim_s_equations_hold_the_levels_of_a_run(kind, open_page):
    step = {"ddim.section": "Equations", "ddim.eq.steps": "6", "ddim.eq.step_6": "0"}
    at = sound(open_page("ddim", **step))
    (table,) = (frame.value for frame in at.dataframe)
    assert table.notna().all(axis=None)
    flows = kind == "sd3"
    assert math.isinf(table["sigma"].iloc[0]) is flows
    assert ("Flow matching: the first step" in text(at)) is flows
    assert any(r"\infty" in one.value for one in at.latex) is flows


def test_a_given_picture_is_looked_at(kind, open_page):
    at = sound(open_page("attention", **{"attention.of": "A given picture"}))
    assert any(h.value == "What the maps tell" for h in at.header)
    over = {"sd3": "places of the picture", "sdxl": "all 77 tokens."}[kind]
    assert over in text(at)


def test_a_run_shows_its_maps(kind, open_page):
    at = sound(open_page("attention", **{"attention.steps": "2"}))
    at.button(key="attention.go").click().run()
    run_until(at, lambda page: any(h.value == "What the maps tell" for h in page.header))
    run = "".join(sound(at).query_params["run"])
    left_out(lab().runs / run, "Its attention is not read.")
    at = sound(open_page("attention", run=run))
    assert "No attention of this run could be read. Its attention is not read." in [
        read(e) for e in at.info
    ]
    shutil.rmtree(lab().runs / run)  # other tests open all runs of this folder


def left_out(folder, why):
    """Make a run's folder as if its attention could not be read."""
    (folder / "attention.safetensors").unlink()
    (folder / "attention.parquet").unlink(missing_ok=True)
    manifest = folder / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, "warnings": [why]}))
