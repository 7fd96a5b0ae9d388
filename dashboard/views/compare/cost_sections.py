"""The sections that rank samplers, and hold their error against their cost."""

import streamlit as st

from dashboard.charts import compare_cost
from dashboard.shell.address import bound
from dashboard.shell.messages import plain
from dashboard.views.compare.section_tools import (
    LINES,
    NO_REFERENCE,
    Shown,
    draw_tables,
    say_nothing,
)
from dashboard.widgets.figure import figure, why
from sdlab.comparing.target import TARGET, reached

_DISTANCE = (
    r"d = \frac{\lVert z - z_\text{ref} \rVert / \sqrt{D}}{\mathrm{std}(z_\text{ref})}",
    r"\text{error} = \exp \big( \mathrm{mean} \ln d \big)",
)
_WHY_RANKING = (
    "d is the distance of the final latents z to those of the converged picture; 1 is as far as "
    "another picture. The error is its geometric mean over the pictures. A dashed line, where "
    "there is one, is the reference's own error: smaller distances are not measured.\n\n"
    "- **Diamonds** are not ranked, because they cannot be compared fairly; their notes say why.\n"
    "- **Rings** are stochastic samplers, which are not ranked by distance: they are allowed to "
    "differ. Quality and Pictures judge those."
)
_POWER_LAW = r"\text{error} \approx C \cdot \text{evaluations}^{-p}"
_WHY_COST = (
    "A straight line on log axes is a power law: the wide faint line is the fit, and its slope p "
    "is the order of convergence. With order 2, twice the evaluations give a quarter of the error. "
    "Bars are 95 % intervals. Seconds are a run's own share of the network calls it shared, its "
    "solver, encoding and decoding. On the Pareto front no other run is both quicker and nearer: "
    "what is not on it can be replaced by what is."
)
_NOTHING = "No run is finished whose reference is finished too, so nothing can be ranked yet."


def ranking(shown: Shown) -> None:
    """Draw the samplers in the order of their error at the first budget."""
    cost = shown.tables["cost"]
    if cost["error"].notna().sum() == 0:
        say_nothing(_NOTHING if shown.comparison.reference_steps else NO_REFERENCE)
        return
    budget = shown.comparison.budget
    entrants = shown.tables["entrants"]
    noisy = entrants.loc[~entrants["deterministic"].fillna(False).astype(bool), "entrant"]
    objected = entrants.loc[entrants["notes"] != "", "entrant"]
    pictures = int(cost["pictures"].max())
    at_budget = cost[(cost["budget"] == budget) & (cost["error"] > 0)]
    dashed = compare_cost.near_floor(at_budget) is not None
    figure(
        compare_cost.ranking(cost, budget, shown.colors, list(noisy), list(objected)),
        (
            f"Further left is nearer to the converged picture: mean of {pictures} pictures, "
            "95 % bars."
            if pictures > 1
            else "Further left is nearer; one picture cannot tell a difference from luck."
        )
        + " Dashed: the reference's own error." * dashed,
    )
    why(_WHY_RANKING, *_DISTANCE)
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
        say_nothing(_NOTHING if shown.comparison.reference_steps else NO_REFERENCE)
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
        figure(
            compare_cost.error_against(cost, slopes, "nfe", colors, dashes),
            "Lower is nearer; the steeper a line, the more another evaluation gains.",
            more=LINES,
        )
    with right:
        figure(
            compare_cost.error_against(cost, slopes, "seconds", colors, dashes),
            "Rings on the golden line: no other run is both quicker and nearer.",
        )
    why(_WHY_COST, _POWER_LAW)
    _asked(shown)
    draw_tables(shown, "slopes", drawn=True)
    draw_tables(shown, "cost")
