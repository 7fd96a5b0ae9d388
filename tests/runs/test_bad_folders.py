"""One run folder that somebody spoilt: it is named, and the others are listed as ever."""

import json
import os
import shutil
import struct
import zlib

import pytest

import sdlab
from sdlab.errors import StoreError
from sdlab.experiment.experiment import MAX_JSON, MAX_PROMPT, Experiment, check_size
from sdlab.runs.curves import list_curves
from sdlab.runs.listing import list_runs
from sdlab.runs.reading import MAX_PIXELS, read_file
from sdlab.sampling.plan import plan

FACTS = ("experiment", "width", "height", "model", "created")  # of the manifest itself


def png(width, height):
    """A PNG of so many pixels, in a few hundred bytes."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def manifest(**changes):
    def spoil(folder):
        path = folder / "manifest.json"
        values = json.loads(path.read_text())
        for name, value in changes.items():
            (values if name in FACTS else values["experiment"])[name] = value
        path.write_text(json.dumps(values))

    return spoil


def picture(data):
    return lambda folder: (folder / "image.png").write_bytes(data)


def pipe(name):
    def spoil(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return spoil


def link(name):
    def spoil(folder):
        (folder / name).rename(folder.parent / "elsewhere")
        (folder / name).symlink_to(folder.parent / "elsewhere")

    return spoil


SPOILT = {
    "bomb": (picture(png(60_000, 60_000)), "60000 x 60000 pixels"),
    "largest sides": (picture(png(2**31 - 1, 2**31 - 1)), "pixels; at most"),
    "no pixels": (picture(png(0, 9)), "0 x 9 pixels"),
    "no picture": (picture(b"GIF89a" * 9), "cannot be read as a PNG"),
    "width a list": (manifest(width=[64]), "as width a whole number"),
    "width a word": (manifest(width="64"), "as width a whole number"),
    "width without end": (manifest(width=10**30), "as width a whole number"),
    "height below": (manifest(height=-8), "as height a whole number"),
    "height NaN": (manifest(height=float("nan")), "as height a whole number"),
    "steps broken": (manifest(num_steps=2.5), "num_steps must be a whole number"),
    "steps 1e30": (manifest(num_steps=1e30), "num_steps must be a whole number"),
    "steps 10**30": (manifest(num_steps=10**30), "num_steps|not the one"),
    "seed a list": (manifest(seed=[1]), "seed must be a whole number"),
    "guidance": (manifest(guidance_scale=[1]), "guidance_scale must be a number"),
    "guidance 10**400": (manifest(guidance_scale=10**400), "no valid experiment|not the one"),
    "prompt a number": (manifest(prompt=5), "prompt must be text"),
    "solver a list": (manifest(solver=["ddim"]), "solver must be text"),
    "curve a number": (manifest(curve=5), "curve must be text"),
    "record": (manifest(record=5), "record must be a Record"),
    "record's field": (manifest(record={"x": 1}), "Unknown field of record"),
    "record's tensors": (manifest(record={"tensors": 7}), "tensors must be a list"),
    "experiment a list": (manifest(experiment=[]), "no valid experiment"),
    "model a word": (manifest(model="m"), "must name its model"),
    "model's hash": (manifest(model={"name": "m", "hash": 7}), "must name its model"),
    "created": (manifest(created=[2026]), "as created a time"),
    "pipe as manifest": (pipe("manifest.json"), "is no plain file"),
    "pipe as picture": (pipe("image.png"), "lacks image.png"),
    "linked manifest": (link("manifest.json"), "is a link"),
    "linked picture": (link("image.png"), "is a link"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_run_is_named_and_the_others_are_listed(run, stored, name):
    if "pipe" in name and not hasattr(os, "mkfifo"):
        pytest.skip("needs pipes with a name; runs on POSIX")
    seed = 2**64 - 3  # which a float would round
    good = stored.parent / run.experiment.with_(seed=seed).id
    shutil.copytree(stored, good)
    manifest(seed=seed)(good)
    spoil, message = SPOILT[name]
    spoil(stored)
    table = list_runs(stored.parent).set_index("run")
    assert table.loc[good.name, "problem"] == ""
    assert table.loc[good.name, "num_steps"] == 16 and table.loc[good.name, "seed"] == seed
    assert str(table.loc[good.name, "seed"]) == str(seed)
    assert str(stored) in table.loc[stored.name, "problem"]
    with pytest.raises(StoreError, match=message):
        raise StoreError(table.loc[stored.name, "problem"])
    with pytest.raises(StoreError, match=message):
        sdlab.open_run(stored)


def test_a_picture_at_the_limit_is_one():
    side = int(MAX_PIXELS**0.5)
    assert side * side == MAX_PIXELS >= 8192 * 8192


def test_a_file_is_read_to_its_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"123")
    assert read_file(path, 3) == b"123"
    with pytest.raises(StoreError, match="larger than 2 bytes"):
        read_file(path, 2)
    with pytest.raises(StoreError, match="is no plain file"):
        read_file(tmp_path, 99)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none", 99)


def test_a_pipe_among_the_curves_is_named(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs pipes with a name; runs on POSIX")
    (tmp_path / "curves").mkdir()
    os.mkfifo(tmp_path / "curves" / "slow.json")
    (found,) = list_curves(tmp_path)
    assert found.curve is None and "no plain file" in found.problem


def test_what_could_not_be_opened_again_is_not_saved(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sdlab.runs.run_folder.MANIFEST_LIMIT", 100)
    with pytest.raises(StoreError, match="could not be opened again"):
        run.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_a_prompt_has_a_limit_when_it_is_run(small, name):
    longest = Experiment(**{name: "\U0001f600" * MAX_PROMPT}, num_steps=1)
    plan(small, longest)
    assert len(longest.to_json().encode()) < MAX_JSON
    with pytest.raises(ValueError, match=f"{name} must be at most 10,000 characters, got 10,001"):
        plan(small, longest.with_(**{name: "a" * (MAX_PROMPT + 1)}))


def test_options_have_a_limit_when_they_are_run():
    with pytest.raises(ValueError, match="at most 500,000 characters of JSON"):
        check_size(Experiment(solver_options={"x": "a" * MAX_JSON}))
    check_size(Experiment(curve="sigmas", curve_options={"sigmas": [i / 7 for i in range(10_001)]}))


def test_a_run_with_a_longer_prompt_of_before_still_opens(run, stored):
    long = run.experiment.with_(prompt="cat " * MAX_PROMPT)
    target = stored.rename(stored.parent / long.id)
    manifest(prompt=long.prompt)(target)
    assert sdlab.open_run(target).experiment == long
    assert list_runs(target.parent)["problem"].tolist() == [""]
