"""The heading of a run: its prompt, and all settings that decide the picture in one line."""

import html
from textwrap import shorten
from typing import Any

import streamlit as st

from dashboard.components.browser_files import style
from dashboard.shell.glossary import definition
from dashboard.shell.theme import scheduler_color
from dashboard.widgets.curve_words import curve_values, curve_words, further_options
from dashboard.widgets.run_states import evaluations_of, why_evaluations
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.pipeline_fields import FURTHER_PROMPTS
from sdlab.experiment.spec import OPTIONS
from sdlab.runs.png import exact
from sdlab.sampler_names import titled

OPTION_LIMIT = 60
SOURCES = {
    "image": "source picture",
    "mask_image": "mask",
    "control_image": "ControlNet picture",
}
FIGURES = {
    "strength": "strength",
    "controlnet_conditioning_scale": "ControlNet's weight",
    "true_cfg_scale": "true CFG",
    "max_sequence_length": "sequence length",
}


def facts_line(experiment: dict[str, Any], nfe: int | None = None) -> None:
    """Draw all settings that decide the picture in one line, the scheduler in its colour."""
    solver = experiment["solver"]
    dot = f'<span class="dot" style="background:{scheduler_color(solver)}"></span>'
    prompt = html.escape(experiment["prompt"]) or "(no prompt)"
    if experiment["negative_prompt"]:
        negative = html.escape(experiment["negative_prompt"])
        prompt += f' <span class="negative">not: {negative}</span>'
    for name in FURTHER_PROMPTS:
        if experiment.get(name):
            words = f"{name.replace('_', ' ')}: {html.escape(experiment[name])}"
            prompt += f' <span class="negative">{words}</span>'
    rest = " · ".join([html.escape(titled(solver)), *_settings(experiment, nfe)])
    st.html(
        f'{style(__file__)}<div class="facts"><div class="prompt">{prompt}</div>'
        f'<div class="settings">{dot}{rest}</div></div>'
    )


def _settings(experiment: dict[str, Any], nfe: int | None) -> list[str]:
    """Return the settings but the solver, each as HTML."""
    before = [
        f"CFG {exact(experiment['guidance_scale'])}",
        f"seed {experiment['seed']}",
    ]
    after = [
        experiment["eta"] is not None and f"eta {exact(experiment['eta'])}",
        experiment["guidance_rescale"] and f"rescale {exact(experiment['guidance_rescale'])}",
        experiment.get("fast") and "fast",
        *(label for name, label in SOURCES.items() if name in experiment),
        *(f"{label} {exact(experiment[n])}" for n, label in FIGURES.items() if n in experiment),
        *(
            shorten(f"{name} {value}", OPTION_LIMIT, placeholder=" ...")
            for options in OPTIONS
            for name, value in _options(experiment, options).items()
        ),
    ]
    plain_parts = [[html.escape(str(part)) for part in parts if part] for parts in (before, after)]
    curve = _curve_html(experiment)
    steps = _steps_html(experiment, nfe)
    return [steps, *plain_parts[0], *([curve] if curve else []), *plain_parts[1]]


def _steps_html(experiment: dict[str, Any], nfe: int | None) -> str:
    """Return steps and evaluations, where they differ; the sum shows where the pointer rests."""
    steps = f"{experiment['num_steps']} steps"
    if nfe in (None, experiment["num_steps"]):
        return steps
    asked = Experiment.from_dict(experiment)
    known = why_evaluations(asked) if evaluations_of(asked) == nfe else ""
    told = html.escape(known or definition("evaluation"), quote=True)
    return f'{steps}, <span class="evaluations" title="{told}">{nfe} evaluations</span>'


def _options(experiment: dict[str, Any], name: str) -> dict[str, Any]:
    """Return options of one kind, without the curve's own, which its words say."""
    options: dict[str, Any] = dict(experiment.get(name, {}))
    is_curves = name == "curve_options"
    return further_options(experiment["curve"], options) if is_curves else options


def _curve_html(experiment: dict[str, Any]) -> str:
    """Return the curve in words, all its numbers shown where the pointer rests; "" for none."""
    curve, options = experiment["curve"], dict(experiment.get("curve_options", {}))
    words = html.escape(shorten(curve_words(curve, options), OPTION_LIMIT, placeholder=" ..."))
    values = html.escape(curve_values(curve, options), quote=True)
    return f'<span class="curve" title="{values}">{words}</span>' if values else words
