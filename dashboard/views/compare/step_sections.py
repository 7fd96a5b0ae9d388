"""The sections that follow the samplers step by step."""

import pandas as pd
import streamlit as st

from dashboard.charts import compare as steps_
from dashboard.charts import compare_paths, compare_tables
from dashboard.shell.address import bound
from dashboard.views.compare.choice import choose_picture
from dashboard.views.compare.section_tools import (
    LINES,
    NO_REFERENCE,
    Shown,
    choose,
    draw_tables,
    say_nothing,
)
from dashboard.widgets.figure import figure, why
from sdlab.comparing.columns import REFERENCE

_NOTHING = "Nothing can be measured for this picture yet: its reference is not finished."
_DISTANCE = r"d = \frac{\lVert x - x_\text{ref} \rVert / \sqrt{D}}{\mathrm{std}(z_\text{ref})}"
_WHY_DISTANCES = (
    "Distances are root mean squares over the latents, divided by the standard deviation of the "
    "reference's final latents z, so 1 is about as far as an unrelated picture. All x_t are "
    "compared in the network's coordinates (VP) at the same sigma, whatever a solver works in; "
    "between two evaluations of the reference its path is interpolated."
)
_MIXED = r"x_t = \sqrt{\bar\alpha}\,x_0 + \sqrt{1 - \bar\alpha}\;\epsilon"
_WHY_STATISTICS = (
    "Noise alone has mean 0 and spread 1; at the end x_t has those of the picture. x0_pred is the "
    "mean over all pictures that the noise leaves possible, so its spread is small at first. "
    "A sampler whose spread runs away from the others' makes its steps too large."
)


def steps(shown: Shown) -> None:
    """Draw each step's distance to the reference."""
    _by_step(shown, steps_.DISTANCES, "Distance", "distance", _WHY_DISTANCES, _DISTANCE)


def statistics(shown: Shown) -> None:
    """Draw each step's statistics of the latents."""
    measures = (*steps_.STATISTICS, "sigma")
    _by_step(shown, measures, "Show", "statistic", _WHY_STATISTICS, _MIXED)


def _by_step(
    shown: Shown, measures: tuple[str, ...], label: str, key: str, words: str, equation: str
) -> None:
    steps = shown.tables["steps"]
    if steps.empty:
        say_nothing("No run recorded its steps.")
        return
    titles = {_SHORT[name]: name for name in measures}
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        title = choose(shown, label, list(titles), key)
        x = choose(shown, "Against", list(steps_.X_AXES), "axis")
        rows = _of_pictures(shown, steps)
    measure = titles[title]
    drawn = compare_tables.thinned(rows.dropna(subset=[measure]))
    if drawn.empty:
        say_nothing(_NOTHING if shown.comparison.reference_steps else NO_REFERENCE)
        return
    figure(
        steps_.per_step(drawn, measure, x, shown.colors, shown.dashes), _HOW[measure], more=LINES
    )
    why(words, equation)
    draw_tables(shown, "steps")


_SHORT = {
    "x0_to_end": "x0_pred to the end",
    "x0_distance": "x0_pred to the path",
    "x_t_distance": "x_t to the path",
    "x_t_std": "Spread of x_t",
    "x0_pred_std": "Spread of x0_pred",
    "x_t_mean": "Mean of x_t",
    "x0_pred_mean": "Mean of x0_pred",
    "sigma": "Noise level",
}
_HOW = {
    "x0_to_end": "How far each step's predicted picture is from the converged one, to the error at "
    "the end.",
    "x0_distance": "Distance to the reference's prediction at the same noise level: 0 on its path.",
    "x_t_distance": "How far the noisy latents are from the reference's path at the same noise; "
    "all begin as one.",
    "x_t_std": "Noisy latents as the network is given them; noise alone has 1.",
    "x0_pred_std": "Guidance and large steps widen it; it ends at the spread of the data.",
    "x_t_mean": "Noise alone has 0; the emerging picture moves it.",
    "x0_pred_mean": "Roughly the brightness and tint of the predicted picture.",
    "sigma": "The noise level at which each evaluation is made; only where they agree is it fair.",
}


def _of_pictures(shown: Shown, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the chosen picture, or the means over all."""
    pictures = shown.comparison.pictures
    if len(pictures) > 1 and bound().toggle(
        f"Mean over {len(pictures)} pictures", True, key=f"{shown.page}.mean"
    ):
        return compare_tables.over_pictures(table)
    return compare_tables.of_picture(
        table, *choose_picture(f"{shown.page}.steps", shown.comparison)
    )


def paths(shown: Shown) -> None:
    """Draw the paths through latent space in two directions."""
    paths = shown.tables["paths"]
    if paths.empty:
        say_nothing("No run kept its tensors, so there is no path.")
        return
    prompt, seed = choose_picture(f"{shown.page}.paths", shown.comparison)
    rows = compare_tables.thinned(compare_tables.of_picture(paths, prompt, seed))
    if rows.empty:
        say_nothing("No run of this picture is done.")
        return
    figure(
        compare_paths.trajectories(rows, shown.colors, shown.dashes),
        "Every run's way from the shared noise to the diamond at its end.",
        more=LINES,
    )
    why(
        "The plane is that of the two directions in which the runs of this picture differ most, "
        "the principal components of their x_t; the axes say what share of all differences each "
        f"explains. Wide and grey is the {REFERENCE}. Ways that part early give other layouts, "
        "those that part at the end other details.",
        r"x_t \approx \bar x + c_1 u_1 + c_2 u_2",
    )
    draw_tables(shown, "paths")
