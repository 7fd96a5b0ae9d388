"""What stands below a chart: one line that says what is seen, and the theory in a fold."""

from collections.abc import Callable

import altair
import streamlit as st

from dashboard.charts.base import title_of
from dashboard.shell.glossary import definitions


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
    if picked is None:
        st.altair_chart(chart, width="stretch", alt=alt)
    else:
        key, call = picked
        st.altair_chart(chart, width="stretch", alt=alt, key=key, on_select=call)
    st.caption(seen, help="\n\n".join(filter(None, (more, definitions(alt, seen)))) or None)


def why(words: str, *equations: str, label: str = "Why?") -> None:
    """Draw theory folded away: its equations in LaTeX, then the words."""
    with st.expander(label, icon=":material/help:", type="compact"):
        for equation in equations:
            st.latex(equation)
        st.markdown(words)
