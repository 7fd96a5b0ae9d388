"""A form shows what the model's pipeline takes, and pictures are found again by their hash."""

import io
from dataclasses import replace

import pytest
from PIL import Image

import sdlab
from dashboard.shell.lab import lab
from dashboard.worker.worker import Worker
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.picture import Picture
from sdlab.experiment.pipeline_fields import PipelineFields
from tests.dashboard.conftest import read
from tests.dashboard.forms import FORM, errors
from tests.dashboard.views.compare.filled_in import QUICK

FLUX = frozenset(
    "prompt prompt_2 image strength mask_image control_image controlnet_conditioning_scale"
    " true_cfg_scale max_sequence_length width height guidance_scale negative_prompt_2".split()
)
SCENE = Image.linear_gradient("L").resize((64, 32)).convert("RGB")


def png(image) -> bytes:
    image.save(stream := io.BytesIO(), "PNG")
    return stream.getvalue()


@pytest.fixture
def takes(monkeypatch, open_page):
    """Let the embedded model seem to take other arguments."""
    open_page("experiment")
    lab().catalogue()

    def let(inputs):
        held = lab()._held.current
        monkeypatch.setattr(held, "view", replace(held.view, inputs=inputs))

    return let


@pytest.fixture
def asked(monkeypatch):
    """What is submitted, without being run."""
    experiments: list[Experiment] = []
    monkeypatch.setattr(
        Worker, "submit", lambda self, run, **who: experiments.append(run) or run.id
    )
    return experiments


def keys(at) -> set[str]:
    kinds = ("number_input", "slider", "text_input", "toggle", "file_uploader")
    return {field.key.partition(".file_")[0] for kind in kinds for field in getattr(at, kind)}


def run(at):
    at.button(key=FORM).click().run()
    assert not at.exception and not errors(at)


@pytest.mark.parametrize(
    ("inputs", "shown"),
    [
        ({"prompt", "width"}, set()),
        ({"prompt", "max_sequence_length"}, {"max_sequence_length"}),
        ({"prompt", "prompt_2", "negative_prompt_2"}, {"prompt_2", "negative_prompt_2"}),
        ({"image"}, {"image", "fit"}),
        ({"image", "strength", "mask_image"}, {"image", "fit"}),
        ({"image", "control_image"}, {"image", "control_image", "fit"}),
        ({"pipeline_options"}, {"pipeline_options"}),
        (FLUX, set(FLUX) - {"prompt", "width", "height", "guidance_scale"} | {"fit"}),
    ],
    ids=lambda value: " ".join(sorted(value))[:40],
)
def test_a_field_is_shown_if_the_model_has_it(open_page, takes, inputs, shown):
    takes(frozenset(inputs))
    at = open_page("experiment")
    found = {key.removeprefix("experiment.") for key in keys(at)}
    later = {*PipelineFields.LATER, "fit"}
    without_picture = {"strength", "mask_image", "controlnet_conditioning_scale"}
    assert found & later == shown - without_picture and not at.exception


def test_the_fold_says_what_others_call_its_pictures(open_page, takes):
    takes(FLUX)
    labels = [fold.label for fold in open_page("experiment").expander]
    assert "Pictures (img2img, inpainting, ControlNet), further words, pipeline options" in labels
    assert "Seeds and grid (sweep, X/Y plot)" in labels


def test_an_upload_is_what_runs_and_the_link_names_it(open_page, takes, asked):
    takes(FLUX)
    at = open_page("experiment")
    at.number_input(key="experiment.width").set_value(32).run()
    at.number_input(key="experiment.height").set_value(32).run()
    at.file_uploader(key="experiment.image.file_0").set_value(("a.png", png(SCENE), "")).run()
    assert any("64 x 32 px, cropped and resized to 32 x 32 px." in c.value for c in at.caption)
    at.slider(key="experiment.strength").set_value(0.5).run()
    mask = png(Image.new("L", (32, 32), 255))
    at.file_uploader(key="experiment.mask_image.file_0").set_value(("m.png", mask, "")).run()
    at.text_input(key="experiment.prompt_2").set_value("two").run()
    run(at)
    (made,) = asked
    assert (made.image.width, made.image.height) == (32, 32) and made.image.has_pixels
    assert made.strength == 0.5 and made.prompt_2 == "two" and made.control_image is None
    assert made.mask_image == Picture.of(Image.new("L", (32, 32), 255), "L")
    link = {
        name: "".join(at.query_params[f"experiment.{name}"]) for name in ("image", "mask_image")
    }
    assert link == {"image": Picture.of(SCENE).hash, "mask_image": made.mask_image.hash}

    link |= {"strength": "0.5", "prompt_2": "two", "width": "32", "height": "32"}
    run(open_page("experiment", **{f"experiment.{name}": value for name, value in link.items()}))
    assert asked[1] == made and asked[1].id == made.id and asked[1].image.has_pixels

    at.toggle(key="experiment.fit").set_value(False).run()
    run(at)
    assert asked[2].image == Picture.of(SCENE)

    field = at.file_uploader(key="experiment.mask_image.file_0")
    field.set_value(None).run()
    run(at)
    assert asked.pop(3) == asked[2].with_(mask_image=None)

    at.button(key="experiment.image.remove").click().run()
    run(at)
    assert asked[3] == made.with_(image=None, strength=None, mask_image=None)
    assert "experiment.image" not in at.query_params


