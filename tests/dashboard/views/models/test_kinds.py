"""A folder of each kind of pipeline is loaded on the Models page, which says what it can do."""

import pytest

from dashboard.shell.lab import lab
from dashboard.worker.snapshots import ModelRequest
from tests import flow
from tests.dashboard.conftest import read, run_until
from tests.dashboard.forms import errors
from tests.tracing import pipelines

ALL = "from words, after a picture and inside a mask"
KINDS = {
    "xl": (lambda: pipelines.xl()[0], "Stable Diffusion XL", "variance preserving", ALL),
    "sd3": (flow.sd3, "Stable Diffusion 3", "flow matching", "from words and after a picture"),
    "flux": (flow.flux, "Flux", "flow matching", ALL),
    "inpaint": (
        lambda: pipelines.inpaint_nine()[0],
        "Stable Diffusion 1.x",
        "variance preserving",
        "inside a mask",
    ),
    "controlnet": (
        lambda: pipelines.controlnet()[0],
        "Stable Diffusion 1.x",
        "variance preserving",
        "with its ControlNet",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _embedded_after():
    yield
    lab().models.load(ModelRequest())


@pytest.mark.parametrize(
    "kind",
    [
        "sd3",
        "inpaint",
        pytest.param("xl", marks=pytest.mark.every),  # which the browser's test loads too
        pytest.param("flux", marks=pytest.mark.every),
        pytest.param("controlnet", marks=pytest.mark.every),
    ],
)
def test_a_folder_of_each_kind_is_loaded_and_told(open_page, tmp_path, kind):
    make, family, noise, draws = KINDS[kind]
    pipe = make()
    pipe.save_pretrained(tmp_path)
    at = open_page("models")
    at.text_input(key="models.source").set_value(str(tmp_path))
    next(b for b in at.button if b.label == "Load").click()
    at.run()
    at = run_until(at, lambda a: errors(a) or any(t.value == str(tmp_path) for t in a.text))
    assert not errors(at) and not at.exception
    told = {t.value for t in at.text}
    assert {family, noise, type(pipe).__name__, "float32"} <= told
    lines = [read(m) for m in at.markdown]
    assert any(draws in line and "its pipeline's own call" in line for line in lines)
    (table,) = at.dataframe
    assert {"vae", "text_encoder"} < set(table.value["Part"])
    view = lab().status().model
    parts = {part.name: part for part in view.parts}
    network = parts["transformer" if kind in ("sd3", "flux") else "unet"]
    assert network.kind == type(getattr(pipe, network.name)).__name__
    assert sum(part.parameters for part in view.parts) == view.parameters
    assert network.device == "cpu" and network.dtype == "float32"


def test_a_class_that_is_not_known_is_explained(open_page, tmp_path):
    flow.sd3().save_pretrained(tmp_path)
    index = tmp_path / "model_index.json"
    index.write_text(index.read_text().replace("StableDiffusion3Pipeline", "TomorrowPipeline"))
    at = open_page("models")
    at.text_input(key="models.source").set_value(str(tmp_path))
    next(b for b in at.button if b.label == "Load").click()
    at.run()
    at = run_until(at, lambda a: errors(a))
    assert "is a TomorrowPipeline, which diffusers" in read(at.error[0])
