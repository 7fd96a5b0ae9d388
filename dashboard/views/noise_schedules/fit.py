"""Fitting a schedule to the model: its fields, the study, and what came of it, to be kept."""

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.glossary import definition
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.shell.presses import press_of
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.experiment_controls import PROMPT
from dashboard.widgets.figure import figure
from dashboard.widgets.study_panel import study_panel
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from sdlab.fitting.fitted import Fitted
    from sdlab.models.model import Model
    from sdlab.noise.schedule import NoiseSchedule
    from sdlab.work import Work

FIRST = "dpmpp_2m"
HELD_OUT = 100
ABOUT = (
    "Which few noise levels suit this model and sampler best? They are chosen on the courses of a "
    "few pictures drawn with many steps, and judged on other seeds, against karras and Align Your "
    "Steps."
)
SOURCE = (
    "Chen et al. 2024 (GITS, arXiv 2405.11326): dynamic programming. Then each level is moved "
    "where that brings the sampler itself nearer."
)
SEEN = "Where its points lie close together, few long steps would leave the course."


def fit_panel(page: str) -> None:
    """Draw the fields, and the study or its result; ``page`` is for the widget keys."""
    st.caption(ABOUT, help=SOURCE)
    catalogue, model = lab().catalogue(), lab().status().model
    if catalogue is None or model is None:
        st.info("The model is still being loaded.", icon=":material/hourglass_top:")
        return
    own = catalogue[(catalogue["origin"] == "sdlab") & catalogue["compatible"]]
    names = own.loc[own["deterministic"], "name"].tolist()
    if "flow" in set(catalogue["coordinates"]):
        st.info("Only models that add noise as Stable Diffusion does can be fitted.")
        return
    experiment, fitted_to, judging, teacher = _fields(page, names, model.name)
    seeds = tuple(range(fitted_to)), tuple(range(HELD_OUT, HELD_OUT + judging))
    about = (experiment, *seeds, teacher)
    runs = experiment, experiment.with_(num_steps=teacher)
    done = study_panel(f"{page}.fit", "Fit", about, partial(_fitting, *about), runs=runs)
    if done is not None:
        _result(page, *done)


def _fields(page: str, names: list[str], model: str) -> tuple[Experiment, int, int, int]:
    prompt = bound().text_input("Prompt", PROMPT, key=f"{page}.fit_prompt")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        solver = bound().selectbox(
            "Sampler", names, names.index(FIRST), key=f"{page}.fit_solver", width=190
        )
        steps = bound().number_input(
            "Steps", 2, 40, 8, key=f"{page}.fit_steps", width=120, help=definition("step")
        )
        cfg = bound().number_input(
            "Guidance scale (CFG)", 0.0, 20.0, 4.0, 0.5, key=f"{page}.fit_cfg", width=170,
            help=definition("guidance"),
        )  # fmt: skip
        fitted_to = bound().number_input(
            "Fitted to", 1, 16, 4, key=f"{page}.fit_seeds", width=120, help="Pictures, from seed 0."
        )
        judging = bound().number_input(
            "Judged on", 2, 32, 8, key=f"{page}.fit_held", width=120,
            help=f"Other pictures, from seed {HELD_OUT}.",
        )  # fmt: skip
        teacher = bound().number_input(
            "Converged in", 2, 200, 60, key=f"{page}.fit_teacher", width=120,
            help="Heun's steps of the pictures that count as converged.",
        )  # fmt: skip
    experiment = Experiment(
        model=model, prompt=prompt or "", solver=str(solver), num_steps=int(steps),
        guidance_scale=float(cfg),
    )  # fmt: skip
    return experiment, int(fitted_to), int(judging), int(teacher)


def _fitting(
    experiment: Experiment,
    seeds: tuple[int, ...],
    held_out: tuple[int, ...],
    teacher: int,
    model: "Model",
) -> "Work[tuple[Fitted, NoiseSchedule]]":
    from sdlab.fitting.fit import fitting

    fitted = yield from fitting(model, experiment, seeds, held_out, teacher_steps=teacher)
    return fitted, model.schedule


def _result(page: str, fitted: "Fitted", schedule: "NoiseSchedule") -> None:
    from dashboard.charts.fitted import schedules

    for sentence in fitted.sentences:
        st.markdown(f"- {plain(sentence)}")
    figure(schedules(_levels(fitted, schedule)), SEEN)
    st.code(", ".join(f"{sigma:.6g}" for sigma in fitted.sigmas), language=None, wrap_lines=True)
    _keep(page, fitted, schedule)
    csv_table(fitted.table, "fitted-schedule", f"{page}.fit_csv", "Each curve, held out.")


def _levels(fitted: "Fitted", schedule: "NoiseSchedule") -> pd.DataFrame:
    """Return the sigmas above 0 of the fitted schedule and of those that it was held against."""
    from sdlab.fitting.fitted import FITTED
    from sdlab.noise.curves import make

    steps = len(fitted.sigmas) - 1
    rows: list[dict[str, Any]] = []
    for name in fitted.table["curve"]:
        sigmas = fitted.sigmas if name == FITTED else make(name, schedule, steps, {}).tolist()
        rows += [{"curve": name, "step": k, "sigma": s} for k, s in enumerate(sigmas[:-1])]
    return pd.DataFrame(rows)


def _keep(page: str, fitted: "Fitted", schedule: "NoiseSchedule") -> None:
    """Draw the name under which the schedule is kept as a curve of one's own."""
    press = press_of(f"{page}.fit_save")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name", f"fitted {fitted.experiment.solver} {len(fitted.sigmas) - 1}",
            key=f"{page}.fit_name", max_chars=60, width=260,
        )  # fmt: skip
        st.button(
            "Save as a curve", key=f"{page}.fit_save", icon=":material/save:", on_click=press.note,
            help="It can then be chosen on every page that has curves.",
        )  # fmt: skip
    if press.wanted():
        with explained():
            saved = press.begin(lambda: _save(name or "", fitted, schedule))
            press.end()
            st.success(plain(f"{saved} is saved."), icon=":material/check:")


def _save(name: str, fitted: "Fitted", schedule: "NoiseSchedule") -> str:
    from dashboard.widgets.own_curve import save_own_curve
    from sdlab.noise.exchange import NamedCurve

    curve = NamedCurve("sigmas", {"sigmas": fitted.sigmas}, len(fitted.sigmas) - 1)
    return save_own_curve(name, curve, schedule)
