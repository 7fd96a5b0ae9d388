"""The measurements of a comparison, one section at a time, each with its tables to download."""

from collections.abc import Callable

import streamlit as st

from dashboard.charts import compare_tables
from dashboard.shell.address import bound
from dashboard.shell.messages import explained
from dashboard.views.compare import (
    cost_sections,
    model_sections,
    picture_sections,
    step_sections,
)
from dashboard.views.compare.rows import looks
from dashboard.views.compare.section_tools import ABOUT, Shown, draw_tables
from dashboard.widgets.section_choice import choose_section
from sdlab.comparing.result import Result
from sdlab.sampler_names import short_names


@st.fragment
def show_sections(page: str, result: Result) -> None:
    """Draw the choice of a section and that section; choosing another redraws only this."""
    st.header("Measurements", anchor=False)
    entrants = result.comparison.entrants
    names = short_names(entrant.label for entrant in entrants)
    tables = {name: compare_tables.renamed(table, names) for name, table in result.tables.items()}
    shown = Shown(page, result.comparison, tables, dict(result.tables), *looks(entrants), result)
    chosen = choose_section(page, SECTIONS)
    with explained():
        SECTIONS[chosen](shown)


def _every_table(shown: Shown) -> None:
    name = bound().selectbox("Table", list(ABOUT), key=f"{shown.page}.table", width=260)
    draw_tables(shown, name, drawn=True)


SECTIONS: dict[str, Callable[[Shown], None]] = {
    "Order of finish": cost_sections.ranking,
    "Pictures": picture_sections.over_pictures,
    "Error and cost": cost_sections.cost,
    "Step by step": step_sections.steps,
    "Each other": picture_sections.each_other,
    "Paths": step_sections.paths,
    "Latents": step_sections.statistics,
    "Quality": picture_sections.quality,
    "Another model": model_sections.other_model,
    "Reference": picture_sections.reference,
    "Tables": _every_table,
}
