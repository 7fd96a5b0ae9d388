"""Every skip and every attention off in turn: which part places the objects, which colours them."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts import network as charts
from dashboard.shell.address import bound
from dashboard.views.network.contributions import contributions
from dashboard.views.network.subject import Subject
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure
from dashboard.widgets.pictures import png
from dashboard.widgets.study_panel import study_panel
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model
    from sdlab.work import Work

SIDE = 128
STEPS = 10
HOW = (
    "Of several objects of a name the surest counts. Means over the seeds; of the pictures' "
    "change with a 95 % interval by Student's t. That a part places or colours an object is said "
    "where the object moves or changes its colour without the part."
)


@dataclass(frozen=True)
class ShownEffects:
    """What each part does, as the page draws it: the table, and pictures of the first seed."""

    table: "pd.DataFrame"
    pictures: dict[str, bytes]


def show(page: str, subject: Subject, model: ModelView) -> None:
    """Draw the section."""
    from sdlab.anatomy.effects import MEASURES

    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = int(bound().number_input("Seeds", 1, 8, 2, key=f"{page}.seeds", width=120))
        most = len(subject.evaluations)
        steps = int(
            bound().number_input("Steps", 1, most, min(STEPS, most), key=f"{page}.steps", width=120)
        )
    seeds = tuple(range(subject.experiment.seed, subject.experiment.seed + count))
    spec = subject.experiment.with_(num_steps=steps)
    found: ShownEffects | None = study_panel(
        f"{page}.every",
        "Switch off each part in turn",
        (spec.to_json(), seeds),
        partial(_shown, spec, seeds),
    )
    if found is None:
        st.caption(
            "Each skip and each attention off, one after the other, from the same noise; on the "
            "embedded model the checker says what became of the objects."
        )
        return
    table = found.table
    offered = [name for name in MEASURES if table[name].notna().any()]
    measure = bound().segmented_control(
        "Measure", offered, key=f"{page}.effect", format_func=lambda name: name.replace("_", " ")
    )
    st.markdown(contributions(table))
    figure(charts.effects(table, measure, MEASURES[measure]), _roles(table), more=HOW)
    csv_table(
        table, "network-effects", f"{page}.csv_effects",
        "What the picture loses without each part.", shown=False,
    )  # fmt: skip
    with st.grid(8, min_column_width=95, gap="small"):
        for name, picture in found.pictures.items():
            with st.container(gap="xsmall"):
                said = f"without {name}" if name else "as it is"
                st.image(picture, output_format="PNG", width="stretch", alt=said)
                st.caption(said)


def _roles(table: "pd.DataFrame") -> str:
    """Return in a sentence which part matters most, which places and which colours."""
    said = [f"The picture changes most without {_largest(table, 'rms_pixels')}"]
    there = table[table["missing"] < 1]
    for measure, words in (
        ("moved", "the object moves most without"),
        ("recoloured", "it changes its colour most without"),
    ):
        if there[measure].max() > 0:
            said.append(f"{words} {_largest(there, measure)}")
    gone = table[table["missing"] == 1]["what"].tolist()
    if gone:
        said.append(f"it is gone without {' or '.join(gone)}")
    return "; ".join(said) + "."


def _largest(table: "pd.DataFrame", measure: str) -> str:
    """Return the part of which a measure is largest."""
    return str(table.nlargest(1, measure)["what"].iloc[0])


def _shown(spec: "Experiment", seeds: tuple[int, ...], model: "Model") -> "Work[ShownEffects]":
    from sdlab.anatomy.effects import effects

    found = yield from effects(model, spec, seeds)
    pictures = {name: png(picture, SIDE) for name, picture in found.pictures.items()}
    return ShownEffects(found.table, pictures)
