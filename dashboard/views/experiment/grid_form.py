"""The fields of the Experiment page that make a grid: seeds, and what varies along its sides."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.shell.glossary import definition
from dashboard.shell.lab import lab
from dashboard.shell.navigation import link_to
from dashboard.widgets.axis_fields import NOTHING, axes_chosen, seeds_chosen
from dashboard.widgets.model_facts import facts_in_memory
from dashboard.widgets.run_states import evaluations_of
from dashboard.widgets.sharing_field import sharing_field
from dashboard.widgets.task_panel import readable_seconds
from sdlab.experiment.grid import Grid

SIDES = (("Columns", "x", NOTHING), ("Rows", "y", NOTHING))


def grid_fields(page: str, catalogue: pd.DataFrame) -> list[tuple[str, Any]]:
    """Draw the fields and return the axes that were chosen: fields and values.

    Args:
        page: For the widget keys.
        catalogue: The table of ``sdlab.schedulers``.
    """
    label = "Seeds and grid (sweep, X/Y plot)"
    with st.expander(label, key=f"{page}.grid_fields", icon=":material/grid_view:"):
        seeds = seeds_chosen(page)
        axes = axes_chosen(page, SIDES, catalogue)
        sharing_field(page)
        link_to("sweep", "More axes or pictures: a sweep", **as_sweep(page))
    return [*axes, *seeds]


def as_sweep(page: str) -> dict[str, list[str]]:
    """Return what the address of the Sweep page holds for the same form, from that of this one."""
    own = ("seeds", "shared", *(letter for _, letter, _ in SIDES))
    fields = {f"sweep.{letter}": [NOTHING] for _, letter, _ in SIDES}
    for key in st.query_params:
        field = key.removeprefix(f"{page}.")
        of_axes = field in own or field[:2] in ("x_", "y_")
        if field != key:
            fields[f"sweep.{field}" if of_axes else key] = st.query_params.get_all(key)
    return fields


def say_cost(grid: Grid) -> None:
    """Draw how many pictures a grid has and what they will take."""
    count, pace = len(grid.experiments), lab().status().pace
    model = facts_in_memory()
    evaluations = sum(evaluations_of(experiment, model) for experiment in grid.experiments)
    time = f" · about {readable_seconds(pace * evaluations)}" if pace else ""
    sides = [str(side) for side in grid.sides if side > 1]
    product = f"{' x '.join(sides)} = " if len(sides) > 1 else ""
    said = f"{product}{pictures(count)} · {evaluations:,} evaluations{time}"
    st.caption(said, help=definition("evaluation"))


def pictures(count: int) -> str:
    """Return how many pictures, in words."""
    return "1 picture" if count == 1 else f"{count} pictures"
