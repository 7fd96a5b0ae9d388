"""What is seen in the charts of attention, a line each, and the theory behind them."""

import math

from sdlab.attention import analysis

COURSES = {
    "kinds": "How all places share out their attention.",
    "mass": "How much attention each word receives.",
    "likeness": "How near each word's map is to its last one.",
}


def entropy(cells: int) -> str:
    """Return what is seen of the entropy of maps of so many cells."""
    return f"Lower is sharper; at most {math.log(cells):.2f}, where all {cells:,} places are alike."


COURSE = (
    r"H = -\sum_i p_i \ln p_i",
    r"p_i = \frac{a_i}{\sum_k a_k}",
    r"\text{likeness} = \mathrm{corr}(a, a_\text{last})",
)
WHY_COURSE = (
    "a is a word's map. Its entropy H is highest, ln of the number of cells, where the map is the "
    "same everywhere. A word's map has **settled** at the first evaluation from which it "
    f"stays correlated with its last map by at least {analysis.DECIDED}. Places that need "
    "no word attend to start or end; a word with hardly any attention changes "
    "hardly anything. Pads carry meaning too, where the model does not mask them, as in Stable "
    "Diffusion."
)
RANKED = {
    "focus": "The sharpest layer first; the pale ones hardly see the word.",
    "mass": "The layer that gives the word most attention first.",
    "peak": "The layer with the word's largest share at one place first.",
}
FOCUS = r"\text{focus} = 1 - \frac{H}{\ln(\text{cells})}"
OVERLAPS = {
    "correlation": "Orange: both are read in one place; an attribute should be with its own noun.",
    "overlap": "Dark: both are read in one place; an attribute should be with its own noun.",
}
OVERLAP = r"\text{overlap} = \sum_i \min(p_i, q_i)"
WHY_OVERLAP = (
    "An attribute **leaks** if it is read where another word's object is, such as the *red* of *a "
    "red car and a blue bird* on the bird: its row is high in that word's column, and low in its "
    "own noun's.\n\n"
    "**Correlation** compares the shapes of two maps; a common background does not count. "
    "**Overlap** is the sum of the smaller of the two maps, each scaled to sum 1."
)
WHY_RANKING = (
    "Focus is 1 for a map in one cell and 0 for one that is the same everywhere, so grids of "
    "different sizes can be compared by it. Pale layers have a peak below "
    f"{analysis.FAINT:g}: hardly any attention goes to the word there, so by focus they come last."
)
