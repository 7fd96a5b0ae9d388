"""Any column of the found runs against any other."""

import pandas as pd
import streamlit as st

from dashboard.charts.base import MAX_ROWS
from dashboard.charts.runs import scatter
from dashboard.shell.address import bound
from dashboard.views.runs.called import CALLED
from dashboard.widgets.figure import figure
from sdlab.columns import RUNS
from sdlab.runs.index import RunIndex
from sdlab.runs.search import Search

COLUMNS = (
    *(
        "seconds",
        "num_steps",
        "nfe",
        "guidance_scale",
        "eta",
        "solver",
        "curve",
        "model",
        "created",
    ),
    *("width", "height", "seed", "bytes", "device", "dtype", "shared", "fast", "attention", "star"),
    "tags",
)
"""What can be an axis or a colour: the columns that hold no free text."""
MOST_NAMES = 60
NONE = ""


def any_columns(index: RunIndex, search: Search) -> None:
    """Draw the choice of two columns and a colour, and the runs that a search finds as points."""
    with st.container(horizontal=True, gap="small"):
        x = _choose("Across", COLUMNS, "num_steps", "runs.x")
        y = _choose("Upwards", COLUMNS, "seconds", "runs.y")
        color = _choose("Colour", (NONE, *COLUMNS), "solver", "runs.color")
    found = index.find(search, MAX_ROWS)
    for name in (x, y):
        many = found[name].nunique()
        if _is_text(found[name]) and many > MOST_NAMES:
            st.info(
                f"{_called(name)} has {many:,} values here, too many for an axis. Search for fewer"
                " runs or choose another column.",
                icon=":material/info:",
            )
            return
    titles = {name: _called(name) for name in COLUMNS}
    shown = found.dropna(subset=[x, y])
    cut = f" The first {MAX_ROWS:,} in the order of the list." if len(found) == MAX_ROWS else ""
    missing = len(found) - len(shown)
    said = f" {missing:,} have no value there." if missing else ""
    figure(scatter(_plain(shown), x, y, color, titles), f"{len(shown):,} runs.{cut}{said}")


def _choose(label: str, names: tuple[str, ...], first: str, key: str) -> str:
    at = names.index(first)
    return bound().selectbox(label, names, at, key=key, format_func=_called, width=200)


def _called(name: str) -> str:
    if name == NONE:
        return "(none)"
    unit = RUNS[name][0]
    shown = f" ({unit})" if unit and name != "seconds" else ""
    return CALLED[name] + shown


def _is_text(values: "pd.Series[str]") -> bool:
    return not (
        pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values)
    )


def _plain(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with numbers as floats, where a missing one is one."""
    whole = runs.select_dtypes("integer").columns
    return runs.astype(dict.fromkeys(whole, "float64"))
