"""Eta: the same start noise with none, some or all of DDPM's noise injected again."""

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.views.ddim.form import experiment, link_to_spacings
from dashboard.views.ddim.work import Pictures, eta_fan, noise_levels
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.widgets.pictures import draw_picture
from dashboard.widgets.study_panel import study_panel
from dashboard.worker.snapshots import ModelView
from sdlab.ddim.eta import ETAS

if TYPE_CHECKING:
    import pandas as pd

SPREAD = (
    "How far the final latents lie apart, by the noise seed alone and from eta 0: the higher, the "
    "less the start noise decides."
)
EQUATION_16 = r"""
\sigma_t(\eta) = \eta \sqrt{\frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}}
\sqrt{1 - \frac{\bar\alpha_t}{\bar\alpha_{t-1}}}
"""
WHY = (
    "Equation (16) of Song et al. 2020 (arXiv 2010.02502), in VP coordinates; the Equations "
    "section puts in the numbers of a step. Eta 0 injects none, so the start noise alone decides "
    "the picture; eta 1 is DDPM's posterior. What is injected late changes fine detail, what is "
    "injected early the layout."
)
COORDINATES = {
    "eta_std_vp": "VP, as in the paper",
    "eta_std_flow": "Flow matching's own",
    "eta_std": "VE",
}


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    form, stage = st.columns([3, 8], gap="medium")
    with form:
        spec = experiment(f"{page}.eta")
        count = bound().slider("Noise seeds", 1, 6, 3, key=f"{page}.eta.seeds")
        if model.path != "flow":
            link_to_spacings()
    seeds = tuple(range(1, int(count) + 1))
    with stage:
        begin = st.empty()
        fan = study_panel(
            f"{page}.eta",
            "Draw them all",
            (spec.to_json(), ETAS, seeds),
            partial(eta_fan, spec=spec, etas=ETAS, seeds=seeds),
            runs=[spec],
        )
        if fan is None:
            begin.markdown(_promise(len(seeds), spec.num_steps))
        else:
            _pictures(fan)
    with stage if fan is None else st.container():  # beside the form until pictures stand there
        _charts(page, spec.num_steps, fan, model)


def _promise(seeds: int, steps: int) -> str:
    etas = ", ".join(f"{eta:g}" for eta in ETAS)
    each = "one noise seed" if seeds == 1 else f"{seeds} noise seeds"
    return (
        f"One start noise, sampled with eta {etas}, each with {each}: "
        f"{1 + (len(ETAS) - 1) * seeds} pictures of {steps} steps, side by side, and how much they "
        "differ."
    )


def _pictures(fan: Pictures) -> None:
    for eta, row in zip(ETAS, fan.rows, strict=True):
        what = {0.0: "0: DDIM", 1.0: "1: DDPM"}.get(eta, f"{eta:g}")
        st.markdown(f"**eta {what}**")
        with st.container(horizontal=True, gap="small"):
            for seed, picture in enumerate(row, start=1):
                draw_picture(picture, f"eta {eta:g}, noise seed {seed}", 112)
    st.caption(
        "All start from the same noise; a column is a seed of the injected noise.",
        help="At eta 0 nothing is injected, so that row has one picture.",
    )


def _charts(page: str, steps: int, fan: Pictures | None, model: ModelView) -> None:
    from dashboard.charts import ddim as charts

    st.header("What a step injects", anchor=False)
    table = _injected(model.hash, steps)
    offered = charts.measures(table)
    measure = bound().segmented_control(
        "Coordinates",
        offered,
        default=offered[0],
        key=f"{page}.eta.measure",
        format_func=COORDINATES.get,
    )
    drawn: list[tuple[Any, str]] = [(charts.injected(table, measure), _most(table, measure))]
    if fan is not None:
        drawn.append((charts.spread(fan.table), SPREAD))
    with st.grid(len(drawn), min_column_width=330, gap="medium"):
        for chart, seen in drawn:
            with st.container(gap="xsmall"):
                figure(chart, seen)
    why(WHY, EQUATION_16)
    about = "Injected standard deviation of each step and eta, in closed form (eq. 16)."
    csv_table(table, "ddim-injected", f"{page}.csv_injected", about, shown=False)
    if fan is not None:
        csv_table(fan.table, "ddim-spread", f"{page}.csv_spread", "Spread over the noise seeds.")


def _most(table: "pd.DataFrame", measure: str) -> str:
    """Return at which step eta 1 injects most."""
    row = table[table["eta"] == table["eta"].max()].nlargest(1, measure).iloc[0]
    return f"Eta {row['eta']:g} injects most at step {int(row['step'])}: {row[measure]:.3g}."


@st.cache_data(max_entries=32, show_spinner=False)
def _injected(model_hash: str, steps: int) -> "pd.DataFrame":
    from sdlab.ddim.eta import injected

    sigmas, path = lab().ask(lambda m: (noise_levels(m, steps), m.path or "vp"), model_hash)
    return injected(sigmas, path=path)
