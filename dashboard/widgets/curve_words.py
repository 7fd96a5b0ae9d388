"""A curve in words: its name and options as a heading and a form say them, kept short."""

from collections.abc import Mapping
from typing import Any

DRAWN, TABLE, FORMULA = "points", "sigmas", "formula"
"""The curves that a person makes: each has its numbers or its text in the option of its name."""


def curve_words(curve: str | None, options: Mapping[str, Any]) -> str:
    """Return what a curve is called; "" where it is the model's own.

    Args:
        curve: Its name, or None.
        options: Its options, of which a drawn curve, a table and a formula are one.
    """
    if not curve:
        return ""
    value = options.get(curve)
    if curve == DRAWN and isinstance(value, (list, tuple)):
        return f"drawn curve of {len(value)} points"
    if curve == TABLE and isinstance(value, (list, tuple)):
        return f"table of {len(value)} sigmas"
    if curve == FORMULA and isinstance(value, str):
        return f"formula {value}"
    return f"{curve} curve"


def further_options(curve: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that ``curve_words`` does not say."""
    return {name: value for name, value in options.items() if name != curve}


def curve_values(curve: str | None, options: Mapping[str, Any]) -> str:
    """Return every number of a drawn curve or a table, as one reads them; else "".

    A drawn curve's are pairs of u, from 0 at the first step to 1 at the last, and the noise level.
    """
    value = options.get(curve or "")
    if not isinstance(value, (list, tuple)):
        return ""
    if curve == DRAWN:
        return "u and level: " + ", ".join(f"{u:.4g} {level:.4g}" for u, level in value)
    return ", ".join(f"{level:.4g}" for level in value) if curve == TABLE else ""
