"""A picture is named by its pixels, and an experiment holds it beside its JSON."""

import json

import numpy as np
import pytest
from PIL import Image

from sdlab import Experiment
from sdlab.experiment.experiment import check_size
from sdlab.experiment.picture import Picture
from sdlab.experiment.pipeline_fields import PICTURES

COLOURS = Image.fromarray(np.arange(8 * 6 * 3, dtype=np.uint8).reshape(6, 8, 3))
HASH = "75f6755a97a08bcd"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "colours.png"
    COLOURS.save(path)
    return path


def test_a_picture_is_named_by_its_pixels_however_they_are_packed(path, tmp_path):
    COLOURS.save(tmp_path / "other.bmp")
    sources = [COLOURS, np.asarray(COLOURS), path, str(path), path.read_bytes()]
    pictures = {Picture.of(source) for source in [*sources, tmp_path / "other.bmp"]}
    assert len(pictures) == 1
    picture = pictures.pop()
    assert (picture.width, picture.height, picture.mode) == (8, 6, "RGB")
    assert picture.image.tobytes() == COLOURS.tobytes()


def test_the_hash_stays():
    assert Picture.of(COLOURS).hash == HASH


def test_mode_and_size_count():
    grey = COLOURS.convert("L")
    turned = Image.frombytes("RGB", (6, 8), COLOURS.tobytes())
    assert len({Picture.of(COLOURS).hash, Picture.of(grey).hash, Picture.of(turned).hash}) == 3
    assert Picture.of(COLOURS, "L") == Picture.of(grey, "L")
    assert Picture.of(grey, "L").image.tobytes() == grey.tobytes()


def test_its_image_is_a_copy():
    picture = Picture.of(COLOURS)
    picture.image.putpixel((0, 0), (9, 9, 9))
    assert picture.image.tobytes() == COLOURS.tobytes()


@pytest.mark.parametrize("made", [lambda image, path: Image.open(path), lambda image, path: path])
def test_it_is_turned_upright_and_laid_on_white(made, tmp_path):
    clear = COLOURS.convert("RGBA")
    clear.putpixel((0, 0), (1, 2, 3, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    clear.save(tmp_path / "turned.png", exif=exif)
    picture = Picture.of(made(clear, tmp_path / "turned.png"))
    assert (picture.width, picture.height) == (6, 8)
    assert picture.image.getpixel((5, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (5, "a picture must be an image, an array or a path, got 5"),
        ("nowhere.png", "'nowhere.png' cannot be read: No such file"),
        (b"%PDF-1.7", "The file is a PDF document"),
        (np.zeros((4, 4)), r"an array must be uint8 .* got float64 \[4, 4\]"),
        (np.zeros((4, 4, 2), np.uint8), r"an array must be uint8 .* got uint8 \[4, 4, 2\]"),
        (np.zeros((0, 4), np.uint8), r"an array must have pixels, got \[0, 4\]"),
    ],
)
def test_what_is_no_picture_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        Picture.of(source)
    with pytest.raises(ValueError, match=f"control_image: {message}"):
        Experiment(control_image=source)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "a picture must have hash, height, width"),
        ({"hash": "x", "width": 1, "height": 1}, "hash must be 16 hex digits .* got 'x'"),
        ({"hash": HASH, "width": 0, "height": 1}, "width must be from 1 to 20000, got 0"),
        ({"hash": HASH, "width": 1, "height": 1, "mode": "P"}, "Unknown mode of a picture 'P'"),
        ({"hsh": HASH}, "Unknown field of a picture 'hsh'. Did you mean 'hash'"),
    ],
)
def test_bad_json_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Picture.from_dict(values)
    with pytest.raises(ValueError, match=f"image: {message}"):
        Experiment(image=values)


def test_a_picture_from_json_says_that_it_has_no_pixels():
    known = Picture.of(COLOURS)
    bare = Picture.from_dict(json.loads(known.to_json()))
    assert bare == known and hash(bare) == hash(known)
    assert known.has_pixels and not bare.has_pixels
    with pytest.raises(ValueError, match=rf"picture {HASH} \(8 x 6, RGB\) are not at hand.*folder"):
        _ = bare.image
    assert bare.with_pixels(COLOURS).image.tobytes() == COLOURS.tobytes()
    with pytest.raises(ValueError, match=f"picture {HASH} .* are needed; these are of"):
        bare.with_pixels(Image.new("RGB", (8, 6)))
    with pytest.raises(ValueError, match="are not at hand"):
        Picture.of(bare, "L")


