"""The sections that measure the pictures: each, against each other, and the reference."""

import streamlit as st

from dashboard.charts import compare_pairs, compare_quality, compare_seeds, compare_tables
from dashboard.views.compare.section_tools import (
    LINES,
    NO_REFERENCE,
    Shown,
    choose,
    draw_tables,
    say_nothing,
)
from dashboard.widgets.figure import figure, why


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
    runs = compare_tables.even(runs[runs["budget"] == shown.comparison.budget])
    mean = "geometric mean" if measure == "distance" else "mean"
    figure(
        compare_seeds.over_pictures(runs, spread, measure, shown.colors),
        f"{_ABOUT[measure]} A dot is a picture.",
        more=f"The upright mark is the {mean}, and the bar is its 95 % interval (Student's), from "
        f"three pictures on. {_OTHER * (measure in _OF_REFERENCE)}".strip(),
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
_OTHER = "Stochastic samplers are allowed to differ from the reference: judge those by Fidelity."
_OF_REFERENCE = ("distance", "image_rmse", "psnr", "ssim")
_ABOUT = {
    "distance": "Final latents against the reference's, in its standard deviations.",
    "image_rmse": "Decoded pictures against the reference's, values of 0 to 255.",
    "psnr": "Decoded pictures against the reference's, decibels: more is nearer.",
    "ssim": "Structural similarity to the reference's picture: 1 is alike.",
    "fidelity": "Share of the prompt's statements that the checker finds in the picture.",
    "spread": "How far pictures of one prompt with different seeds are from each other: variety.",
}


_RATIO = r"r = \exp \Big( \mathrm{mean} \ln \frac{d_\text{row}}{d_\text{column}} \Big)"
_WHY_TIES = (
    "d are the distances of both to the converged picture, mean over the pictures.\n\n"
    "- **=** marks ties: the two are known to differ by less than a factor of 1.5.\n"
    "- **?** marks pairs for which there are too few pictures to tell; hover for the ratio that "
    "would show.\n\n"
    "Paired test over the pictures, Holm's correction, 5 %: what one picture makes hard it makes "
    "hard for both, so pairs tell more than the bars of each."
)


def each_other(shown: Shown) -> None:
    """Draw how far samplers are from each other, and which are tied."""
    pairs, ties = shown.tables["pairs"], shown.tables["ties"]
    if pairs["a"].nunique() < 2:
        say_nothing("Fewer than two samplers are done, so there is no pair.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        figure(
            compare_pairs.distances(pairs),
            "Dark: the two make like pictures; similar ones are side by side.",
            more="Two implementations of one method show as a dark pair.",
        )
        draw_tables(shown, "pairs")
    with right:
        if not shown.comparison.reference_steps:
            say_nothing(NO_REFERENCE)
        elif ties["tied"].notna().sum() == 0:
            say_nothing(
                "Fewer than three pictures cannot tell a difference from luck. Add seeds or "
                "prompts in the form."
            )
        else:
            cost = shown.tables["cost"]
            first = cost[cost["budget"] == shown.comparison.budget].sort_values("error")
            figure(
                compare_pairs.ties(ties, list(first["entrant"])),
                "Blue: the row's is nearer to the converged picture than the column's.",
            )
            why(_WHY_TIES, _RATIO)
        draw_tables(shown, "ties")


def quality(shown: Shown) -> None:
    """Draw which of the prompts' statements the pictures fulfil."""
    quality = shown.tables["quality"]
    known = quality.dropna(subset=["share"])
    if known.empty:
        say_nothing(
            "There is no checker for this model or these prompts. On the embedded models, prompts "
            "of their small world are checked: object, place, colour and background, such as "
            "'a red car on a beach'."
        )
        draw_tables(shown, "quality")
        return
    kinds = list(dict.fromkeys(known["what"]))
    kinds = ["all", *(k for k in kinds if k != "all")] if "all" in kinds else kinds
    what = choose(shown, "Statements", kinds, "what")
    count = int(known.loc[known["what"] == what, "statements"].max())
    figure(
        compare_quality.quality(known, what, shown.colors, shown.dashes),
        f"How many of the prompt's statements hold in the pictures: {count} for each point.",
        more=LINES,
    )
    why(
        "A network that knows the embedded models' world looks at each picture and says which of "
        "the prompt's statements hold. Bars are 95 % intervals (Wilson, each picture counted "
        "once); where they overlap widely, add prompts and seeds."
    )
    draw_tables(shown, "quality")


def reference(shown: Shown) -> None:
    """Draw how well each reference is converged."""
    table = shown.tables["references"]
    if table["change"].notna().sum() == 0:
        lacks = "No reference is done, so no distance could be measured."
        say_nothing(lacks if shown.comparison.reference_steps else NO_REFERENCE)
    else:
        figure(
            compare_quality.references(table.head(60)),
            "How far each reference still moves with twice the steps, and the error left in it.",
        )
        why(
            "The reference is Heun over karras at many steps, N. It is also run at half as many: "
            "the method is of second order, so half the steps make four times the error e, and a "
            "third of the change between the two is what is left. A sampler nearer than that "
            "cannot be distinguished from a converged one.",
            r"\lVert z_N - z_{N/2} \rVert \approx e_{N/2} - e_N = 4 e_N - e_N = 3 e_N",
        )
    draw_tables(shown, "references", drawn=True)
