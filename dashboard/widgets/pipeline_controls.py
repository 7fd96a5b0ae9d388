"""What a model's pipeline takes beyond words, steps and guidance, as fields of a form.

Only what the model in memory has is shown. The names in the address are the experiment's fields,
after the page's: ``experiment.strength``. A picture is in the address by its hash.
"""

import json
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.shell.address import bound, given
from dashboard.shell.glossary import definition
from dashboard.widgets.picture_field import picture_field
from dashboard.widgets.typed import parse_options
from dashboard.worker.snapshots import ModelView
from sdlab.experiment.picture import Picture
from sdlab.experiment.pipeline_fields import PICTURES, PipelineFields

PROMPTS = {
    "prompt_2": "Second prompt",
    "negative_prompt_2": "Second negative prompt",
    "prompt_3": "Third prompt",
    "negative_prompt_3": "Third negative prompt",
}
ENCODERS = "For the model's {} text encoder; empty: the same as the first."
KINDS = {"image": "img2img", "mask_image": "inpainting", "control_image": "ControlNet"}
"""What others call drawing from a picture, by the field that it takes."""
STRENGTH = 0.6
_OWN = "the pipeline's own"


@dataclass(frozen=True)
class Form:
    """The form that the fields belong to.

    Attributes:
        page: What their keys begin with.
        takes: The fields that are shown.
        size: (width, height) that pictures are brought to; None keeps their own.
    """

    page: str
    takes: frozenset[str]
    size: tuple[int, int] | None

    def has(self, *names: str) -> bool:
        """Return whether one of these fields is shown."""
        return bool(self.takes & set(names))

    def key(self, name: str) -> str:
        """Return the key of a field, which is its name in the address."""
        return f"{self.page}.{name}"


def pipeline_controls(
    page: str, model: ModelView | None, width: int | None, height: int | None
) -> dict[str, Any]:
    """Draw the fields that a model has and return their values, those that are used.

    Args:
        page: What the keys begin with.
        model: In memory; None if the one that was chosen is not: then the fields are shown that the
            address names.
        width: Pixels of the picture to make; None for the model's own.
        height: Likewise.

    Raises:
        ValueError: If what was typed is no option.
    """
    named = {name for name in PipelineFields.LATER if given(f"{page}.{name}")}
    takes = model.inputs & set(PipelineFields.LATER) if model else frozenset(named)
    _say_left_out(named - takes, model)
    if not takes:
        return {}
    with st.expander(_label(takes), key=f"{page}.pipeline", expanded=bool(named)):
        form = Form(page, takes, _size(page, takes, model, width, height))
        further = model.options if model else ()
        return {**_pictures(form), **_control(form), **_words(form), **_rest(form, further)}


def address_of(spec: PipelineFields) -> dict[str, str]:
    """Return what the address holds, by field, for an experiment or a comparison.

    Its pictures are not to be brought to a size once more.
    """
    texts = {}
    for name, value in spec.of_pipeline.items():
        if isinstance(value, Picture):
            texts[name] = value.hash
        elif name == "pipeline_options":
            texts[name] = ", ".join(f"{key}={json.dumps(item)}" for key, item in value)
        elif value is not None:
            texts[name] = str(value)
    if spec.source_pictures:
        texts["fit"] = "false"
    return {name: text for name, text in texts.items() if text}


def _label(takes: frozenset[str]) -> str:
    kinds = [name for field, name in KINDS.items() if field in takes]
    parts = {
        f"pictures ({', '.join(kinds)})" if kinds else "pictures": takes & set(PICTURES),
        "further words": takes & set(PROMPTS),
        "pipeline options": takes - set(PICTURES) - set(PROMPTS) - {"strength"},
    }
    label = ", ".join(name for name, found in parts.items() if found)
    return label[:1].upper() + label[1:]


def _say_left_out(names: set[str], model: ModelView | None) -> None:
    if names and model:
        st.info(
            f"This model does not take {', '.join(sorted(names))}; the address of this page has a "
            "value for it, which is left out.",
            icon=":material/link_off:",
        )


def _size(
    page: str,
    takes: frozenset[str],
    model: ModelView | None,
    width: int | None,
    height: int | None,
) -> tuple[int, int] | None:
    """Draw the choice of the pictures' size and return it."""
    if not takes & set(PICTURES):
        return None
    own = model.default_size if model else (512, 512)
    size = (width or own[0], height or own[1])
    fit = bound().toggle(
        f"Bring pictures to {size[0]} x {size[1]} px",
        True,
        key=f"{page}.fit",
        help="Cropped and resized. Off: a picture keeps its size, and the result may take it over.",
    )
    return size if fit else None


def _pictures(form: Form) -> dict[str, Any]:
    if not form.has("image"):
        return {}
    about = "The picture to start from, or to change: img2img."
    image = picture_field(form.key("image"), "Source picture", about, size=form.size)
    if image is None:
        return {}
    values: dict[str, Any] = {"image": image}
    if form.has("strength"):
        values["strength"] = bound().slider(
            "Strength",
            0.01,
            1.0,
            STRENGTH,
            0.01,
            key=form.key("strength"),
            help=definition("img2img strength") + " At 1 hardly anything of the picture is left.",
        )
    if form.has("mask_image"):
        about = "White is painted anew, black stays. Grey in between, where the model knows it."
        key = form.key("mask_image")
        mask = picture_field(key, "Mask", about, mode="L", size=form.size)
        values |= {"mask_image": mask} if mask else {}
    return values


def _control(form: Form) -> dict[str, Any]:
    if not form.has("control_image"):
        return {}
    about = "What the ControlNet follows, in its own kind: edges, a pose, depth."
    image = picture_field(form.key("control_image"), "ControlNet picture", about, size=form.size)
    if image is None:
        return {}
    values: dict[str, Any] = {"control_image": image}
    if form.has("controlnet_conditioning_scale"):
        values["controlnet_conditioning_scale"] = bound().number_input(
            "ControlNet's weight",
            0.0,
            10.0,
            1.0,
            0.05,
            key=form.key("controlnet_conditioning_scale"),
            help="At 0 it is not heard, at 1 as in its training.",
        )
    return values


def _words(form: Form) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, label in PROMPTS.items():
        if form.has(name):
            which = "second" if name.endswith("2") else "third"
            text = bound().text_input(label, key=form.key(name), help=ENCODERS.format(which))
            values |= {name: text} if text else {}
    return values


def _rest(form: Form, further: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if form.has("true_cfg_scale"):
        values["true_cfg_scale"] = bound().number_input(
            "True CFG scale",
            0.0,
            20.0,
            None,
            0.5,
            key=form.key("true_cfg_scale"),
            placeholder=_OWN,
            help="Guidance by a second evaluation with the negative prompt; the guidance scale "
            "above is an input of this network.",
        )
    if form.has("max_sequence_length"):
        values["max_sequence_length"] = bound().number_input(
            "Tokens of the long text encoder",
            1,
            4096,
            None,
            1,
            key=form.key("max_sequence_length"),
            placeholder=_OWN,
        )
    if form.has("pipeline_options"):
        names = ", ".join(further)
        text = bound().text_input(
            "Pipeline options",
            key=form.key("pipeline_options"),
            placeholder="name=value, name=value",
            help=f"Further arguments of the pipeline's call: {names}." if names else None,
        )
        values["pipeline_options"] = parse_options(text or "", "pipeline options") or None
    return {name: value for name, value in values.items() if value is not None}