def test_a_link_to_a_picture_that_is_not_kept_says_so(open_page, takes, asked):
    takes(FLUX)
    at = open_page("experiment", **{"experiment.image": "0" * 16, "experiment.strength": "0.5"})
    assert any("is not kept on this server" in read(w) for w in at.warning)
    run(at)
    assert asked[0].image is None


def test_a_file_that_is_no_picture_is_refused_and_the_one_before_stays(open_page, takes, asked):
    takes(FLUX)
    at = open_page("experiment")
    field = at.file_uploader(key="experiment.control_image.file_0")
    field.set_value(("a.png", png(SCENE), "")).run()
    field = at.file_uploader(key="experiment.control_image.file_0")
    field.set_value(("b.png", b"%PDF-1.7", "")).run()
    assert any("b.png: The file is a PDF document" in said for said in errors(at))
    field = at.file_uploader(key="experiment.control_image.file_0")
    field.set_value(None).run()  # taken back
    run(at)
    assert asked[0].control_image is not None and asked[0].controlnet_conditioning_scale == 1.0


def test_what_a_link_has_and_the_model_does_not_take_is_said(open_page, takes, asked):
    takes(frozenset({"prompt", "prompt_2"}))
    link = {"experiment.prompt_2": "two", "experiment.true_cfg_scale": "3"}
    at = open_page("experiment", **link)
    assert any("does not take true_cfg_scale" in read(i) for i in at.info)
    run(at)
    assert asked[0].prompt_2 == "two" and asked[0].true_cfg_scale is None


def test_a_plain_value_in_the_address_fills_its_field(open_page, takes, asked):
    takes(FLUX | {"pipeline_options"})
    link = {
        "experiment.true_cfg_scale": "3",
        "experiment.max_sequence_length": "128",
        "experiment.pipeline_options": "clip_skip=1",
    }
    run(open_page("experiment", **link))
    (made,) = asked
    assert made.true_cfg_scale == 3.0 and made.max_sequence_length == 128
    assert made.pipeline_options == (("clip_skip", 1),)


def test_an_option_that_is_a_field_is_refused(open_page, takes):
    takes(frozenset({"pipeline_options"}))
    at = open_page("experiment")
    at.text_input(key="experiment.pipeline_options").set_value("width=8").run()
    assert any("which is the experiment field 'width'" in said for said in errors(at))


def test_the_picture_of_a_run_is_one_to_start_from(open_page, takes, asked, runs_folder):
    made = sdlab.run(sdlab.load(), Experiment(num_steps=1, width=64, height=64, seed=72))
    made.save(runs_folder)
    takes(FLUX)
    at = open_page("experiment", **{"experiment.fit": "false"})
    assert not any(b.key.startswith("experiment.image.") for b in at.button)
    at.session_state["experiment.image.runs"] = True
    at.run()
    at.button(key=f"experiment.image.{made.id}").click().run()
    run(at)
    assert asked[0].image == Picture.of(made.image)


def test_compare_has_the_fields_too(open_page, takes):
    takes(FLUX)
    lab().pictures.keep(Picture.of(SCENE))
    link = {"compare.image": Picture.of(SCENE).hash, "compare.strength": "0.5"}
    at = open_page("compare", **QUICK, **link)
    assert not at.exception and not errors(at)
    assert {"compare.strength", "compare.prompt_2", "compare.true_cfg_scale"} <= keys(at)
    assert at.slider(key="compare.strength").value == 0.5


def test_a_very_large_upload_is_reduced(open_page, takes, asked):
    takes(frozenset({"image"}))
    at = open_page("experiment", **{"experiment.fit": "false"})
    large = png(SCENE.resize((4096, 1024)))
    at.file_uploader(key="experiment.image.file_0").set_value(("a.png", large, "")).run()
    run(at)
    assert (asked[0].image.width, asked[0].image.height) == (2048, 512)
