"""Several stored runs side by side: what differs, their pictures, their charts in one."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts.base import MAX_ROWS, axes_of, with_time
from dashboard.charts.runs import overlaid
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
from dashboard.widgets.run_ways import MOST_COMPARED
from sdlab.columns import STEPS
from sdlab.runs.differences import differing, settings_table
from sdlab.runs.run_folder import read_table

_NAMING = ("solver", "curve", "num_steps", "guidance_scale", "eta", "seed", "prompt", "model.name")
_PASSING = ("created", "total_ms", "shared_calls")
"""What differs without being a setting."""
_WORDS = {"num_steps": "{} steps", "guidance_scale": "CFG {}", "seed": "seed {}", "eta": "eta {}"}
_MEASURES = {
    name: name.replace("_", " ") + (f" ({unit})" if unit else "")
    for name, (unit, _) in STEPS.items()
    if name not in ("run", "step", "evaluation", "timestep", "sigma", "samples")
}
_FIRST = "displacement"


def compared(runs: Sequence[str]) -> None:
    """Draw the comparison of stored runs.

    Args:
        runs: Their ids, from the address.
    """
    if st.button("All runs", key="runs.back", icon=":material/arrow_back:", type="tertiary"):
        keep("of", "")
        st.rerun()
    ids = list(dict.fromkeys(runs))
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


def names_of(settings: pd.DataFrame) -> dict[str, str]:
    """Return a name for each run, of what differs; with its id where that tells too little.

    Args:
        settings: As of ``sdlab.runs.differences.settings_table``.
    """
    apart = [name for name in _NAMING if name in differing(settings).index]
    of = _by_run(settings)
    names = {run: " · ".join(_words(found, apart)) for run, found in of.items()}
    told = list(names.values())
    return {
        run: name if name and told.count(name) == 1 else f"{name} {run[:6]}".strip()
        for run, name in names.items()
    }


def _by_run(settings: pd.DataFrame) -> dict[str, dict[str, str]]:
    values: dict[Any, dict[Any, str]] = settings.to_dict()
    return values


def _words(settings: Mapping[str, str], names: Sequence[str]) -> list[str]:
    given = [(name, settings[name].removesuffix(".0")) for name in names if settings[name]]
    return [_WORDS.get(name, "{}").format(value[:40]) for name, value in given]


def _pictures(settings: pd.DataFrame, names: Mapping[str, str], colors: Mapping[str, str]) -> None:
    of = _by_run(settings)
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
    apart = differing(settings.drop(index=[name for name in _PASSING if name in settings.index]))
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
        steps = steps_of(names)
    known = [name for name in _MEASURES if name in steps and steps[name].notna().any()]
    axes = axes_of(steps)
    with st.container(horizontal=True, gap="medium"):
        axis = bound().segmented_control("Against", axes, key="runs.axis")
        first = known.index(_FIRST) if _FIRST in known else 0
        measure = bound().selectbox(
            "Measure", known, first, key="runs.measure", format_func=_MEASURES.get, width=300
        )
    chart = overlaid(steps, axis, measure, _MEASURES[measure], colors)
    meaning = STEPS[measure][1]
    figure(chart, plain(f"{meaning[:1].upper()}{meaning[1:]}."))


def steps_of(names: Mapping[str, str]) -> pd.DataFrame:
    """Return the steps tables of stored runs, one below the other, thinned where there are many.

    Args:
        names: The runs' names by id; they stand in the column "series".

    Raises:
        StoreError: If one cannot be read.
    """
    tables = {name: read_table(lab().runs / run, "steps") for run, name in names.items()}
    every = -(-sum(map(len, tables.values())) // MAX_ROWS)
    parts = [
        table[table["evaluation"] % every == 0].assign(series=n) for n, table in tables.items()
    ]
    steps = pd.concat(parts, ignore_index=True)
    timed = [table for table in tables.values() if "flow_time" in table]
    return (
        with_time(steps)
        if len(timed) == len(tables)
        else steps.drop(columns="flow_time", errors="ignore")
    )
