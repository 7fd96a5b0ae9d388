"""A run's folder keeps the pictures that it started from, and they come back checked."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import sdlab
from sdlab.experiment.experiment import Experiment
from sdlab.runs.export import write_zip
from sdlab.runs.listing import list_runs
from sdlab.runs.pictures import folders_with, read_pictures

COLOURS = Image.fromarray(np.arange(8 * 6 * 3, dtype=np.uint8).reshape(6, 8, 3))
MASK = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))


@pytest.fixture(scope="module")
def painted(run):
    """The run as if it had started from pictures, two of them the same."""
    spec = run.experiment.with_(
        image=COLOURS, mask_image=MASK, control_image=COLOURS, strength=0.5, prompt_2="two"
    )
    facts = {**run.manifest, "id": spec.id, "experiment": spec.to_dict()}
    return dataclasses.replace(run, experiment=spec, manifest=facts)


@pytest.fixture
def folder(painted, tmp_path):
    return painted.save(tmp_path / "runs")


def names(experiment):
    return {f"input-{picture.hash}.png" for picture in experiment.pictures.values()}


def test_pictures_are_kept_once_and_come_back(painted, folder):
    kept = {path.name for path in folder.glob("input-*")}
    assert kept == names(painted.experiment) and len(kept) == 2
    again = sdlab.open_run(folder)
    assert again.experiment == painted.experiment and again.id == painted.id == folder.name
    assert again.manifest == painted.manifest
    assert again.experiment.image.image.tobytes() == COLOURS.tobytes()
    assert again.experiment.mask_image.image.tobytes() == MASK.tobytes()
    assert again.experiment.mask_image.image.mode == "L"
    assert Image.open(folder / f"input-{again.experiment.mask_image.hash}.png").mode == "L"


def test_a_run_saved_again_keeps_them(painted, folder):
    again = sdlab.open_run(folder)
    assert again.save(folder.parent) == folder
    assert {path.name for path in folder.glob("input-*")} == names(painted.experiment)


def test_a_run_without_pictures_has_no_such_file(stored):
    assert not list(stored.glob("input-*"))


def test_a_missing_picture_is_said_and_the_run_opens(painted, folder):
    key = painted.experiment.mask_image.hash
    (folder / f"input-{key}.png").unlink()
    again = sdlab.open_run(folder)
    assert again.experiment.image.has_pixels and not again.experiment.mask_image.has_pixels
    [said] = again.manifest["warnings"]
    assert said.startswith(f"Picture {key}, which this run starts from, is not at hand.")
    with pytest.raises(ValueError, match=f"pixels of picture {key} .* are not at hand"):
        _ = again.experiment.mask_image.image
    assert list_runs(folder.parent)["problem"].tolist() == [""]


def other_picture(path):
    Image.new("RGB", (8, 6)).save(path)


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def huge(path):
    head = bytearray(path.read_bytes())
    head[16:24] = (2**20).to_bytes(4, "big") * 2
    path.write_bytes(head)


def link(path):
    path.rename(path.with_name("there"))
    path.symlink_to(path.with_name("there"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (other_picture, "holds another picture"),
        (cut, ""),
        (huge, "at most 67,108,864 are read"),
        (link, "is a link"),
        (lambda path: path.write_bytes(b""), ""),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" * 20), ""),
    ],
)
def test_a_damaged_picture_is_said_and_the_run_opens(painted, folder, damage, said):
    damage(folder / f"input-{painted.experiment.image.hash}.png")
    again = sdlab.open_run(folder)
    assert not again.experiment.image.has_pixels and again.experiment.mask_image.has_pixels
    assert again.experiment == painted.experiment
    [warning] = again.manifest["warnings"]
    assert warning.startswith("The picture that this run starts from is damaged: ")
    assert said in warning and warning.endswith("cannot be made again without it.")


def test_the_zip_of_a_run_holds_them(painted, folder):
    stream = io.BytesIO()
    write_zip(folder, stream)
    with zipfile.ZipFile(stream) as archive:
        for name in names(painted.experiment):
            assert archive.read(f"{painted.id}/{name}") == (folder / name).read_bytes()


def test_an_experiment_of_json_finds_them_among_the_runs(painted, folder):
    spec = Experiment.from_dict(json.loads(painted.experiment.with_(seed=5).to_json()))
    found = folders_with(folder.parent, {picture.hash for picture in spec.pictures.values()})
    assert set(found) == {folder}
    whole, notes = read_pictures(spec, found)
    assert whole == spec and not notes
    assert all(picture.has_pixels for picture in whole.pictures.values())
    lost, notes = read_pictures(spec, [])
    assert len(notes) == 2 and not any(p.has_pixels for p in lost.pictures.values())


def test_the_picture_made_says_the_strength(folder):
    assert ", Denoising strength: 0.5, " in Image.open(folder / "image.png").text["parameters"]
