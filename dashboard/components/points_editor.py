"""The points editor: a curve dragged in the browser, sigma on a log scale over u from 0 to 1.

A drag stays in the browser until the pointer is released; then the points go to the server, which
answers with the same points. Answers to older moves are ignored, so quick moves are not lost.
"""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from dashboard.components.browser_files import component


def points_editor(
    key: str,
    points: Sequence[Sequence[float]],
    baseline: Sequence[Sequence[float]],
    sigma_range: tuple[float, float],
    most: int,
    take: Callable[[list[list[float]]], None],
    level: str = "sigma",
) -> None:
    """Draw the editor.

    Args:
        key: Its widget key.
        points: (u, sigma) pairs, u rising from 0 to 1.
        baseline: (u, sigma) pairs of the curve to compare with; may be empty.
        sigma_range: Least and greatest sigma that a point can have.
        most: Points at most.
        take: Called with the new points when they were changed in the browser.
        level: What a noise level is called: "sigma", or "t" of flow matching.
    """
    number = f"{key}.number"

    def changed() -> None:
        value = getattr(st.session_state[key], "points", None) or {}
        pairs = _pairs(value.get("points"))
        if pairs:
            st.session_state[number] = int(value.get("number", 0))
            take(pairs)

    low, high = sigma_range
    data = {
        "points": [list(point) for point in points],
        "baseline": [list(p) for p in baseline if low * 0.99 <= p[1] <= high * 1.01],
        "range": [low, high],
        "ticks": [tick for tick in (0.001, 0.01, 0.1, 1, 10, 100, 1000) if low < tick < high],
        "most": most,
        "level": level,
        "number": st.session_state.get(number, 0),
    }
    component("points_editor")(data=data, key=key, on_points_change=changed)
    st.caption(
        "Drag a point; double-click adds or removes one. By keyboard: Tab to a point, arrows move"
        " it (Shift: faster), + adds one, Delete removes it."
    )


def _pairs(value: Any) -> list[list[float]]:
    """Return what the browser sent as pairs of floats; [] if it is anything else."""
    try:
        return [[float(u), float(sigma)] for u, sigma in value]
    except (TypeError, ValueError):
        return []
