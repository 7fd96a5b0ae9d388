"""The form of the Compare page: who, which pictures, at what cost; all of it in the address."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.glossary import definition
from dashboard.shell.messages import say_ignored_negative
from dashboard.views.compare.rows import FIRST, MOST, entrant_of, text_of, whole_numbers
from dashboard.widgets import sampler_rows as schedule_rows
from dashboard.widgets.curve_choice import OWN_CURVE
from dashboard.widgets.pipeline_controls import address_of, pipeline_controls
from dashboard.widgets.sampler_adder import sampler_adder
from dashboard.widgets.sharing_field import sharing_field
from dashboard.widgets.solver_menu import best_link
from dashboard.worker.snapshots import ModelView
from sdlab.comparing.comparison import Comparison
from sdlab.experiment.pipeline_fields import PipelineFields
from sdlab.sampler_names import titled_row
from sdlab.shipped import EMBEDDED

FIRST_REFERENCE = 50
DEFAULTS: dict[str, object] = {
    "samplers": list(FIRST),
    "prompts": "a parrot on a beach",
    "seeds": "0-2",
    "budget": 20,
    "more": "10",
    "align": "Evaluations",
    "cfg": 4.0,
    "curve": "karras",
    "negative": "",
    "rescale": 0.0,
    "width": None,
    "height": None,
    "fast": False,
    "reference": FIRST_REFERENCE,
}
TWO = {
    "samplers": ["ddim", "dpmpp_2m"],
    "seeds": "0",
    "budget": 20,
    "more": "",
    "align": "Steps",
}
FEW = {
    "samplers": list(FIRST),
    "seeds": "0-2",
    "budget": 10,
    "more": "50",
    "align": "Evaluations",
}
COUNTED = {"Evaluations": "nfe", "Steps": "steps"}
FAST = (
    "bfloat16 autocast for the compared runs, not for the reference: about two thirds of their "
    "time on a recent server CPU, at an error of its own that the distances then contain (about "
    "0.015 std on the embedded model). Leave it off to measure small differences."
)


@dataclass(frozen=True)
class ComparisonDraft:
    """What was entered in the form.

    Attributes:
        comparison: What would be compared; None if something is not valid.
        problems: Why, in sentences.
        mix: Whether its runs may share network calls.
    """

    comparison: Comparison | None
    problems: tuple[str, ...] = ()
    mix: bool = False


def comparison_form(page: str, catalogue: pd.DataFrame, model: ModelView) -> ComparisonDraft:
    """Draw the controls and return what was entered.

    Args:
        page: For the widget keys.
        catalogue: The table of ``sdlab.schedulers``.
        model: The model in memory.
    """
    texts = _samplers(page, catalogue)
    row = st.container(horizontal=True, gap="medium")
    with row.container(width="stretch"):
        prompts = bound().text_area(
            "Prompts, one a line", DEFAULTS["prompts"], key=f"{page}.prompts", height=122
        )
    with row.container(width=160):
        seeds = bound().text_input(
            "Seeds",
            DEFAULTS["seeds"],
            key=f"{page}.seeds",
            placeholder="0-3, 7",
            help="Every prompt is made with every seed, and all samplers start from the same "
            "noise. The more pictures, the smaller the differences that can be told from luck: "
            "three show only very large ones.",
        )
        cfg = bound().number_input("Guidance scale (CFG)", 0.0, 20.0, 4.0, 0.5, key=f"{page}.cfg")
    with row.container(width=325):
        budget, more, align = _budgets(page)
        best_link(texts, budget)
    given = _more(page, model)
    try:
        further = pipeline_controls(page, model, given["width"], given["height"])
    except ValueError as error:
        return ComparisonDraft(None, (str(error),))
    true_cfg = further.get("true_cfg_scale")
    say_ignored_negative(str(given["negative_prompt"]), float(cfg), model.guidance, true_cfg)
    mix = bool(given.pop("mix"))
    draft = _draft(
        texts, prompts or "", seeds or "", budget, more, align, float(cfg), given | further
    )
    return replace(draft, mix=mix)


def as_parameters(page: str, comparison: Comparison) -> dict[str, str | list[str]]:
    """Return the address parameters that fill the form with a comparison, without defaults."""
    counted = {value: key for key, value in COUNTED.items()}
    values = {
        "samplers": [text_of(entrant) for entrant in comparison.entrants],
        "prompts": "\n".join(comparison.prompts),
        "seeds": ", ".join(map(str, comparison.seeds)),
        "budget": comparison.budget,
        "more": ", ".join(map(str, comparison.more_budgets)),
        "align": counted[comparison.align],
        "cfg": comparison.guidance_scale,
        "curve": comparison.curve or OWN_CURVE,
        "negative": comparison.negative_prompt,
        "rescale": comparison.guidance_rescale,
        "width": comparison.width,
        "height": comparison.height,
        "fast": comparison.fast,
        "reference": comparison.reference_steps,
    }
    changed = {name: values[name] for name, own in DEFAULTS.items() if values[name] != own}
    if comparison.model != EMBEDDED:
        changed["curve"] = values["curve"]  # flow-matching models begin with another
    further = address_of(comparison)
    return {f"{page}.{name}": _as_text(value) for name, value in {**changed, **further}.items()}


def _as_text(value: object) -> str | list[str]:
    """Return a value as the address of a page holds it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, list) else "" if value is None else str(value)