def test_an_experiment_keeps_its_pictures(path):
    one = Experiment(image=path, strength=0.5, mask_image=COLOURS, control_image=np.array(COLOURS))
    assert list(one.pictures) == list(PICTURES)
    assert one.mask_image.mode == "L" and one.image == one.control_image
    assert one.with_(seed=3).image.has_pixels
    assert one.to_dict()["image"] == {"hash": HASH, "width": 8, "height": 6, "mode": "RGB"}
    again = Experiment.from_dict(json.loads(one.to_json()))
    assert again == one and again.id == one.id
    assert not any(picture.has_pixels for picture in again.pictures.values())
    whole = again.with_pictures({HASH: COLOURS})
    assert whole == one and whole.id == one.id
    assert whole.image.has_pixels and not whole.mask_image.has_pixels
    assert Experiment().pictures == {} and Experiment().with_pictures({HASH: COLOURS})


def test_a_picture_changes_the_id():
    assert Experiment(image=COLOURS).id != Experiment(image=COLOURS.rotate(180)).id
    assert Experiment(image=COLOURS).id != Experiment(control_image=COLOURS).id


@pytest.mark.parametrize(
    "given",
    [
        {"image": None, "pipeline_options": {}},
        {"prompt_2": None, "max_sequence_length": None},
        {"strength": None, "true_cfg_scale": None, "pipeline_options": ()},
    ],
)
def test_defaults_are_left_out(given):
    assert Experiment(**given).to_json() == Experiment().to_json()
    assert "image" not in Experiment().to_json() and "pipeline" not in Experiment().to_json()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strength": 0.5}, "strength needs image, which is None; got 0.5"),
        (
            {"mask_image": COLOURS},
            "mask_image needs image, which is None; got a picture. Give image, or",
        ),
        ({"controlnet_conditioning_scale": 1}, "scale needs control_image, which is None; got 1"),
        ({"image": COLOURS, "strength": 0}, "strength must be above 0, got 0"),
        ({"image": COLOURS, "strength": 1.5}, "strength must be from 0 to 1, got 1.5"),
        (
            {"control_image": COLOURS, "controlnet_conditioning_scale": 11},
            "controlnet_conditioning_scale must be from 0 to 10, got 11",
        ),
        (
            {"image": COLOURS, "mask_image": {"hash": HASH, "width": 8, "height": 6}},
            "mask_image must be of mode 'L', got 'RGB'",
        ),
        ({"prompt_2": 5}, "prompt_2 must be text, got 5"),
        ({"negative_prompt_3": "a\x00"}, "negative_prompt_3 has a control character"),
        ({"true_cfg_scale": float("nan")}, "true_cfg_scale must be finite, got nan"),
        ({"max_sequence_length": 0}, "max_sequence_length must be from 1 to 4096, got 0"),
        ({"max_sequence_length": 1.5}, "max_sequence_length must be a whole number, got 1.5"),
        (
            {"pipeline_options": {"strength": 1}},
            "which is the experiment field 'strength'; set that",
        ),
        (
            {"pipeline_options": {"num_inference_steps": 4}},
            "has 'num_inference_steps', which is the experiment field 'num_steps'; set that",
        ),
        ({"pipeline_options": {"a": object()}}, r"pipeline_options\['a'\] must be finite JSON"),
    ],
)
def test_fields_of_pipelines_are_checked(given, message):
    with pytest.raises(ValueError, match=message):
        Experiment(**given)


@pytest.mark.parametrize("field", ["prompt_2", "prompt_3", "negative_prompt_2"])
def test_further_prompts_have_a_limit(field):
    with pytest.raises(ValueError, match=f"{field} must be at most 10,000 characters, got 10,001"):
        check_size(Experiment(**{field: "x" * 10_001}))


def test_options_of_the_pipeline_are_options():
    one = Experiment(pipeline_options={"guidance_end": 0.5, "clip_skip": 1})
    assert one == Experiment(pipeline_options={"clip_skip": 1, "guidance_end": 0.5})
    assert one.to_dict()["pipeline_options"] == {"clip_skip": 1, "guidance_end": 0.5}
    assert Experiment.from_dict(json.loads(one.to_json())) == one
