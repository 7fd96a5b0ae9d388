"""What stands below a chart: one line that says what is seen, and the theory in a fold."""

import altair
import streamlit as st

from dashboard.charts.base import title_of
from dashboard.shell.glossary import definitions


def figure(
    chart: altair.Chart | altair.LayerChart, seen: str, *, alt: str = "", more: str | None = None
) -> None:
    """Draw a chart in the width there is, and below it one line that says what is seen.

    Behind the line's "?" stand ``more`` and what the words of title and line mean, if the
    Glossary has them.

    Args:
        chart: The chart.
        seen: A sentence.
        alt: What the chart is, for those who cannot see it; its title if not given.
        more: How to read it or use it.
    """
    title = title_of(chart)
    st.altair_chart(chart, width="stretch", alt=alt or title)
    st.caption(seen, help="\n\n".join(filter(None, (more, definitions(title, seen)))) or None)


def why(words: str, *equations: str, label: str = "Why?") -> None:
    """Draw theory folded away: its equations in LaTeX, then the words."""
    with st.expander(label, icon=":material/help:", type="compact"):
        for equation in equations:
            st.latex(equation)
        st.markdown(words)