def touched(page: str) -> bool:
    """Return whether the address or this session holds any choice of the form."""
    known = {*st.query_params.keys(), *map(str, st.session_state)}
    return any(f"{page}.{name}" in known for name in (*DEFAULTS, *PipelineFields.LATER))


def _samplers(page: str, catalogue: pd.DataFrame) -> list[str]:
    from sdlab.comparing.presets import PRESETS

    key = f"{page}.samplers"
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for number, (name, preset) in enumerate(PRESETS.items()):
            shown = name[0].upper() + name[1:]
            _shortcut(f"{page}.preset_{number}", shown, preset.description, _take, key, name)
        about = "DDIM and DPM++ 2M at 20 steps each, one seed: change them below."
        _shortcut(f"{page}.two", "Two at 20 steps", about, _take_all, page, TWO)
        about = (
            "Which sampler for 10 evaluations on this model, and how much is lost against 50: "
            "four samplers, three seeds."
        )
        _shortcut(f"{page}.few", "10 against 50 evaluations", about, _take_all, page, FEW)
        sampler_adder(page, key, catalogue, FIRST)
    texts = bound().multiselect(
        "Samplers",
        schedule_rows.offers(catalogue),
        list(FIRST),
        key=key,
        accept_new_options=True,
        format_func=titled_row,
        max_selections=MOST,
        wrap=True,
        help="First what A1111, ComfyUI and Civitai call them, the curve included; then solvers "
        "and schedulers, alone (then they follow the curve for all) or + curve of their own. You "
        "may also type one: `heun {option=value} + karras [rho=5]`, with a name of yours before "
        "it if you like: `mine: heun + karras`.",
    )
    return list(dict.fromkeys(texts))


def _shortcut(key: str, label: str, about: str, fill: Callable[..., None], *args: Any) -> None:
    """Draw a button that fills in what is known by name."""
    st.button(
        label, key=key, type="tertiary", icon=":material/bolt:", help=about,
        on_click=fill, args=args,
    )  # fmt: skip


def _take(key: str, name: str) -> None:
    from sdlab.comparing.presets import preset

    st.session_state[key] = [text_of(entrant) for entrant in preset(name)][:MOST]


def _take_all(page: str, values: dict[str, Any]) -> None:
    """Fill the form with a comparison that is known by name."""
    st.session_state.update({f"{page}.{name}": value for name, value in values.items()})


def _budgets(page: str) -> tuple[int, str, str]:
    left, right = st.columns([3, 4], gap="small")
    with right:
        counted = bound().segmented_control(
            "Counted in",
            list(COUNTED),
            key=f"{page}.align",
            help="Evaluations make it fair: Heun, which makes two a step, then takes half as many "
            "steps. " + definition("evaluation"),
        )
    budget = bound(left).number_input(
        "Budget",
        1,
        1000,
        20,
        key=f"{page}.budget",
        help="The budget of the runs that are shown in full detail.",
    )
    more = bound().text_input(
        "More budgets",
        DEFAULTS["more"],
        key=f"{page}.more",
        placeholder="5, 10, 40",
        help="For error against cost: each sampler runs again at each of them. Two give a line, "
        "three or more a slope with an interval.",
    )
    return int(budget), more or "", COUNTED[counted]


