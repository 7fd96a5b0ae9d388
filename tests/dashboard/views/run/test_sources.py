"""The Run page shows the pictures that a run started from, or says that one is missing."""

import dataclasses

import pytest
from PIL import Image

import sdlab
from sdlab.experiment.experiment import Experiment
from tests.dashboard.conftest import read

PICTURE = Image.new("RGB", (24, 16), "red")


@pytest.fixture(scope="module")
def folder(runs_folder):
    """A stored run, as if it had started from pictures."""
    run = sdlab.run(sdlab.load(), Experiment(num_steps=2, width=64, height=64, seed=71))
    spec = run.experiment.with_(image=PICTURE, strength=0.5, control_image=PICTURE.rotate(180))
    spec = spec.with_(mask_image=Image.new("L", (24, 16), 99), prompt_2="a <second> one")
    facts = {**run.manifest, "id": spec.id, "experiment": spec.to_dict()}
    return dataclasses.replace(run, experiment=spec, manifest=facts).save(runs_folder)


def test_pictures_are_shown_or_said_to_be_missing(open_page, folder):
    at = open_page("run", id=folder.name)
    assert not at.exception and not at.error and not at.warning
    captions = {caption.value for caption in at.caption}
    assert {"Source picture", "Mask", "ControlNet picture"} <= captions
    facts = "".join(node.proto.body for node in at.get("html"))
    assert "strength 0.5" in facts and "prompt 2: a &lt;second&gt; one" in facts


def test_a_missing_one_is_said(open_page, folder, monkeypatch):
    from dashboard.shell.lab import lab

    mask = sdlab.open_run(folder).experiment.mask_image
    lab().pictures._held.pop(mask.hash, None)
    (folder / f"input-{mask.hash}.png").unlink()
    at = open_page("run", id=folder.name)
    assert any(read(w).startswith("The mask of this run is missing") for w in at.warning)
    assert not at.exception
