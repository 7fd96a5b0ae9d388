"""What each difference costs: both run on the loaded model, on demand."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts.parting import parting
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.theme import PALETTE
from dashboard.views.why_different import seen
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure
from dashboard.widgets.pictures import draw_picture, png
from dashboard.widgets.study_panel import study_panel

if TYPE_CHECKING:
    from sdlab.explaining.explain import Explanation
    from sdlab.explaining.measured import Measured


def costs(page: str, found: "Explanation") -> None:
    """Draw how to measure what each difference costs, or what was measured."""
    if not found.differences:
        return
    st.header("What each costs", anchor=False)
    for side in (found.a, found.b):
        if side.experiment is None:
            said = f"It cannot be measured here: {side.title} has no experiment. "
            st.info(plain(said + side.no_experiment), icon=":material/info:")
            return
    from sdlab.explaining.measured import measuring, runs_of

    changes = [(one.cause.id, dict(one.change)) for one in found.differences]
    sides = [side.experiment.to_json() for side in (found.a, found.b) if side.experiment]
    kinds = (found.a.kind, found.b.kind)
    about = (*sides, *kinds, changes)
    st.caption(
        "Runs both on the loaded model, and the first with each difference alone.", width="content"
    )
    held = lab().status().model
    made = study_panel(
        page, "Measure what each costs", about, lambda model: measuring(found, model),
        runs=runs_of(found, held.name) if held else (),
    )  # fmt: skip
    if made is not None:
        _measured(page, made)


def _measured(page: str, made: "Measured") -> None:
    st.markdown(plain(made.sentence))
    for note in made.notes:
        st.caption(plain(note))
    number = st.column_config.NumberColumn
    csv_table(
        made.table(), "what-each-costs", f"{page}.csv_costs", seen.ABOUT_COSTS,
        columns={
            "distance": number(format="%.3f"),
            "in_own_error": number("in units of own error", format="%.2f"),
        },
    )  # fmt: skip
    if len(made.along):
        _chart(made)
    if not made.notes:  # the stored runs' own pictures are above
        return
    for run, name, column in zip((made.a, made.b), ("first", "second"), st.columns(2), strict=True):
        with column:
            draw_picture(png(run.image, 512), f"The {name}, run here")
            st.caption(f"The {name}, run here.")


def _chart(made: "Measured") -> None:
    from sdlab.comparing.divergence import THRESHOLD

    first = made.parting and made.parting.evaluation_a
    chart = parting(made.along, THRESHOLD, first, PALETTE[0])
    ends = made.along["distance"].iloc[-1]
    figure(chart, f"They end {ends:.2g} standard deviations apart.", more=seen.HOW_TO_READ)
