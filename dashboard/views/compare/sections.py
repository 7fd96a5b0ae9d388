"""The charts of a comparison, one section at a time, each with its tables to download."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import streamlit as st

from dashboard.charts import compare as steps_
from dashboard.charts import (
    compare_cost,
    compare_pairs,
    compare_paths,
    compare_quality,
    compare_seeds,
)
from dashboard.charts.base import title_of
from dashboard.shell.address import bound
from dashboard.shell.messages import explained, plain
from dashboard.views.compare import reduce
from dashboard.views.compare.choice import choose_picture
from dashboard.views.compare.rows import looks, short_names
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.section_choice import choose_section
from sdlab.comparing.columns import REFERENCE, TABLES
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.result import Result
from sdlab.comparing.verdict import TARGET, reached

if TYPE_CHECKING:
    import altair as alt

ABOUT = {
    "entrants": "One row a sampler.",
    "runs": "One row a run: picture, budget, cost, distance.",
    "references": "One row a picture: its reference and how well converged that is.",
    "steps": "One row an evaluation of the runs at the first budget.",
    "pairs": "One row a pair of samplers.",
    "cost": "One row a sampler and budget: error and cost.",
    "slopes": "One row a sampler: the fitted order.",
    "paths": "One row an evaluation: where x_t is in the first two principal components.",
    "quality": "One row a sampler, budget and kind of statement.",
    "ties": "One row a pair of samplers: whether it is a difference, a tie or not known.",
    "spread": "One row a sampler and measure, over the seeds.",
}
LINES = (
    "Hover to bring one line forward; click names in the legend (with Shift, several) to see only "
    "those. A sampler has the same colour on every page; dashes tell its curve."
)


class Shown(NamedTuple):
    """What a section draws from: the tables under short names, and how each sampler looks."""

    page: str
    comparison: Comparison
    tables: dict[str, pd.DataFrame]
    raw: dict[str, pd.DataFrame]
    colors: dict[str, str]
    dashes: dict[str, list[int]]


@st.fragment
def show_sections(page: str, result: Result) -> None:
    """Draw the choice of a section and that section; choosing another redraws only this."""
    st.header("Measurements", anchor=False)
    entrants = result.comparison.entrants
    names = short_names(entrant.label for entrant in entrants)
    tables = {name: reduce.renamed(table, names) for name, table in result.tables.items()}
    shown = Shown(page, result.comparison, tables, dict(result.tables), *looks(entrants))
    chosen = choose_section(page, SECTIONS)
    with explained():
        SECTIONS[chosen](shown)


def _ranking(shown: Shown) -> None:
    cost = shown.tables["cost"]
    if cost["error"].notna().sum() == 0:
        _nothing("No run is done whose reference is done too, so there is no distance to rank.")
        return
    budget = shown.comparison.budget
    entrants = shown.tables["entrants"]
    noisy = entrants.loc[~entrants["deterministic"].fillna(False).astype(bool), "entrant"]
    objected = entrants.loc[entrants["notes"] != "", "entrant"]
    _chart(compare_cost.ranking(cost, budget, shown.colors, list(noisy), list(objected)))
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
    _tables(shown, "cost")


def _over_pictures(shown: Shown) -> None:
    spread = shown.tables["spread"]
    known = set(spread.loc[spread["mean"].notna(), "what"])
    measures = {_MEASURED[name]: name for name in compare_seeds.MEASURES if name in known}
    if not measures:
        _nothing("No run is done, so there is nothing to measure.")
        return
    measure = measures[_choice(shown, "Measured by", list(measures), "measure")]
    runs = shown.tables["runs"]
    runs = reduce.even(runs[runs["budget"] == shown.comparison.budget])
    _chart(compare_seeds.over_pictures(runs, spread, measure, shown.colors))
    st.caption(
        f"{_ABOUT[measure]} A dot is a picture, the upright mark is the mean"
        + (" (geometric)" if measure == "distance" else "")
        + ", and the bar is its 95 % interval (Student's), from three pictures on."
    )
    _tables(shown, "spread", "runs")


_MEASURED = {
    "distance": "Latents",
    "image_rmse": "RMSE",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "fidelity": "Fidelity",
    "spread": "Between seeds",
}
_OTHER = "Stochastic samplers are allowed to differ from it: judge those by Fidelity."
_ABOUT = {
    "distance": f"Final latents against the reference's, in its standard deviations. {_OTHER}",
    "image_rmse": f"Decoded pictures against the reference's, values of 0 to 255. {_OTHER}",
    "psnr": f"Decoded pictures against the reference's, decibels: more is nearer. {_OTHER}",
    "ssim": f"Structural similarity to the reference's picture: 1 is alike. {_OTHER}",
    "fidelity": "Share of the prompt's statements that the checker finds in the picture.",
    "spread": "How far pictures of one prompt with different seeds are from each other: variety.",
}


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


def _cost(shown: Shown) -> None:
    cost, slopes = shown.tables["cost"], shown.tables["slopes"]
    if cost["error"].notna().sum() == 0:
        _nothing("No run is done whose reference is done too, so there is no error.")
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
        _chart(compare_cost.error_against(cost, slopes, "nfe", colors, dashes))
        st.caption(
            "A straight line on log axes is a power law: the wide faint line is the fit, and its "
            f"slope is the order of convergence. Bars are 95 % intervals. {LINES}"
        )
    with right:
        _chart(compare_cost.error_against(cost, slopes, "seconds", colors, dashes))
        st.caption(
            "Rings and the golden line mark the Pareto front: no other run is both quicker and "
            "nearer. Seconds are a run's own share of the network calls it shared, its solver, "
            "encoding and decoding."
        )
    _asked(shown)
    _tables(shown, "slopes", drawn=True)
    _tables(shown, "cost")


def _steps(shown: Shown) -> None:
    _by_step(shown, steps_.DISTANCES, "Distance", "distance")


def _statistics(shown: Shown) -> None:
    _by_step(shown, (*steps_.STATISTICS, "sigma"), "Show", "statistic")


def _by_step(shown: Shown, measures: tuple[str, ...], label: str, key: str) -> None:
    steps = shown.tables["steps"]
    if steps.empty:
        _nothing("No run recorded its steps.")
        return
    titles = {_SHORT[name]: name for name in measures}
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        title = _choice(shown, label, list(titles), key)
        x = _choice(shown, "Against", list(steps_.X_AXES), "axis")
        rows = _of_pictures(shown, steps)
    measure = titles[title]
    drawn = reduce.thinned(rows.dropna(subset=[measure]))
    if drawn.empty:
        _nothing("Nothing is known of this for this picture: its reference is not done.")
        return
    _chart(steps_.per_step(drawn, measure, x, shown.colors, shown.dashes))
    st.caption(f"{_HOW[measure]} {LINES}")
    _tables(shown, "steps")


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
    "x0_to_end": "How far the picture predicted at each step is from the converged one: the line "
    "ends at the sampler's error.",
    "x0_distance": "Distance to the reference's prediction at the same noise level: 0 on its path.",
    "x_t_distance": "How far the noisy latents are from the reference's path at the same noise "
    "level. All start from the same noise.",
    "x_t_std": "Noisy latents as the network is given them; noise alone has 1.",
    "x0_pred_std": "Guidance and large steps widen it; it ends at the spread of the data.",
    "x_t_mean": "Noise alone has 0; the emerging picture moves it.",
    "x0_pred_mean": "Roughly the brightness and tint of the predicted picture.",
    "sigma": "The noise level at which each evaluation is made.",
}


def _of_pictures(shown: Shown, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the chosen picture, or the means over all."""
    pictures = shown.comparison.pictures
    if len(pictures) > 1 and bound().toggle(
        f"Mean over {len(pictures)} pictures", True, key=f"{shown.page}.mean"
    ):
        return reduce.over_pictures(table)
    return reduce.of_picture(table, *choose_picture(f"{shown.page}.steps", shown.comparison))


