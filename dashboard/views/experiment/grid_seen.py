"""What is seen in a finished grid, in sentences: which values change the pictures, and how far."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.widgets.axis_fields import NAMES
from dashboard.widgets.run_ways import compare_steps

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    from sdlab.experiment.grid import Grid

    Row = Mapping[Hashable, Any]

RMS = "RMS of the pixels, 0 to 255"
HOW = (
    "RMS is the root mean square of the difference of two pictures, over all pixels from 0 to 255, "
    "and its mean over all pairs that differ in this alone. Percent are of the prompt's "
    "statements, as the embedded world's checker sees them. Another seed is another picture, so "
    "small differences of one seed are luck."
)


def say_seen(grid: "Grid", made: "Mapping[str, str]") -> None:
    """Draw what changes along each axis of a finished grid, and the way to its runs' steps.

    Args:
        grid: The grid.
        made: When each of its stored runs was made, by id.
    """
    with explained():
        pairs, shares = _measured(grid.id, tuple(made.items()), grid)
        said = sentences(grid, pairs, shares)
        if said:
            st.markdown(f"**What is seen:** {plain(said)}", help=HOW)
    compare_steps([run for x in grid.experiments if (run := x.id) in made])


def sentences(grid: "Grid", pairs: "pd.DataFrame", shares: "pd.DataFrame") -> str:
    """Return a sentence for each axis; of seeds only where nothing else varies.

    Args:
        grid: The grid.
        pairs: Of ``sdlab.sweeping.along.along``.
        shares: Of ``sdlab.sweeping.along.fulfilled``.
    """
    axes = [axis for axis in grid.axes if axis.field != "seed" or len(grid.axes) == 1]
    said = []
    for axis in axes:
        rows = pairs[pairs["axis"] == axis.field].sort_values("rms", ascending=False)
        if not rows.empty:
            name = NAMES.get(axis.field, axis.field.replace("_", " ")).split(" (")[0].lower()
            own = shares[shares["axis"] == axis.field]
            said.append(f"{_apart(name, rows.to_dict('records'))}{_kept(own)}.")
    return " ".join(said)


def _apart(name: str, rows: "Sequence[Row]") -> str:
    """Return which values of an axis make the pictures differ most, and which least."""
    (first, *_), last = rows, rows[-1]
    most = "" if len(rows) == 1 else " most,"
    said = f"{first['one']} and {first['other']} differ{most} by {first['rms']:.3g} ({RMS})"
    least = f", {last['one']} and {last['other']} least, by {last['rms']:.3g}" if most else ""
    return f"By {name}, {said}{least}"


def _kept(shares: "pd.DataFrame") -> str:
    """Return which values keep most and least of what the prompt says; "" where nobody knows."""
    if shares.empty:
        return ""
    if shares["fidelity"].nunique() == 1:
        return f"; {shares['fidelity'].iloc[0]:.0%} of the prompt's statements hold with each"
    *_, worst = ordered = shares.sort_values("fidelity", ascending=False).to_dict("records")
    best = ordered[0]
    held = f"; {best['fidelity']:.0%} of the prompt's statements hold with {best['value']}"
    return f"{held}, {worst['fidelity']:.0%} with {worst['value']}"


@st.cache_data(max_entries=32, show_spinner=False)
def _measured(
    grid_id: str, made: tuple[tuple[str, str], ...], _grid: "Grid"
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Return what is measured of a grid's stored pictures; ``made`` tells a run from its remake."""
    from sdlab.runs.run_folder import open_picture
    from sdlab.sweeping.along import along, fulfilled

    pictures = {run: open_picture(lab().runs / run) for run, _ in made}
    return along(_grid, pictures), fulfilled(_grid, pictures)
