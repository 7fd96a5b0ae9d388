"""Statistics of latents in charts and tables: compared with noise, and between two latents."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.widgets.latent_source import Latents

if TYPE_CHECKING:
    import pandas as pd

ABOUT = {
    "moments": "Mean, spread and shape of each channel.",
    "histogram": "Density of each channel's values, 50 bins.",
    "correlations": "Pearson's correlation of each pair of channels.",
    "spectrum": "Radially averaged power spectrum of each channel.",
    "shell": "Norm against that of standard normal noise.",
    "values": "Every value, as the channel maps show them.",
}
SEEN = {
    "histogram": "Dashed: what noise would follow.",
    "spectrum": "Coarse shapes left, fine detail right.",
    "correlations": "Red: they rise together; blue: one falls.",
}
EQUATIONS = (
    r"x \sim \mathcal{N}(0, I_D) \;\Rightarrow\; \lVert x \rVert \approx "
    r"\sqrt{D - \tfrac{1}{2}} \pm 0.71",
    r"P(f) = \frac{|\mathrm{FFT}(x)|^2}{h\,w}",
)
WHY = (
    "A run starts from standard normal noise: each value by itself, mean 0, spread 1, no channel "
    "like another, the same power at every size of detail. The norm of D such values hardly "
    "varies, so noise lies on a **thin shell**, and the network was trained on what lies there. "
    "Latents of pictures are elsewhere: neighbours are alike, so coarse shapes have most of the "
    "power. Where *inverted* noise is off the shell or has such a spectrum, it still holds "
    "something of the picture."
)
MOST_CHANNELS = 32  # of a chart
SHELL = (
    r"\text{linear: } (1 - s)\,a + s\,b",
    r"\text{spherical: } \frac{\sin((1 - s)\,\omega)}{\sin \omega}\,a + "
    r"\frac{\sin(s\,\omega)}{\sin \omega}\,b",
)
WHY_SHELL = (
    "Noise lies on a thin shell. Two noises are nearly at right angles, so the straight line "
    "between them cuts through the inside, to 0.71 of the norm in the middle, where the network "
    "never saw noise: pictures turn grey there. The great circle stays on the shell. "
    "Between latents of pictures both work."
)
MOST_ROWS = 5000  # of a table that is shown; all are in its CSV


def statistics(page: str, latents: Latents) -> None:
    """Draw charts and tables of what latents hold."""
    from dashboard.charts import latent_statistics as charts

    tables = _tables(latents)
    st.header("Against standard normal noise", anchor=False)
    drawn = _first_channels(tables, latents.shape[1])
    with st.grid(2, min_column_width=290, gap="medium"):
        for chart, seen, more in (
            (charts.histogram(drawn["histogram"]), SEEN["histogram"], None),
            (charts.spectrum(drawn["spectrum"]), SEEN["spectrum"], None),
            (charts.correlations(drawn["correlations"]), SEEN["correlations"], None),
            (charts.shell(tables["shell"]), *_shell_lines(tables["shell"])),
        ):
            with st.container(gap="xsmall"):
                figure(chart, seen, more=more)
    why(WHY, *EQUATIONS)
    if latents.shape[1] > MOST_CHANNELS:
        st.caption(
            f"The first {MOST_CHANNELS} of {latents.shape[1]} channels are drawn; the tables below "
            "have all."
        )
    _numbers(page, tables)


def _first_channels(tables: dict[str, "pd.DataFrame"], count: int) -> dict[str, "pd.DataFrame"]:
    """Return the tables without the channels that are too many for a chart."""
    left_out = list(map(str, range(MOST_CHANNELS, count)))
    kept = dict(tables)
    for name in ("histogram", "spectrum", "correlations") if left_out else ():
        table = tables[name]
        for column in {"channel", "channel_a", "channel_b"} & {*table}:
            table = table[~table[column].astype(str).isin(left_out)]
        kept[name] = table
    return kept


@st.cache_data(max_entries=64, show_spinner=False)
def _tables(latents: Latents) -> dict[str, "pd.DataFrame"]:
    from sdlab.latents import statistics as of

    return {name: getattr(of, name)(latents) for name in ABOUT}


def _shell_lines(row: "pd.DataFrame") -> tuple[str, str]:
    """Return where the norm lies against that of noise, and more about it."""
    facts: Any = row.iloc[0]
    inside = facts["low"] <= facts["norm"] <= facts["high"]
    near, far = f"{facts['norm']:.2f}", f"{facts['expected']:.2f} ± {facts['expected_std']:.2f}"
    seen = f"Norm **{near}**, {'on' if inside else 'off'} the shell of {far}."
    return seen, (
        f"Noise of {int(facts['dimensions']):,} values has a norm of {far}; these are "
        f"{facts['z']:+.1f} standard deviations from it."
    )


def _numbers(page: str, tables: dict[str, "pd.DataFrame"]) -> None:
    number = st.column_config.NumberColumn
    columns = {
        "mean": number("mean", format="%.4f"),
        "std": number("std", format="%.4f"),
        "skew": number("skew", format="%.3f", help="0 for a symmetric distribution"),
        "kurtosis": number("excess kurtosis", format="%.3f", help="0 for a Gaussian"),
        "min": number("min", format="%.3f"),
        "max": number("max", format="%.3f"),
    }
    st.header("Tables", anchor=False)
    for name, tab in zip(ABOUT, st.tabs([n.title() for n in ABOUT]), strict=True):
        with tab:
            shown = columns if name == "moments" else None
            csv_table(
                tables[name], f"latents-{name}", f"{page}.csv_{name}", ABOUT[name], shown,
                len(tables[name]) <= MOST_ROWS,
            )  # fmt: skip


def norms(page: str, first: Latents, second: Latents) -> None:
    """Draw the norm along both ways between two latents."""
    import torch

    from dashboard.charts.latent_statistics import path_norm
    from sdlab.latents.edit import norms_between

    table = norms_between(torch.from_numpy(first), torch.from_numpy(second))
    lowest = table.groupby("walk")["norm"].min()
    figure(
        path_norm(table),
        "Least norm on the way: "
        + ", ".join(f"{norm:.3g} on the {walk} one" for walk, norm in lowest.items())
        + ".",
    )
    why(WHY_SHELL, *SHELL)
    csv_table(table, "latents-walk", f"{page}.csv_walk", "Norm along both ways.", shown=False)
