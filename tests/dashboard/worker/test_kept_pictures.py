"""Pictures that people brought are found again by their hash: in memory, on disk, among runs."""

import json
import math
import os
import random

import pytest
from PIL import Image

from dashboard.worker import kept_pictures
from dashboard.worker.kept_pictures import KeptPictures
from dashboard.worker.limits import LimitError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.picture import Picture
from sdlab.runs.pictures import save_pictures
from tests.dashboard.worker.waiting import until

RED = Picture.of(Image.new("RGB", (16, 8), "red"))
MASK = Picture.of(Image.new("L", (16, 8), 200), "L")


def colour(number):
    return Picture.of(Image.new("RGB", (8, 8), (number, 0, 0)))


@pytest.mark.parametrize("picture", [RED, MASK], ids=["RGB", "L"])
def test_what_is_kept_is_found_also_by_another_server(tmp_path, picture):
    KeptPictures(tmp_path).keep(picture)
    found = KeptPictures(tmp_path).find(picture.hash)
    assert found == picture and found.image.tobytes() == picture.image.tobytes()


def test_pictures_of_stored_runs_are_found(tmp_path):
    folder = tmp_path / ("0" * 16)
    folder.mkdir()
    save_pictures(Experiment(image=RED), folder)
    assert KeptPictures(tmp_path).find(RED.hash) == RED


@pytest.mark.parametrize("name", ["", "x", "0" * 16, "../../etc/passwd", "*" * 16])
def test_what_is_not_kept_is_none(tmp_path, name):
    assert KeptPictures(tmp_path).find(name) is None


def test_a_damaged_one_is_none(tmp_path):
    kept = KeptPictures(tmp_path)
    kept.keep(RED)
    (path,) = (tmp_path / ".dashboard" / "pictures").iterdir()
    Image.new("RGB", (16, 8)).save(path)
    assert KeptPictures(tmp_path).find(RED.hash) is None
    assert kept.find(RED.hash) == RED  # still in memory


def test_the_oldest_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_pictures, "MOST", 3)
    kept = KeptPictures(tmp_path)
    for number in range(5):
        kept.keep(colour(number))
        path = tmp_path / ".dashboard" / "pictures" / f"input-{colour(number).hash}.png"
        os.utime(path, (number, number))
    again = KeptPictures(tmp_path)
    assert [again.find(colour(n).hash) is not None for n in range(5)] == [False] * 2 + [True] * 3


def test_nobodys_pictures_push_out_anothers(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_pictures, "MOST", 2)
    kept = KeptPictures(tmp_path)
    kept.keep(RED, "ada")
    for number in range(4):
        kept.keep(colour(number), "bob")
    again = KeptPictures(tmp_path)
    assert again.find(RED.hash) == RED
    assert len(list((tmp_path / ".dashboard" / "pictures").glob("*/input-*.png"))) == 1 + 2


def noise(seed):
    return Picture.of(Image.frombytes("RGB", (16, 16), random.Random(seed).randbytes(768)))


def test_a_persons_pictures_take_no_more_than_their_room(tmp_path):
    needed = set()
    kept = KeptPictures(tmp_path, lambda: needed, lambda owner: {"bob": 2000}.get(owner, math.inf))
    pictures = [noise(seed) for seed in range(4)]  # some 850 bytes each
    for number, picture in enumerate(pictures[:3]):
        kept.keep(picture, "bob")
        for path in tmp_path.rglob(f"input-{picture.hash}.png"):
            os.utime(path, (number, number))
    again = KeptPictures(tmp_path)
    assert [again.find(one.hash) is not None for one in pictures[:3]] == [False, True, True]
    needed.update(one.hash for one in pictures[1:3])
    with pytest.raises(LimitError, match=r"your waiting runs start from 1\.\d KiB; .* 2\.0 KiB"):
        kept.keep(pictures[3], "bob")
    assert kept.find(pictures[3].hash) is None
    assert again.find(pictures[1].hash) and again.find(pictures[2].hash)
    kept.keep(pictures[3], "ada")
    assert KeptPictures(tmp_path).find(pictures[3].hash) == pictures[3]


def test_a_disk_that_refuses_fails_nothing(tmp_path):
    (tmp_path / ".dashboard").write_text("in the way")
    kept = KeptPictures(tmp_path)
    kept.keep(RED)
    assert kept.find(RED.hash) == RED


def test_an_experiment_of_json_is_completed(tmp_path):
    kept = KeptPictures(tmp_path)
    kept.keep(RED)
    spec = Experiment(image=RED, mask_image=MASK)
    bare = Experiment.from_dict(json.loads(spec.to_json()))
    whole = kept.complete(bare)
    assert whole == spec and whole.image.has_pixels and not whole.mask_image.has_pixels


def test_a_run_that_waits_finds_its_pictures_at_the_next_server(make_worker, monkeypatch):
    monkeypatch.setattr("dashboard.worker.kept_pictures.MOST", 1)
    first = make_worker()
    spec = Experiment(image=RED, num_steps=900, seed=73)
    first.submit(spec)
    for shade in range(3):
        first.pictures.keep(colour(shade))
    first.stop()
    second = make_worker()
    left = second.known_runs.get(spec.id).experiment
    assert left == spec and not left.image.has_pixels
    until(lambda: second.known_runs.get(spec.id).done)  # so it was found: it is drawn from
    second.cancel(spec.id, "nobody")
