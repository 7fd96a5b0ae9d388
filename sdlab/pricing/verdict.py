"""Whether a speed-up is worth its price, as a word and as a sentence."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

WORTH, NOT_WORTH, UNKNOWN = "worth it", "not worth it", "not told apart"
FREE, NO_GAIN = "free", "no gain"


def verdict(row: Mapping[str, Any]) -> str:
    """Return whether a speed-up's picture is better than that of plain steps of the same time.

    Args:
        row: Of the table of prices; its columns up to ``quick_as_high``.
    """
    if row["time_low"] >= 1:
        return NO_GAIN
    if row["change"] == 0:
        return FREE if row["time_high"] < 1 else NO_GAIN
    if row["good_as_low"] > row["quick_as_high"]:
        return WORTH
    return NOT_WORTH if row["good_as_high"] < row["quick_as_low"] else UNKNOWN


def sentence(row: "pd.Series[Any]", num_steps: int) -> str:
    """Return what a speed-up costs and saves.

    Args:
        row: Of the table of prices.
        num_steps: The budget.
    """
    time = f"{row['time']:.2f} of the time ({row['time_low']:.2f} to {row['time_high']:.2f})"
    if row["change"] == 0:
        return f"{row['speedup']} gives the same picture bit for bit, in {time}: {row['verdict']}."
    return (
        f"{row['speedup']} changes the picture by {row['share']:.2g} of what the sampler is off by"
        f" at {num_steps} steps{_costs(row, num_steps)}. It takes {time}, which"
        f" {row['quick_as']:.1f} plain steps take too: {row['verdict']}."
    )


def _costs(row: "pd.Series[Any]", num_steps: int) -> str:
    """Return what a speed-up costs in steps."""
    names = ("good_as", "good_as_high", "good_as_low")
    fewer, low, high = (num_steps - row[name] for name in names)
    if high < 0.05:
        return " and costs no step"
    if low <= 0:
        return f"; its cost is not told apart from none (at most {high:.1f} steps)"
    return f" and costs as much as {fewer:.1f} fewer steps ({low:.1f} to {high:.1f})"
