"""What skips, self-attention and cross-attention each contribute, from the table of effects."""

from typing import TYPE_CHECKING

from sdlab.comparing.words import listed

if TYPE_CHECKING:
    import pandas as pd

ARTICLES = {"MLP": "an", "time embedding": "the"}


def contributions(table: "pd.DataFrame") -> str:
    """Return in sentences how far the picture changes without one part of each kind.

    Args:
        table: Of ``sdlab.anatomy.effects``.
    """
    said, gone = [], []
    for part, rows in table.groupby("part", sort=False):
        change = rows["rms_pixels"]
        named = f"{ARTICLES.get(str(part), 'a')} {part}"
        span = f" ({change.min():.0f} to {change.max():.0f})" if len(change) > 1 else ""
        said.append(f"{named} {change.mean():.0f}{span}")
        if rows["missing"].notna().any():
            gone.append(f"{rows['missing'].mean():.0%} without {named}")
    objects = f" Of the prompt's objects are gone, on average, {listed(gone)}." if gone else ""
    return (
        "**What each kind of part contributes:** the picture changes, in RMS of 255, without "
        f"{listed(said)}.{objects}"
    )
