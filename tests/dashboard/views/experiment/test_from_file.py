"""Files dropped on the Experiment page fill its form."""

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

import sdlab
from sdlab.runs.manifest import manifest
from sdlab.runs.png import png_bytes
from tests.dashboard.conftest import read
from tests.dashboard.forms import errors

OTHERS = """a (red:1.3) car
Negative prompt: rain
Steps: 9, Sampler: Euler a, Schedule type: Karras, CFG scale: 30, Seed: 42, Size: 64x72, ENSD: 1"""


@pytest.fixture
def dropped(open_page):
    at = open_page("experiment")

    def drop(name, data, kind="image/png"):
        return at.file_uploader(key="experiment.file").set_value((name, data, kind)).run()

    return drop


def held(at):
    """What the form's fields hold."""
    fields = [*at.text_area, *at.text_input, *at.number_input, *at.selectbox, *at.toggle]
    return {field.key.removeprefix("experiment."): field.value for field in fields if field.key}


def test_our_own_picture_restores_every_field(dropped, small):
    asked = sdlab.Experiment(
        prompt="a  boat\nat sea",
        negative_prompt="rain",
        seed=2**63,
        solver="dpmpp_2m_sde",
        solver_options={"s_noise": 0.9},
        eta=0.25,
        curve="karras",
        curve_options={"rho": 5.0},
        num_steps=6,
        guidance_scale=2.5,
        guidance_rescale=0.5,
        width=64,
        fast=True,
    )
    facts = manifest(small, asked, created=datetime.now(UTC))
    at = dropped("run.png", png_bytes(Image.new("RGB", (8, 8)), facts))
    assert not at.exception and not at.error
    found = held(at)
    wanted = {
        "prompt": asked.prompt,
        "negative": "rain",
        "seed": str(2**63),
        "solver": "dpmpp_2m_sde",
        "options": "s_noise=0.9",
        "eta_1": 0.25,
        "curve": "karras",
        "curve_options": "rho=5.0",
        "steps": 6,
        "cfg": 2.5,
        "rescale": 0.5,
        "width": 64,
        "height": None,
        "fast": True,
    }
    assert {name: found[name] for name in wanted} == wanted
    assert [read(s) for s in at.success] == [
        "Filled in from sdlab: prompt, negative prompt, seed, solver, solver options, curve, curve"
        " options, steps, CFG, guidance rescale, eta, size, fast."
    ]


def test_anothers_text_lists_what_no_field_takes(dropped):
    at = dropped("theirs.txt", OTHERS.encode(), "text/plain")
    assert not at.exception and not at.error
    found = held(at)
    assert (found["solver"], found["curve"], found["seed"]) == ("euler_ancestral", "karras", "42")
    assert (found["width"], found["height"], found["steps"]) == (64, 72, 9)
    assert any("not parsed here" in read(i) for i in at.info)
    assert any("CFG 30 is more than this form holds, 20" in read(i) for i in at.info)
    assert any("ENSD: 1" in read(c) for c in at.caption)
    assert read(at.success[0]) == (
        "Filled in from AUTOMATIC1111: prompt, negative prompt, steps, CFG, seed, solver, curve,"
        " size."
    )
    at.number_input(key="experiment.steps").set_value(4).run()  # is not filled in again
    assert held(at)["steps"] == 4


def test_a_file_that_says_nothing_leaves_the_form(dropped):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    at = dropped("mine.png", file.getvalue())
    assert held(at)["prompt"] == "a parrot on a beach"
    (message,) = errors(at)
    assert message.startswith("mine.png: The file says nothing of how it was made")
