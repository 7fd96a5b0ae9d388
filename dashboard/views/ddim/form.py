"""The fields that the DDIM page's sections share, each in the URL."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.shell.address import bound
from dashboard.shell.glossary import definition
from dashboard.shell.lab import lab
from dashboard.shell.messages import say_ignored_negative
from dashboard.shell.navigation import link_to
from dashboard.widgets.experiment_controls import PROMPT
from dashboard.widgets.latent_source import Latents, Source, choose_source, picture_size
from dashboard.widgets.sampler_rows import DDIM_SPACINGS
from dashboard.widgets.typed import parse_seed
from dashboard.worker.snapshots import ModelView
from sdlab.ddim.schemes import METHODS
from sdlab.experiment.experiment import Experiment
from sdlab.models.guidance import Guidance

ABOUT_METHODS = {
    "naive": "Naive (Song et al. 2020): eps is taken one level too early. First order.",
    "fixed_point": "Fixed point (Pan et al. 2023): the naive step, put back in until it agrees.",
    "edict": "EDICT (Wallace et al. 2022): two coupled states; every step can be undone exactly.",
    "o_belm": "O-BELM (Wang et al. 2024): from two points at once; second order, undone exactly.",
}
NAMES_OF_METHODS = {
    "naive": "Naive", "fixed_point": "Fixed point", "edict": "EDICT", "o_belm": "O-BELM",
}  # fmt: skip


def source_beside(page: str, model: ModelView) -> tuple[Source | None, DeltaGenerator]:
    """Draw the choice of a picture; return it, None while there is none, and what is beside it."""
    left, right = st.columns([3, 8], gap="medium")
    with left:
        source = choose_source(page, model)
    if source is None:
        right.info("Choose a picture or a latents file on the left.", icon=":material/image:")
    return source, right


def experiment(page: str, cfg: float = 4.0, steps: int = 20) -> Experiment:
    """Draw prompt, negative prompt, seed, steps and guidance and return them as an experiment.

    Raises:
        ValueError: If a field is not valid.
    """
    prompt = bound().text_input("Prompt", PROMPT, key=f"{page}.prompt")
    negative = bound().text_input("Negative prompt", key=f"{page}.negative")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = num_steps(page, steps)
        scale = guidance(page, cfg)
        given = seed(page)
    model = lab().status().model
    say_ignored_negative(negative or "", scale, model.guidance if model else Guidance())
    return Experiment(
        prompt=prompt or "", negative_prompt=negative or "", seed=given, num_steps=number,
        guidance_scale=scale,
    )  # fmt: skip


def run_on(latents: Latents, steps: int, model: ModelView) -> Experiment:
    """Return a run of so many steps that draws a picture about as large as that of latents."""
    width, height = (max(8, side // 8 * 8) for side in picture_size(latents, model))
    return Experiment(num_steps=steps, width=width, height=height)


def caption(page: str, default: str, label: str = "What the picture shows") -> str:
    """Draw the caption of a picture; while the field is empty, the default holds.

    Raises:
        ValueError: If it has characters that no prompt may have.
    """
    key = f"{page}.caption" if label.startswith("What") else f"{page}.edited"
    text = bound().text_input(label, key=key, placeholder=default or "no words")
    return Experiment(prompt=(text or "").strip() or default).prompt


def method(page: str, default: str = "fixed_point") -> tuple[str, int]:
    """Draw the choice of inversion and return it with its rounds a step."""
    name = bound().segmented_control(
        "Inversion",
        METHODS,
        default=default,
        key=f"{page}.method",
        format_func=NAMES_OF_METHODS.__getitem__,
    )
    rounds = 10
    if name == "fixed_point":
        rounds = bound().number_input(
            "Rounds a step", 2, 50, 5, key=f"{page}.rounds", width=130,
            help="Network evaluations a step upwards.", 
        )  # fmt: skip
    st.caption(ABOUT_METHODS[name])
    return name, int(rounds)


def negative(page: str, scale: float) -> str:
    """Draw the negative prompt, where guidance uses one.

    Raises:
        ValueError: If it has characters that no prompt may have.
    """
    if scale <= 1:
        return ""
    text = bound().text_input("Negative prompt", key=f"{page}.negative", width=300)
    return Experiment(prompt=(text or "").strip()).prompt


def num_steps(page: str, default: int = 20) -> int:
    """Draw the number of steps."""
    return int(bound().number_input("Steps", 2, 500, default, key=f"{page}.steps", width=110))


def link_to_spacings() -> None:
    """Draw the link to diffusers' DDIM over its three spacings on the Solver bench."""
    words = "Why linspace gets worse"
    link_to("solver_bench", words, **{"bench.solvers": list(DDIM_SPACINGS)})


def guidance(page: str, default: float) -> float:
    """Draw the guidance scale."""
    return float(
        bound().number_input(
            "Guidance", 0.0, 20.0, default, 0.5, key=f"{page}.cfg", width=130,
            help=definition("guidance"),
        )
    )  # fmt: skip


def seed(page: str, label: str = "Seed", default: str = "7") -> int:
    """Draw a seed.

    Raises:
        ValueError: If it is none.
    """
    key = f"{page}.{label.lower().replace(' ', '_')}"
    return parse_seed(bound().text_input(label, default, key=key, width=150) or "")
