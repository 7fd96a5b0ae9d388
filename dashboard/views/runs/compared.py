"""Several stored runs side by side: what differs, their pictures, their charts in one."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from dashboard.charts.base import axes_of
from dashboard.charts.runs import joined, overlaid
from dashboard.components.tiles import Tile, show_tiles
from dashboard.shell.address import bound, keep
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.shell.navigation import follow
from dashboard.shell.routes import page_url, picture_url
from dashboard.shell.theme import PALETTE
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.curve_choice import OWN_CURVE
from dashboard.widgets.figure import figure
from dashboard.widgets.report_button import report_button
from dashboard.widgets.run_ways import MOST_COMPARED
from sdlab.columns import STEP_MEASURES, STEPS
from sdlab.runs.differences import by_run, names_of, settings_apart, settings_table
from sdlab.runs.run_folder import read_table

_FIRST = "displacement"


def compared(runs: Sequence[str]) -> None:
    """Draw the comparison of stored runs.

    Args:
        runs: Their ids, from the address.
    """
    ids = list(dict.fromkeys(runs))
    with st.container(horizontal=True):
        back = st.button("All runs", key="runs.back", icon=":material/arrow_back:", type="tertiary")
        report_button("runs.compared_report", *ids)
    if back:
        keep("of", "")
        st.rerun()
    with explained():
        if not 2 <= len(ids) <= MOST_COMPARED:
            most = f"2 to {MOST_COMPARED} different runs can be compared"
            raise ValueError(f"{most}, got {len(ids)}.")
        settings = _with_own_curve(settings_table(lab().runs, ids))
    names = names_of(settings)
    colors = dict(zip(names.values(), PALETTE * 2, strict=False))
    _pictures(settings, names, colors)
    _differences(settings, names)
    _charts(names, colors)


def _with_own_curve(settings: pd.DataFrame) -> pd.DataFrame:
    """Return the settings with words for the curve of runs that chose none."""
    settings.loc[["curve"]] = settings.loc[["curve"]].replace("", OWN_CURVE)
    return settings


def _pictures(settings: pd.DataFrame, names: Mapping[str, str], colors: Mapping[str, str]) -> None:
    of = by_run(settings)
    tiles = [
        Tile(
            id=run,
            name=name,
            color=colors[name],
            state="done",
            src=picture_url(run, of[run]["created"]),
            alt=f"Picture by {name} of: {of[run]['prompt']}",
            line=f"{of[run]['nfe']} evaluations" if of[run].get("nfe") else "",
            href=page_url(f"run?id={run}"),
        )
        for run, name in names.items()
    ]
    first = next(iter(of.values()))
    size = (int(first["width"]), int(first["height"]))
    across = min(4, len(tiles))
    show_tiles(tiles, size, "Pictures of the runs", "runs.compared", follow, across)


def _differences(settings: pd.DataFrame, names: Mapping[str, str]) -> None:
    st.header("What differs", anchor=False)
    apart = settings_apart(settings)
    same = settings[~settings.index.isin(apart.index)]
    if apart.empty:
        st.info("Their settings are the same.", icon=":material/info:")
    else:
        csv_table(_told(apart, names), "what-differs", "runs.differs", "Settings that differ.")
    with st.expander(f"{len(same)} more settings"):
        st.dataframe(_told(same, names), hide_index=True, alt="Settings that are the same")


def _told(settings: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    return settings.rename(columns=names).rename_axis("setting").reset_index()


def _charts(names: Mapping[str, str], colors: Mapping[str, str]) -> None:
    st.header("Step by step", anchor=False)
    with explained():
        steps = joined({name: read_table(lab().runs / run, "steps") for run, name in names.items()})
    known = [name for name in STEP_MEASURES if name in steps and steps[name].notna().any()]
    axes = axes_of(steps)
    with st.container(horizontal=True, gap="medium"):
        axis = bound().segmented_control("Against", axes, key="runs.axis")
        first = known.index(_FIRST) if _FIRST in known else 0
        measure = bound().selectbox(
            "Measure", known, first, key="runs.measure", format_func=STEP_MEASURES.get, width=300
        )
    chart = overlaid(steps, axis, measure, STEP_MEASURES[measure], colors)
    meaning = STEPS[measure][1]
    figure(chart, plain(f"{meaning[:1].upper()}{meaning[1:]}."))
