"""The sections that measure the pictures: each, against each other, and the reference."""

import streamlit as st

from dashboard.charts import compare_pairs, compare_quality, compare_seeds
from dashboard.views.compare import chart_tables
from dashboard.views.compare.section_tools import (
    LINES,
    Shown,
    choose,
    draw_chart,
    draw_tables,
    say_nothing,
)


def over_pictures(shown: Shown) -> None:
    """Draw a measure of every picture, with its mean and interval."""
    spread = shown.tables["spread"]
    known = set(spread.loc[spread["mean"].notna(), "what"])
    measures = {_MEASURED[name]: name for name in compare_seeds.MEASURES if name in known}
    if not measures:
        say_nothing("No run is done, so there is nothing to measure.")
        return
    measure = measures[choose(shown, "Measured by", list(measures), "measure")]
    runs = shown.tables["runs"]
    runs = chart_tables.even(runs[runs["budget"] == shown.comparison.budget])
    draw_chart(compare_seeds.over_pictures(runs, spread, measure, shown.colors))
    st.caption(
        f"{_ABOUT[measure]} A dot is a picture, the upright mark is the mean"
        + (" (geometric)" if measure == "distance" else "")
        + ", and the bar is its 95 % interval (Student's), from three pictures on."
    )
    draw_tables(shown, "spread", "runs")


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


def each_other(shown: Shown) -> None:
    """Draw how far samplers are from each other, and which are tied."""
    pairs, ties = shown.tables["pairs"], shown.tables["ties"]
    if pairs["a"].nunique() < 2:
        say_nothing("Fewer than two samplers are done, so there is no pair.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        draw_chart(compare_pairs.distances(pairs))
        st.caption(
            "How far apart the pictures of two samplers are; similar samplers are side by side. "
            "Two implementations of one method show as a dark pair."
        )
        draw_tables(shown, "pairs")
    with right:
        if ties["tied"].notna().sum() == 0:
            say_nothing(
                "Fewer than three pictures cannot tell a difference from luck. Add seeds or "
                "prompts in the form."
            )
        else:
            cost = shown.tables["cost"]
            first = cost[cost["budget"] == shown.comparison.budget].sort_values("error")
            draw_chart(compare_pairs.ties(ties, list(first["entrant"])))
            st.caption(
                "Blue: the row's sampler is nearer to the converged picture than the column's. "
                "= marks ties: the two are known to differ by less than a factor of 1.5. ? marks "
                "pairs for which there are too few pictures to tell; hover for the ratio that "
                "would show. Paired test over the pictures, Holm's correction, 5 %."
            )
        draw_tables(shown, "ties")


def quality(shown: Shown) -> None:
    """Draw which of the prompts' statements the pictures fulfil."""
    quality = shown.tables["quality"]
    known = quality.dropna(subset=["share"])
    if known.empty:
        say_nothing(
            "There is no checker for this model or these prompts. On the embedded model, prompts "
            "of its small world are checked: object, place, colour and background, such as "
            "'a red car on a beach'."
        )
        draw_tables(shown, "quality")
        return
    kinds = list(dict.fromkeys(known["what"]))
    kinds = ["all", *(k for k in kinds if k != "all")] if "all" in kinds else kinds
    what = choose(shown, "Statements", kinds, "what")
    draw_chart(compare_quality.quality(known, what, shown.colors, shown.dashes))
    count = int(known.loc[known["what"] == what, "statements"].max())
    st.caption(
        "A network that knows the embedded model's world looks at each picture and says which of "
        f"the prompt's statements hold: {count} here for each point. Bars are 95 % intervals "
        "(Wilson, each picture counted once); where they overlap widely, add prompts and seeds. "
        f"{LINES}"
    )
    draw_tables(shown, "quality")


def reference(shown: Shown) -> None:
    """Draw how well each reference is converged."""
    table = shown.tables["references"]
    if table["change"].notna().sum() == 0:
        say_nothing("No reference is done, so no distance could be measured.")
    else:
        draw_chart(compare_quality.references(table.head(60)))
        st.caption(
            "The reference is Heun over karras at many steps. It is also run at half as many: the "
            "method is of second order, so a third of the change between the two estimates its own "
            "error. A sampler nearer than that cannot be distinguished from a converged one."
        )
    draw_tables(shown, "references", drawn=True)
