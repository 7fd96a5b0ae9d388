"""Activations with their derivatives, and what really goes into the network's SiLUs."""

from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts import activations as charts
from dashboard.shell.address import bound
from dashboard.views.network import seen
from dashboard.views.network.ablation import why_silu
from dashboard.views.network.subject import choose_evaluation, choose_run, seen_at, seen_everywhere
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("SiLU", "ReLU", "GELU")


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    why_silu(page)
    _functions(page)
    st.header("What goes into the network's SiLUs", anchor=False)
    left, right = st.columns([3, 9], gap="medium")
    with left:
        subject = choose_run(page, model)
    if subject is None:
        return
    with right:
        number = choose_evaluation(page, subject)
        here = seen_at(f"{page}.silu", subject, number, "", model.hash)
        if here is None:
            return
        if here.silus.empty:
            st.info("This network has no SiLU modules.", icon=":material/function:")
            return
        from sdlab.anatomy.naming import in_words

        layers, blocks = list(here.silus["layer"]), list(here.blocks["block"])
        layer = bound().selectbox(
            "SiLU",
            layers,
            min(1, len(layers) - 1),
            key=f"{page}.silu",
            format_func=lambda name: f"{in_words(name, blocks)} ({name})",
        )
        from sdlab.anatomy.activations import TURN

        own = here.histograms[here.histograms["layer"] == layer]
        row = here.silus[here.silus["layer"] == layer].iloc[0]
        figure(
            charts.silu_inputs(own, TURN),
            f"{row['falling']:.1%} of {int(row['count']):,} inputs lie where SiLU falls, below "
            f"{TURN:.3f}.",
            more="The outermost bars hold what lies beyond them.",
        )
    whole = seen_everywhere(f"{page}.silus", subject)
    table = here.silus if whole is None else whole.silus
    named = table.assign(layer=[in_words(name, blocks) for name in table["layer"]])
    figure(charts.falling(named), _most(named))
    why(seen.WHY_SILU, *seen.SILU_EQUATIONS)
    csv_table(
        table, f"{subject.stored.id}-silus", f"{page}.csv_silus",
        "Inputs of every SiLU: mean, spread, range, share where it falls.", shown=False,
    )  # fmt: skip


def _functions(page: str) -> None:
    table = _curves()
    names = list(dict.fromkeys(table["activation"]))
    chosen = bound().multiselect("Activations", names, list(FIRST), key=f"{page}.functions")
    if not chosen:
        st.info("Choose at least one activation.", icon=":material/function:")
        return
    frame = table[table["activation"].isin(chosen)]
    with st.grid(2, min_column_width=330, gap="medium"):
        with st.container(gap="xsmall"):
            figure(charts.activation(frame, "value"), "For large inputs most are x or a constant.")
        with st.container(gap="xsmall"):
            figure(
                charts.activation(frame, "derivative"),
                "Below 0: a larger input makes a smaller output. SiLU's turns at -1.278.",
            )
    csv_table(
        frame, "activations", f"{page}.csv_activations", "Activations and derivatives.", shown=False
    )


@cache
def _curves() -> "pd.DataFrame":
    from sdlab.anatomy.activations import curves

    return curves(count=121)


def _most(table: "pd.DataFrame") -> str:
    mean = table.groupby("layer", sort=False)["falling"].mean()
    return (
        f"Most in {mean.idxmax()} ({mean.max():.0%}), least in {mean.idxmin()} ({mean.min():.1%})."
    )
