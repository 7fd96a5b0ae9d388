"""The text in a picture tells every two experiments apart, and others' tools can read it."""

import io
import json
import re
from dataclasses import fields
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from PIL import Image
from sd_parsers import ParserManager

import sdlab
from sdlab.metadata.infotext import split
from sdlab.runs.manifest import manifest
from sdlab.runs.png import exact, parameters, png_bytes

BASE = sdlab.Experiment(
    prompt="a parrot", solver="ddim", curve="karras", num_steps=5, guidance_scale=7.5, model="small"
)
# Another value of each field, more than one where one value was once left out or rounded away.
OTHERS = {
    "prompt": ["a cat", ""],
    "negative_prompt": ["rain"],
    "seed": [1, 2**64 - 1],
    "solver": ["heun"],
    "solver_options": [{"churn": 1.0}, {"churn": 2.0}, {"a": [1, [2, 3]], "b": 'x, y: "z"\n'}],
    "curve": [None, "linspace"],
    "curve_options": [{"rho": 5.0}, {"rho": 5.0000001}, {"formula": "sigma_max * (1 - u)"}],
    "num_steps": [6],
    "guidance_scale": [7.50000001, 0.0],
    "guidance_rescale": [0.1, 0.10000001],
    "eta": [0.0, 1e-7, 0.3, 0.30000000000000004, 1.0],
    "width": [64],
    "height": [64],
    "fast": [True],
    "image": [Image.new("RGB", (8, 8)), Image.new("RGB", (8, 16))],
    "control_image": [Image.new("RGB", (8, 8))],
    "prompt_2": ["two", ""],
    "prompt_3": ["two"],
    "negative_prompt_2": ["two"],
    "negative_prompt_3": ["two"],
    "true_cfg_scale": [4.0, 4.0000001],
    "max_sequence_length": [77],
    "pipeline_options": [{"clip_skip": 1}, {"clip_skip": 2}],
}
# Those that need another.
WITH = {
    "strength": ("image", [0.5, 0.50000001]),
    "mask_image": ("image", [Image.new("L", (8, 8))]),
    "controlnet_conditioning_scale": ("control_image", [0.5, 1.0]),
}
# AUTOMATIC1111's stable-diffusion-webui, modules/infotext_utils.py: the pairs of the last line.
PAIRS = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def text(small, experiment):
    return parameters(manifest(small, experiment, created=datetime.now(UTC)))


def read(words):
    """The pairs as that tool reads them: names, and values unquoted."""
    found = dict(PAIRS.findall(words.rsplit("\n", 1)[1]))
    return {k: json.loads(v) if v.startswith('"') else v for k, v in found.items()}


def test_every_field_that_makes_a_difference_is_varied_here():
    varied = {*OTHERS, *WITH, "model", "record"}
    assert varied == {field.name for field in fields(sdlab.Experiment)}


def test_no_two_experiments_have_the_same_text(small):
    made = [BASE] + [BASE.with_(**{name: x}) for name, values in OTHERS.items() for x in values]
    for name, (needed, values) in WITH.items():
        base = BASE.with_(**{needed: OTHERS[needed][0]})
        made += [base.with_(**{name: x}) for x in values]
    words = [text(small, experiment).rsplit(", Run: ", 1)[0] for experiment in made]
    assert len(set(words)) == len(made)
    kept = BASE.with_(record={"tensors": ["x_t"]})
    assert text(small, kept) != text(small, BASE)  # by its id alone


def test_other_tools_read_it(small):
    options = {"order": 3, "note": 'x, y: "z"\n'}
    made = BASE.with_(eta=0.0, solver_options=options, curve_options={"rho": 5.0}, fast=True)
    assert read(text(small, made)) == {
        "Steps": "5",
        "Sampler": "DDIM",
        "Sampler options": json.dumps(options, sort_keys=True),
        "Schedule type": "karras",
        "Schedule options": '{"rho": 5.0}',
        "CFG scale": "7.5",
        "Fast": "bfloat16",
        "Eta DDIM": "0",
        "Seed": "0",
        "RNG": "CPU",
        "Size": "128x128",
        "Model hash": small.hash,
        "Model": "small",
        "Version": f"sdlab {manifest(small, made, created=datetime.now(UTC))['versions']['sdlab']}",
        "Run": made.id,
    }


@pytest.mark.parametrize(
    ("number", "shown"),
    [(7, "7"), (7.0, "7"), (7.5, "7.5"), (0.1 + 0.2, "0.30000000000000004"), (-0.0, "0")],
)
def test_numbers_lose_no_digit(number, shown):
    assert exact(number) == shown
    assert float(shown) == number


def test_a_png_holds_every_pixel_and_the_text(small):
    pixels = np.arange(3 * 40 * 24, dtype=np.uint8).reshape(40, 24, 3)
    facts = manifest(small, BASE, created=datetime.now(UTC))
    for data in (png_bytes(Image.fromarray(pixels), facts), png_bytes(Image.fromarray(pixels))):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    told = Image.open(io.BytesIO(png_bytes(Image.fromarray(pixels), facts))).text
    assert told["parameters"] == parameters(facts)
    assert json.loads(told["sdlab"])["experiment"] == BASE.to_dict()


def test_a_quick_png_has_the_same_pixels():
    smooth = Image.effect_mandelbrot((256, 256), (-2, -1.5, 1, 1.5), 60)
    small_file, quick = png_bytes(smooth), png_bytes(smooth, quick=True)
    assert len(small_file) < len(quick)
    assert Image.open(io.BytesIO(quick)).tobytes() == smooth.tobytes()


# What A1111's format can carry: no spaces around a line, no line that ends the prompt.
PROMPTS = st.lists(
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=30).map(str.strip),
    max_size=4,
).map(lambda lines: "\n".join(lines).strip())


@given(PROMPTS, PROMPTS)
@example('a, b: "c" \\ (d:1.2), Steps: 3, Sampler: x', "Seed: 4, CFG scale: 1, Steps: 2")
@example("", "")
def test_others_read_every_prompt_that_the_format_can_carry(small, prompt, negative):
    assume(not any("Negative prompt:" in text for text in (prompt, negative)))
    hostile = {"prompt_2": "Steps: 99, Seed: 99, Sampler: y", "eta": 0.3, "solver": "dpmpp_2m"}
    made = BASE.with_(prompt=prompt, negative_prompt=negative, **hostile)
    words = text(small, made)
    found = split(words)
    assert (found.prompt, found.negative_prompt) == (prompt, negative)
    told = png_bytes(Image.new("RGB", (8, 8)), manifest(small, made, created=datetime.now(UTC)))
    info = ParserManager().parse(io.BytesIO(told))
    (sampler,) = info.samplers
    assert sampler.name == "DPM++ 2M"
    assert (info.full_prompt, info.full_negative_prompt) == (prompt, negative)
    values = {name: sampler.parameters[name] for name in ("steps", "seed", "cfg_scale")}
    assert values == {"steps": "5", "seed": "0", "cfg_scale": "7.5"}
    assert (sampler.parameters["scheduler"], info.metadata["Eta"]) == ("karras", "0.3")
    assert info.metadata["Size"] == "128x128"
