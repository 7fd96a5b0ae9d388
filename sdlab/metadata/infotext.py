"""AUTOMATIC1111's parameters text, read by its own rules; Forge, SD.Next and sdlab write it too.

The last line holds "Name: value" pairs if it has three or more of them; of the lines before, those
from "Negative prompt:" on are the negative prompt. A value in quotes is JSON
(stable-diffusion-webui, modules/infotext_utils.py).
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from sdlab.metadata.found import SDLAB, Found
from sdlab.sampler_names import NAMES

NEGATIVE = "Negative prompt:"
PROGRAM = "AUTOMATIC1111"
FIELDS = {
    "Steps": "num_steps",
    "CFG scale": "guidance_scale",
    "CFG Rescale": "guidance_rescale",
    "Seed": "seed",
    "Eta": "eta",
    "Eta DDIM": "eta",
}
"""Names of pairs that are fields as they stand."""
OPTIONS = {"Sampler options": "solver_options", "Schedule options": "curve_options"}
"""Pairs that sdlab writes as JSON."""
READ = {
    *("Sampler", "Schedule type", "Size", "Model", "Model hash", "Clip skip", "Version", "RNG"),
    *FIELDS,
}
_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")


class Infotext(NamedTuple):
    """The three parts of a parameters text."""

    prompt: str
    negative_prompt: str
    pairs: dict[str, str]


def split(text: str) -> Infotext:
    """Return prompt, negative prompt and pairs of a parameters text."""
    *lines, last = text.strip().split("\n")
    if len(_PAIR.findall(last)) < 3:
        lines, last = [*lines, last], ""
    prompts: tuple[list[str], list[str]] = ([], [])
    negative = False
    for line in map(str.strip, lines):
        if line.startswith(NEGATIVE):
            negative, line = True, line.removeprefix(NEGATIVE).strip()
        if line or prompts[negative]:
            prompts[negative].append(line)
    pairs = {name: _unquoted(value) for name, value in _PAIR.findall(last)}
    return Infotext("\n".join(prompts[0]), "\n".join(prompts[1]), pairs)


def read_infotext(text: str) -> Found:
    """Return what a parameters text says.

    Raises:
        ValueError: If it has no pairs, and so is no parameters text.
    """
    prompt, negative, pairs = split(text)
    if not pairs:
        raise ValueError("the text has no line such as 'Steps: 20, Sampler: Euler a, Seed: 7'.")
    found = Found(SDLAB if pairs.get("Version", "").startswith(SDLAB) else PROGRAM)
    found.take("prompt", prompt, "Prompt")
    found.take("negative_prompt", negative, "Negative prompt")
    for written, name in FIELDS.items():
        if written in pairs:
            found.take(name, pairs[written], written)
    _sampler(found, pairs)
    if size := _SIZE.fullmatch(pairs.get("Size", "")):
        found.take_size(*size.groups())
    _clip_skip(found, pairs.get("Clip skip", "1"))
    found.take_model(pairs.get("Model", ""), pairs.get("Model hash", ""))
    rest = READ | (OPTIONS.keys() | {"Run"} if found.program == SDLAB else set())
    for name, value in pairs.items():
        if name not in rest:
            found.leave(name, value)
    return found


def _sampler(found: Found, pairs: Mapping[str, str]) -> None:
    """Take over the sampler; sdlab's own text has solvers of its own, and options."""
    name, schedule = pairs.get("Sampler", ""), pairs.get("Schedule type")
    if found.program != SDLAB:
        if name:
            found.take_sampler(name, schedule or "")
        return
    found.take("solver", NAMES[name].solver if name in NAMES else name, "Sampler")
    found.take("curve", schedule, "Schedule type")
    for written, field in OPTIONS.items():
        if written in pairs:
            found.take(field, json.loads(pairs[written]), written)


def _clip_skip(found: Found, written: str) -> None:
    """Take over how many layers of CLIP are left out: there counted from 1, in diffusers from 0."""
    if written.isdecimal() and int(written) > 1:
        found.take("pipeline_options", {"clip_skip": int(written) - 1}, "Clip skip")


def _unquoted(value: str) -> str:
    if not (value.startswith('"') and value.endswith('"')):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
