"""Loss over t: of the loaded model on one picture, and how much each timestep counts."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.views.training import seen
from dashboard.views.training.form import Asked
from dashboard.views.training.work import curve
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.widgets.study_panel import study_panel
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    import pandas as pd

COUNTS = (8, 12, 16, 24, 32, 48)


def show(page: str, asked: Asked, model: ModelView) -> None:
    """Draw the section."""
    from dashboard.charts import training as charts
    from sdlab.objective.loss_curve import spread, weights

    flow = asked.level.path == "flow"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        count = bound().selectbox("Timesteps", COUNTS, 2, key=f"{page}.timesteps", width=130)
        noises = bound().number_input(
            "Noises", 2, 64, 8, key=f"{page}.noises", width=130,
            help="Each timestep is asked with so many noises; the interval is over them.",
        )  # fmt: skip
    timesteps = spread(asked.schedule, int(count))
    st.caption(
        f"{2 * len(timesteps) * int(noises):,} network evaluations: each timestep and noise with "
        "the caption and with none."
    )
    found = study_panel(
        f"{page}.curve",
        "Measure the loss",
        (*asked.about, timesteps, int(noises)),
        partial(curve, asked.latents, timesteps, asked.prompt, int(noises), asked.seed),
    )
    if found is not None:
        figure(
            charts.loss_over_t(found, asked.at),
            seen.FLOW_OVER_T if flow else seen.OVER_T,
            alt="Loss over the noise level, with a caption and with none",
            more="The band is Student's 95 % interval of the mean over the noises, of this picture "
            "alone. The noises are the same everywhere. Dashed: the chosen t.",
        )
        st.markdown(where_it_is_hard(found))
        csv_table(
            found, "training-loss", f"{page}.csv_curve",
            "Loss and errors of every kind at each timestep.", shown=False,
        )  # fmt: skip
    table = weights(asked.schedule)
    figure(
        charts.weights(table, asked.at),
        seen.FLOW_WEIGHTS if flow else seen.WEIGHTS,
        alt="How much each noise level counts under three losses",
    )
    why(seen.WHY_WEIGHTS, *seen.BOUND)
    csv_table(
        table, "training-weights", f"{page}.csv_weights",
        "The three weights at each timestep.", shown=False,
    )  # fmt: skip


def where_it_is_hard(table: "pd.DataFrame") -> str:
    """Return in a sentence where the loss is largest and least, and where the caption helps most.

    Args:
        table: Of ``sdlab.objective.loss_curve``.
    """
    told, none = (
        table[table["conditioning"] == name].set_index("timestep")["loss"]
        for name in ("caption", "none")
    )
    gain = 1 - told / none
    return (
        f"Of this picture the loss with its caption is largest at t = {told.idxmax()} "
        f"({told.max():.3g}) and least at t = {told.idxmin()} ({told.min():.3g}). The caption "
        f"helps most at t = {gain.idxmax()}: the loss is {gain.max():.0%} lower than without."
    )
