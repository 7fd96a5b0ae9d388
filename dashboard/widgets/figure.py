"""What stands below a chart: one line that says what is seen, and the theory in a fold."""

from collections.abc import Callable
from typing import Any, cast

import altair
import streamlit as st
from altair.utils import schemapi

from dashboard.charts.base import title_of
from dashboard.shell.glossary import definitions

# Altair holds each piece of a chart, then the whole, against its schema. That takes most of the
# time of a drawing, and ours are held against it by the tests of ``dashboard/charts``.
schemapi.disable_debug_mode()


class _Unchecked:
    """A chart of ours, which Streamlit need not have held against Altair's schema."""

    def __init__(self, chart: altair.Chart | altair.LayerChart) -> None:
        self._chart = chart

    def to_dict(self) -> dict[str, Any]:
        """Return its specification; what Streamlit asks a chart for."""
        return self._chart.to_dict(validate=False)


def figure(
    chart: altair.Chart | altair.LayerChart,
    seen: str,
    *,
    alt: str = "",
    more: str | None = None,
    picked: tuple[str, Callable[[], None]] | None = None,
) -> None:
    """Draw a chart in the width there is, and below it one line that says what is seen.

    Behind the line's "?" stand ``more`` and what the words of line and alternative mean, if
    the Glossary has them.

    Args:
        chart: The chart.
        seen: A sentence.
        alt: What the chart is, for those who cannot see it; its title if not given.
        more: How to read it or use it.
        picked: A key, under which the session then holds what was clicked, and what is called after
            a click; of a chart with a selection of its own.
    """
    alt = alt or title_of(chart)
    drawn = cast(altair.Chart, _Unchecked(chart))
    if picked is None:
        st.altair_chart(drawn, width="stretch", alt=alt)
    else:
        key, call = picked
        st.altair_chart(drawn, width="stretch", alt=alt, key=key, on_select=call)
    st.caption(seen, help="\n\n".join(filter(None, (more, definitions(alt, seen)))) or None)


def why(words: str, *equations: str, label: str = "Why?") -> None:
    """Draw theory folded away: its equations in LaTeX, then the words."""
    with st.expander(label, icon=":material/help:", type="compact"):
        for equation in equations:
            st.latex(equation)
        st.markdown(words)
