"""Why SiLU: what a training with other activations came to, from the figures in ``docs/``."""

from functools import cache
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.shell.navigation import link_to
from dashboard.widgets.csv_table import csv_table
from sdlab.comparing.words import listed
from sdlab.intervals import half_width

STORED = Path(__file__).parents[3] / "docs" / "activations.csv"
OWN, EMBEDDING = "SiLU", "sinusoids"


def why_silu(page: str) -> None:
    """Draw in sentences how SiLU fares against other activations, the figures, and ways on.

    Nothing is drawn where the figures are not at hand, as in an installed package.

    Args:
        page: For the widget keys: the page's name.
    """
    if not STORED.is_file():
        return
    table = distances()
    st.markdown(f"**Why SiLU?** {standing(table)}")
    csv_table(
        table, "activations-trained", f"{page}.csv_trained",
        "Mean distance of the drawn points to the truth, with half of its 95 % interval.",
        shown=False,
    )  # fmt: skip
    with st.container(horizontal=True):
        link_to("playground", "Train one with another activation")
        switch = {"network.section": "Switches", "network.part": "Activation"}
        link_to("network", "Put another in SiLU's place in this network", **switch)


@cache
def distances() -> pd.DataFrame:
    """Return the distance to the truth of each activation, told the time as Stable Diffusion is.

    Returns:
        Columns ``data``, ``activation``, ``distance`` (mean over the seeds), ``half_width`` (of its
        95 % interval) and ``seeds``, the nearest first within each data set.
    """
    rows = pd.read_csv(STORED)
    groups = rows[rows["embedding"] == EMBEDDING].groupby(["data", "activation"], sort=False)
    found = groups["distance"].agg(
        distance="mean", half_width=lambda values: half_width(list(values)), seeds="count"
    )
    return found.reset_index().sort_values(["data", "distance"], ignore_index=True)


def standing(table: pd.DataFrame) -> str:
    """Return in sentences where SiLU stands among the activations.

    Args:
        table: Of ``distances``.
    """
    said = []
    for data, rows in table.groupby("data"):
        names = rows["activation"].tolist()
        nearer = [f"{row.activation} {row.distance:.3f}" for row in rows.itertuples()]
        place = f"number {names.index(OWN) + 1} of {len(names)}"
        said.append(f"on {data} it is {place} ({', '.join(nearer)})")
    seeds = int(table["seeds"].min())
    return (
        f"Small networks of points, trained alike with each activation, {seeds} seeds each, end so "
        f"far from the truth: {listed(said)}. So it is not there because it won: in a small "
        "U-Net ReLU does not come before it (docs/activations.md). And this network's weights were "
        "trained for it, and know no other."
    )
