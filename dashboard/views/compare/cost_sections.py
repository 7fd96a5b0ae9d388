"""The sections that rank samplers, and hold their error against their cost."""

import streamlit as st

from dashboard.charts import compare_cost
from dashboard.shell.address import bound
from dashboard.shell.messages import plain
from dashboard.views.compare.section_tools import LINES, Shown, draw_chart, draw_tables, say_nothing
from sdlab.comparing.verdict import TARGET, reached

_NOTHING = "No run is finished whose reference is finished too, so nothing can be ranked yet."


def ranking(shown: Shown) -> None:
    """Draw the samplers in the order of their error at the first budget."""
    cost = shown.tables["cost"]
    if cost["error"].notna().sum() == 0:
        say_nothing(_NOTHING)
        return
    budget = shown.comparison.budget
    entrants = shown.tables["entrants"]
    noisy = entrants.loc[~entrants["deterministic"].fillna(False).astype(bool), "entrant"]
    objected = entrants.loc[entrants["notes"] != "", "entrant"]
    draw_chart(compare_cost.ranking(cost, budget, shown.colors, list(noisy), list(objected)))
    pictures = int(cost["pictures"].max())
    st.caption(
        "Distance of the final latents to the converged picture's, geometric mean over "
        f"{pictures} picture{'s' * (pictures > 1)}"
        + (
            ", with its 95 % interval. "
            if pictures > 1
            else ". One picture has no interval, and cannot tell a difference from luck. "
        )
        + "A dashed line, where there is one, is the reference's own error: smaller distances "
        "are not measured. Diamonds are not ranked, because they cannot be compared fairly; their "
        "notes say why. Rings are stochastic samplers, which are not ranked by distance: they are "
        "allowed to differ. Quality and Pictures judge those."
    )
    draw_tables(shown, "cost")


def _asked(shown: Shown) -> None:
    """Draw the choice of an error and who reaches it first."""
    target = bound().number_input(
        "Error asked for (std)",
        min_value=0.001,
        max_value=1.0,
        value=TARGET,
        step=0.01,
        format="%.3f",
        key=f"{shown.page}.target",
        width=180,
    )
    st.markdown(plain(reached(shown.tables, target)) or "No sampler is ranked by distance here.")


def cost(shown: Shown) -> None:
    """Draw error against evaluations and seconds, and who reaches an error first."""
    cost, slopes = shown.tables["cost"], shown.tables["slopes"]
    if cost["error"].notna().sum() == 0:
        say_nothing(_NOTHING)
        return
    if len(shown.comparison.budgets) < 2:
        st.info(
            "One budget gives one point a sampler. Add budgets in the form, such as 5, 10, 40, to "
            "see a slope.",
            icon=":material/trending_down:",
        )
    left, right = st.columns(2, gap="medium")
    colors, dashes = shown.colors, shown.dashes
    with left:
        draw_chart(compare_cost.error_against(cost, slopes, "nfe", colors, dashes))
        st.caption(
            "A straight line on log axes is a power law: the wide faint line is the fit, and its "
            f"slope is the order of convergence. Bars are 95 % intervals. {LINES}"
        )
    with right:
        draw_chart(compare_cost.error_against(cost, slopes, "seconds", colors, dashes))
        st.caption(
            "Rings and the golden line mark the Pareto front: no other run is both quicker and "
            "nearer. Seconds are a run's own share of the network calls it shared, its solver, "
            "encoding and decoding."
        )
    _asked(shown)
    draw_tables(shown, "slopes", drawn=True)
    draw_tables(shown, "cost")
