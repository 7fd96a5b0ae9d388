"""What every section of a comparison's measurements draws from, and with."""

from typing import NamedTuple

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.widgets.csv_table import csv_table
from sdlab.comparing.columns import TABLES
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.result import Result

ABOUT = {
    "entrants": "One row a sampler.",
    "runs": "One row a run: picture, budget, cost, distance.",
    "references": "One row a picture: its reference and how well converged that is.",
    "steps": "One row an evaluation of the runs at the first budget.",
    "pairs": "One row a pair of samplers.",
    "cost": "One row a sampler and budget: error and cost.",
    "slopes": "One row a sampler: the fitted order.",
    "paths": "One row an evaluation: where x_t is in the first two principal components.",
    "quality": "One row a sampler, budget and kind of statement.",
    "ties": "One row a pair of samplers: whether it is a difference, a tie or not known.",
    "spread": "One row a sampler and measure, over the seeds.",
}
LINES = (
    "Hover to bring one line forward; click names in the legend (with Shift, several) to see only "
    "those. A sampler has the same colour on every page; dashes tell its curve."
)
NO_REFERENCE = (
    "This comparison was made without a reference, so there is no distance to the converged "
    "picture. Set Reference steps in the form to make one; the runs that are there are kept."
)


class Shown(NamedTuple):
    """What a section draws from: the tables under short names, how samplers look, the result."""

    page: str
    comparison: Comparison
    tables: dict[str, pd.DataFrame]
    raw: dict[str, pd.DataFrame]
    colors: dict[str, str]
    dashes: dict[str, list[int]]
    result: Result


def draw_tables(shown: Shown, *names: str, drawn: bool = False) -> None:
    """Draw the downloads of tables, and the tables themselves if ``drawn``."""
    for name in names:
        columns = {
            column: st.column_config.Column(column, help=f"{text} ({unit})" if unit else text)
            for column, (unit, text) in TABLES[name].items()
        }
        csv_table(
            shown.raw[name],
            f"compare-{name}",
            f"{shown.page}.csv_{name}",
            ABOUT[name],
            columns,
            shown=drawn,
            parquet=True,
        )


def choose(shown: Shown, label: str, options: list[str], key: str) -> str:
    """Draw a choice between words, and return the chosen one."""
    return bound().segmented_control(label, options, key=f"{shown.page}.{key}")


def say_nothing(text: str) -> None:
    """Say why there is nothing to draw."""
    st.info(text, icon=":material/info:")