def _each_other(shown: Shown) -> None:
    pairs, ties = shown.tables["pairs"], shown.tables["ties"]
    if pairs["a"].nunique() < 2:
        _nothing("Fewer than two samplers are done, so there is no pair.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        _chart(compare_pairs.distances(pairs))
        st.caption(
            "How far apart the pictures of two samplers are; similar samplers are side by side. "
            "Two implementations of one method show as a dark pair."
        )
        _tables(shown, "pairs")
    with right:
        if ties["tied"].notna().sum() == 0:
            _nothing(
                "Fewer than three pictures cannot tell a difference from luck. Add seeds or "
                "prompts in the form."
            )
        else:
            cost = shown.tables["cost"]
            first = cost[cost["budget"] == shown.comparison.budget].sort_values("error")
            _chart(compare_pairs.ties(ties, list(first["entrant"])))
            st.caption(
                "Blue: the row's sampler is nearer to the converged picture than the column's. "
                "= marks ties: the two are known to differ by less than a factor of 1.5. ? marks "
                "pairs for which there are too few pictures to tell; hover for the ratio that "
                "would show. Paired test over the pictures, Holm's correction, 5 %."
            )
        _tables(shown, "ties")


def _paths(shown: Shown) -> None:
    paths = shown.tables["paths"]
    if paths.empty:
        _nothing("No run kept its tensors, so there is no path.")
        return
    prompt, seed = choose_picture(f"{shown.page}.paths", shown.comparison)
    rows = reduce.thinned(reduce.of_picture(paths, prompt, seed))
    if rows.empty:
        _nothing("No run of this picture is done.")
        return
    _chart(compare_paths.trajectories(rows, shown.colors, shown.dashes))
    st.caption(
        "All runs of the picture in the two directions in which they differ most, from the shared "
        f"noise to the diamonds at their ends. Wide and grey is the {REFERENCE}. {LINES}"
    )
    _tables(shown, "paths")


def _quality(shown: Shown) -> None:
    quality = shown.tables["quality"]
    known = quality.dropna(subset=["share"])
    if known.empty:
        _nothing(
            "There is no checker for this model or these prompts. On the embedded model, prompts "
            "of its small world are checked: object, place, colour and background, such as "
            "'a red car on a beach'."
        )
        _tables(shown, "quality")
        return
    kinds = list(dict.fromkeys(known["what"]))
    kinds = ["all", *(k for k in kinds if k != "all")] if "all" in kinds else kinds
    what = _choice(shown, "Statements", kinds, "what")
    _chart(compare_quality.quality(known, what, shown.colors, shown.dashes))
    count = int(known.loc[known["what"] == what, "statements"].max())
    st.caption(
        "A network that knows the embedded model's world looks at each picture and says which of "
        f"the prompt's statements hold: {count} here for each point. Bars are 95 % intervals "
        "(Wilson, each picture counted once); where they overlap widely, add prompts and seeds. "
        f"{LINES}"
    )
    _tables(shown, "quality")


def _reference(shown: Shown) -> None:
    table = shown.tables["references"]
    if table["change"].notna().sum() == 0:
        _nothing("No reference is done, so no distance could be measured.")
    else:
        _chart(compare_quality.references(table.head(60)))
        st.caption(
            "The reference is Heun over karras at many steps. It is also run at half as many: the "
            "method is of second order, so a third of the change between the two estimates its own "
            "error. A sampler nearer than that cannot be distinguished from a converged one."
        )
    _tables(shown, "references", drawn=True)


def _every_table(shown: Shown) -> None:
    name = bound().selectbox("Table", list(ABOUT), key=f"{shown.page}.table", width=260)
    _tables(shown, name, drawn=True)


SECTIONS: dict[str, Callable[[Shown], None]] = {
    "Order of finish": _ranking,
    "Pictures": _over_pictures,
    "Error and cost": _cost,
    "Step by step": _steps,
    "Each other": _each_other,
    "Paths": _paths,
    "Latents": _statistics,
    "Quality": _quality,
    "Reference": _reference,
    "Tables": _every_table,
}


def _tables(shown: Shown, *names: str, drawn: bool = False) -> None:
    for name in names:
        columns = {
            column: st.column_config.Column(column, help=f"{text} ({unit})" if unit else text)
            for column, (unit, text) in TABLES[name].items()
        }
        csv_table(
            shown.raw[name],
            f"compare-{name}",
            f"{shown.page}.csv_{name}",
            ABOUT[name],
            columns,
            shown=drawn,
            parquet=True,
        )


def _choice(shown: Shown, label: str, options: list[str], key: str) -> str:
    return bound().segmented_control(label, options, key=f"{shown.page}.{key}")


def _chart(chart: "alt.LayerChart") -> None:
    st.altair_chart(chart, width="stretch", alt=title_of(chart))


def _nothing(text: str) -> None:
    st.info(text, icon=":material/info:")
