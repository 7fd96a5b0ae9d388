"""What eps, x0, v and velocity are at a timestep, and how each follows from another."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.views.training import seen
from dashboard.views.training.form import Asked
from dashboard.views.training.one_timestep import ASKED
from dashboard.views.training.work import look_at
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import why
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from sdlab.objective.looking import Look
    from sdlab.objective.quantities import Level

WORDS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v", "velocity": "velocity u"}


def show(page: str, asked: Asked, model: ModelView) -> None:
    """Draw the section."""
    found = look_at(page, asked, model)
    if found is None:
        return
    name = WORDS[asked.kind]
    st.markdown(
        f"This model's network predicts **{name}**; at t = {asked.level.timestep} the others "
        "follow from it:"
    )
    st.latex(r"\begin{aligned} " + r" \\ ".join(lines(asked.level)) + r" \end{aligned}")
    rows = table(found.look)
    number = st.column_config.NumberColumn
    csv_table(
        rows, f"four-predictions-t{asked.level.timestep}", f"{page}.csv_four", seen.FOUR_ROWS,
        {
            "quantity": st.column_config.TextColumn("quantity"),
            "true_rms": number("true size", format="%.4f", help="Root mean square."),
            "predicted_rms": number("predicted size", format="%.4f", help="With the caption."),
            "loss_caption": number("loss, caption", format="%.4f"),
            "loss_none": number("loss, none", format="%.4f"),
            "error_over_x0": number(
                "error / that of x0", format="%.4f",
                help="How many times as large as the error of x0 this one is.",
            ),
        },
    )  # fmt: skip
    why(seen.WHY_FOUR)


def lines(level: "Level") -> list[str]:
    """Return how each follows from x_t and another, with the level's numbers."""
    a, s = level.signal, level.noise
    if level.path == "flow":
        return [
            rf"x_t &= (1 - t)\,x_0 + t\,\epsilon = {a:.4f}\,x_0 + {s:.4f}\,\epsilon",
            r"u &= \epsilon - x_0",
            rf"x_0 &= x_t - t\,u = x_t - {s:.4f}\,u",
            rf"\epsilon &= x_t + (1 - t)\,u = x_t + {a:.4f}\,u",
        ]
    return [
        rf"x_t &= \sqrt{{\bar\alpha}}\,x_0 + \sqrt{{1 - \bar\alpha}}\,\epsilon = {a:.4f}\,x_0 + "
        rf"{s:.4f}\,\epsilon",
        rf"x_0 &= \frac{{x_t - {s:.4f}\,\epsilon}}{{{a:.4f}}} = {a:.4f}\,x_t - {s:.4f}\,v",
        rf"\epsilon &= \frac{{x_t - {a:.4f}\,x_0}}{{{s:.4f}}} = {s:.4f}\,x_t + {a:.4f}\,v",
        rf"v &= {a:.4f}\,\epsilon - {s:.4f}\,x_0,\qquad u = \epsilon - x_0",
    ]


def table(look: "Look") -> pd.DataFrame:
    """Return size, loss and scale of each of the four, true and predicted."""
    from sdlab.objective.quantities import KINDS, error_over_x0

    rows = []
    for kind in KINDS:
        own = " (predicted)" if kind == look.kind else ""
        rows.append(
            {
                "quantity": f"{WORDS[kind]}{own}",
                "true_rms": float(look.truth(kind).square().mean().sqrt()),
                "predicted_rms": float(look.predicted("caption", kind).square().mean().sqrt()),
                **{f"loss_{each}": look.loss(each, kind) for each in ASKED},
                "error_over_x0": float(error_over_x0(kind, look.level.sigma)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