def _more(page: str, model: ModelView) -> dict[str, Any]:
    with st.expander("Curve, size, reference, fast mode", key=f"{page}.more_controls"):
        one, two, three, four = st.columns(4, gap="medium")
        with one:
            curve = _curve(page, model)
            negative = bound().text_input("Negative prompt", key=f"{page}.negative")
        with two:
            width = _side(page, "width", model.default_size[0])
            height = _side(page, "height", model.default_size[1])
        with three:
            steps = _reference(page)
            rescale = bound().slider(
                "Guidance rescale",
                0.0,
                1.0,
                0.0,
                0.05,
                key=f"{page}.rescale",
                help=definition("guidance rescale"),
            )
        with four:
            fast = bound().toggle("Fast mode", key=f"{page}.fast", help=FAST)
            if fast:
                st.caption(f":material/bolt: {FAST}")
            else:
                st.caption("Off: float32, as loaded.")
            mix = sharing_field(page)
    return {
        "curve": None if curve == OWN_CURVE else curve,
        "negative_prompt": negative or "",
        "width": width,
        "height": height,
        "reference_steps": steps,
        "guidance_rescale": float(rescale),
        "fast": bool(fast),
        "mix": mix,
        "model": model.name,
    }


def _curve(page: str, model: ModelView) -> str:
    from sdlab.noise.curves import OWN, names

    curves = [OWN_CURVE, *(name for name in names() if name not in OWN)]
    return bound().selectbox(
        "Sigma curve for all",
        curves,
        curves.index(OWN_CURVE if model.path == "flow" else "karras"),
        key=f"{page}.curve",
        help="For samplers without a curve of their own. A fair comparison needs all to "
        "start at the same noise level, as they do over one curve; a sampler that cannot "
        "follow it takes the nearest one it can. A flow-matching model begins with the "
        "times that it was trained for.",
    )


def _reference(page: str) -> int:
    steps = bound().number_input(
        "Reference steps (0: none)",
        0,
        1000,
        FIRST_REFERENCE,
        2,
        key=f"{page}.reference",
        help="Steps of the reference, the converged picture: Heun over karras, with flow "
        "matching over the model's own times. It also "
        "runs at half as many steps; the change between the two estimates its own error. 0 "
        "makes no reference, which saves most of the time: the pictures are then held "
        "against each other and the prompt, and none is called the nearest.",
    )
    return int(steps)


def _side(page: str, name: str, own: int) -> int | None:
    return bound().number_input(
        f"{name.title()} (px)",
        8,
        4096,
        None,
        8,
        key=f"{page}.{name}",
        placeholder=f"{own} (the model's own)",
    )


def _draft(
    texts: list[str],
    prompts: str,
    seeds: str,
    budget: int,
    more: str,
    align: str,
    cfg: float,
    given: dict[str, Any],
) -> ComparisonDraft:
    problems: list[str] = []
    entrants = []
    for text in texts:
        try:
            entrants.append(entrant_of(text))
        except ValueError as error:
            problems.append(f"{text[:80]}: {_brief(str(error))}")
    if problems:
        return ComparisonDraft(None, tuple(problems))
    if not entrants:
        return ComparisonDraft(None)
    try:
        comparison = Comparison(
            tuple(entrants),
            tuple(dict.fromkeys(filter(None, (line.strip() for line in prompts.splitlines())))),
            whole_numbers(seeds, "seeds"),
            budget,
            tuple(n for n in whole_numbers(more, "more budgets") if n != budget),
            align,
            guidance_scale=cfg,
            **given,
        )
    except ValueError as error:
        return ComparisonDraft(None, (str(error),))
    return ComparisonDraft(comparison)


def _brief(said: str) -> str:
    """Return a message; of a long one not the names that would be valid, which the menu shows."""
    return said if len(said) < 300 else said.partition(" Valid: ")[0][:600]
