"""The Noised images page: pictures to start from, schedules, strips, charts, downloads."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dashboard.charts import noised as charts
from dashboard.shell.lab import lab
from dashboard.views.noised_images.schedules import MOST_FRAMES, ShownSchedule, levels
from dashboard.views.noised_images.strips import SHEET_PIXELS, labelled_strip, sheet
from dashboard.widgets.noised_frames import KEPT_SIDE, Frame
from dashboard.widgets.source_picture import ChosenPicture
from sdlab.embedded.samples import SAMPLES
from sdlab.experiment.experiment import Experiment
from sdlab.solvers.from_diffusers import SD_CONFIG
from tests.dashboard.conftest import read, run_until

QUICK = {"noised.steps": "3", "noised.space": "Pixels"}


def way(solver="ddim", training="as trained", curve=None, name="A", **options):
    return ShownSchedule(name, solver, curve, tuple(options.items()), curve, training)


def picture_bytes(size=(40, 20), mode="RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, "teal").save(buffer, "PNG", **options)
    return buffer.getvalue()


def errors(at) -> list[str]:
    return [read(e) for e in at.error]


def table(at) -> pd.DataFrame:
    return at.dataframe[0].value


@pytest.fixture
def page(open_page):
    return open_page("noised_images", **QUICK)


def test_it_opens_with_a_sample_and_two_schedules(page):
    assert not page.exception and not page.error
    assert [t.value for t in page.title] == ["Noised images"]
    assert any("A parrot on a beach" in c.value for c in page.caption)
    frame = table(page)
    assert list(frame["series"].unique()) == ["A: ddim", "B: dpmpp_2m, karras"]
    assert list(frame["step"]) == [0, 1, 2, 3] * 2
    assert (
        frame["psnr_db"].groupby(frame["series"]).apply(lambda s: s.is_monotonic_increasing).all()
    )
    assert len(page.get("vega_lite_chart")) == 2
    assert len(page.get("download_button")) == 2


def test_latents_stay_below_what_the_vae_loses(open_page):
    at = open_page("noised_images", **{"noised.steps": "2", "noised.b_solver": "none"})
    assert not at.exception and not at.error
    last = table(at).iloc[-1]
    assert last["sigma"] == 0 and 27 < last["psnr_db"] < 32


def test_ve_is_said_and_many_steps_are_thinned(open_page):
    query = {**QUICK, "noised.steps": "200", "noised.view": "VE"}
    at = open_page("noised_images", **query)
    said = " ".join(c.value for c in at.caption)
    assert "rescaled to the picture's own mean" in said and "26 of 201 levels" in said
    assert len(table(at)) == 2 * MOST_FRAMES


@pytest.mark.parametrize("name", list(SAMPLES)[3:5])
def test_another_sample_can_be_chosen(page, name):
    page.selectbox(key="noised.sample").set_value(name).run()
    assert not page.exception and not errors(page)


def test_another_scene_by_number(open_page):
    query = {**QUICK, "noised.sample": "a scene drawn by number", "noised.scene": "5"}
    at = open_page("noised_images", **query)
    assert any("purple heart" in c.value for c in at.caption)


def test_the_picture_of_a_stored_run(open_page):
    run = lab().submit(Experiment(prompt="a sun_", seed=3, num_steps=2, width=192))
    run_until(open_page("run", id=run), lambda a: a.header)
    at = open_page("noised_images", **QUICK, **{"noised.from": "Run", "noised.run": run})
    assert any("A sun" in c.value for c in at.caption)
    assert not errors(at) and len(table(at)) == 8
    at.text_input(key="noised.run").set_value("../../etc").run()
    assert "No run '../../etc' is stored here" in errors(at)[0] and not at.exception
    assert any("Choose a picture" in i.value for i in at.info)


def test_an_upload_with_its_notes(open_page):
    at = open_page("noised_images", **QUICK, **{"noised.from": "Upload"})
    assert any("Choose a picture" in i.value for i in at.info)
    assert any("a link to this page does not include it" in c.value for c in at.caption)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = picture_bytes(exif=exif)
    at.file_uploader(key="noised.file").set_value(("a.png", data, "image/png")).run()
    said = " ".join(c.value for c in at.caption).replace("\\", "")
    assert "PNG, 40 x 20 px. Turned upright by its EXIF orientation (6)." in said
    assert "Cropped and resized from 20 x 40 to 128 x 128 px." in said
    assert not at.exception and not errors(at) and len(table(at)) == 8
    at.segmented_control(key="noised.how").set_value("Pad").run()
    assert "padded with black" in " ".join(c.value for c in at.caption)
    assert any(read(c).startswith("a.png ") for c in at.caption)  # and not "A.png."


def test_a_bad_upload_is_explained_and_the_one_before_stays(open_page):
    bad = {
        "empty": b"",
        "an SVG drawing": b"<svg></svg>",
        "damaged or cut off": picture_bytes()[:50],
        "36,000,000 pixels": picture_bytes((6000, 6000), "1", compress_level=1),
    }
    at = open_page("noised_images", **QUICK, **{"noised.from": "Upload"})
    good = ("good.png", picture_bytes(), "image/png")
    at.file_uploader(key="noised.file").set_value(good).run()
    for message, data in bad.items():
        at.file_uploader(key="noised.file").set_value(("bad.png", data, "image/png")).run()
        said = errors(at)[0].replace("\\", "")
        assert said.startswith("bad.png: ") and message in said
        assert said.endswith("good.png stays in use.")
        assert not at.exception and len(table(at)) == 8, message
    at.segmented_control(key="noised.from").set_value("Sample").run()
    assert not errors(at) and len(table(at)) == 8
    at.segmented_control(key="noised.from").set_value("Upload").run()
    assert not errors(at)  # it went with its file


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("noised.seed", "x", "whole number"), ("noised.seed", str(2**64), "from 0 to")],
)
def test_a_bad_seed_is_said(page, key, value, message):
    page.text_input(key=key).set_value(value).run()
    assert message in errors(page)[0] and not page.exception


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", "nonsense"),
        ("sample", "no such sample"),
        ("steps", "-3"),
        ("a_solver", "NoSuchScheduler"),
        ("b_curve_dpmpp_2m", "nonsense"),
        ("view", "<script>"),
    ],
)
def test_values_out_of_range_in_the_url_fall_back(open_page, name, value):
    at = open_page("noised_images", **{**QUICK, f"noised.{name}": value})
    assert not at.exception and not errors(at) and len(table(at)) >= 8


def test_one_step_and_too_many(open_page):
    at = open_page("noised_images", **{**QUICK, "noised.steps": "1"})
    assert not at.exception and not errors(at) and len(table(at)) == 4
    at.number_input(key="noised.steps").set_value(1000).run()
    assert "timestep 1000" in errors(at)[0] and not at.exception


def test_a_scheduler_that_cannot_is_explained(page):
    page.selectbox(key="noised.a_solver").set_value("LMSDiscreteScheduler").run()
    assert not errors(page)
    page.selectbox(key="noised.a_training").set_value("zero terminal SNR").run()
    assert "rescale_betas_zero_snr" in errors(page)[0] and not page.exception


def test_stopping_and_going_on(open_page):
    query = {"noised.steps": "2", "noised.seed": "4242"}
    at = open_page("noised_images", **query)
    assert len(table(at)) == 6
    import dashboard.views.noised_images.page as home

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home, "_QUIET_SECONDS", -1.0)
        patch.setattr(home, "develop", _endless)
        at.text_input(key="noised.seed").set_value("4243").run()
    at.button(key="noised.stop").click().run()
    assert any("Stopped" in i.value for i in at.info) and not at.exception
    at.button(key="noised.go_on").click().run()
    assert len(table(at)) == 6


def _endless(picture, image, sigmas, room):
    """As ``develop``, but it ends early, as it does for a person who clicks Stop."""
    import streamlit as st

    yield sigmas[0], Frame(b"\0\0\0", (1, 1), 1.0)
    st.stop()


def test_a_slow_decoder_is_spared_unless_asked_for(open_page, monkeypatch):
    worker = lab()
    worker.ask(lambda model: None)
    library = worker._held.current
    monkeypatch.setattr(library, "view", replace(library.view, decodes_fast=False))
    monkeypatch.setattr(library, "measure_again", lambda: False)  # the worker would find it quick
    at = open_page("noised_images", **{"noised.steps": "2", "noised.b_solver": "none"})
    assert any("linear map" in c.value for c in at.caption) and not errors(at)
    linear = table(at)["psnr_db"].iloc[-1]
    at.toggle(key="noised.decode").set_value(True).run()
    assert not any("linear map" in c.value for c in at.caption)
    assert table(at)["psnr_db"].iloc[-1] > linear


def test_levels_follow_the_training_schedule():
    tops = {"linear": 157.4, "cosine": None, "sigmoid": 158.7, "zero terminal SNR": 4096.0}
    for training, top in (tops | {"EDM": 80.0, "flow matching": 4096.0}).items():
        frame = levels(way("euler", training, "linspace"), 4, SD_CONFIG)
        assert len(frame) == 5
        if top:
            assert frame["sigma"].iloc[0] == pytest.approx(top, rel=1e-3), training
    with pytest.raises(ValueError, match="rescale_betas_zero_snr"):
        levels(way("PNDMScheduler", "zero terminal SNR"), 4, SD_CONFIG)
    with pytest.raises(ValueError, match="DDIMScheduler cannot follow EDM.*a solver of ours"):
        levels(way("DDIMScheduler", "EDM"), 4, SD_CONFIG)
    table = levels(way("euler", curve="sigmas", sigmas=(5.0, 2.0, 0.0)), 2, SD_CONFIG)
    assert list(table["sigma"]) == [5.0, 2.0, 0.0]


def frame(color: str, size=(256, 256)) -> Frame:
    return Frame(Image.new("RGB", size, color).tobytes(), size, 20.0)


def test_the_sheet_is_lossless_and_within_its_limit():
    data, size = sheet([[frame("red", (64, 32)), frame("lime", (64, 32))]] * 2)
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG" and size == (64, 32) and image.size == (128, 64)
    assert image.getpixel((0, 40)) == (255, 0, 0) and image.getpixel((70, 0)) == (0, 255, 0)
    data, size = sheet([[frame("red")] * MOST_FRAMES] * 2)
    image = Image.open(io.BytesIO(data))
    assert image.width * image.height <= 1.02 * SHEET_PIXELS and max(size) <= KEPT_SIDE


def test_the_strip_to_keep_names_rows_and_levels():
    levels_of = pd.DataFrame({"step": [0, 1], "sigma": [14.6, 0.0]})
    rows = [[frame("red", (128, 128)), frame("lime", (128, 128))]] * 2
    data = labelled_strip(["A: ddim", "B: heun"], [levels_of] * 2, rows, "a parrot")
    image = np.asarray(Image.open(io.BytesIO(data)))
    assert image.shape[1] == 2 * 134 + 6
    assert (image == (255, 0, 0)).all(-1).sum() == 2 * 128 * 128
    assert (image.sum(-1) < 200).sum() > 300, "no words were drawn"


@pytest.mark.parametrize(("chart", "field"), [(charts.snr, "snr_db"), (charts.psnr, "psnr_db")])
def test_charts_draw_both_series_in_their_colours(chart, field):
    rows = pd.DataFrame(
        {
            "series": ["A: x", "A: x", "B: y", "B: y"],
            "step": [0, 1, 0, 1],
            "sigma": [14.6, 0.0, 10.0, 0.0],
            field: [-23.0, np.inf, -20.0, np.inf],
        }
    )
    spec = chart(rows, {"A: x": "#111111", "B: y": "#222222"}).to_dict()
    line = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
    assert line["encoding"]["y"]["field"] == field and "(dB)" in line["encoding"]["y"]["title"]
    assert line["encoding"]["color"]["scale"]["range"] == ["#111111", "#222222"]
    assert line["encoding"]["x"]["title"] == "solver step"
    assert all(len(data) == 2 for data in spec["datasets"].values())
    with pytest.raises(ValueError, match="needs the column"):
        chart(rows.drop(columns="sigma"), {"A: x": "#111111"})


def test_a_chosen_picture_knows_whether_a_link_carries_it():
    chosen = ChosenPicture(picture_bytes(), "a", "upload", "a.png")
    assert len(chosen.digest) == 16 and chosen.image().size == (40, 20)
