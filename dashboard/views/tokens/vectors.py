"""The Tokens page: vectors. Norms, the difference from another prompt, cosines, nearest entries."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained
from dashboard.views.tokens.data import Reader, encoded, nearest_entries
from dashboard.views.tokens.tables import csv_of
from dashboard.widgets.figure import figure, why

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 98  # positions of a triangle: a chart takes 5,000 cells
SPACES = {"contextual": "contextual embedding", "token": "token embedding"}
_SEEN = "Two vectors a position: its row of a table (token), and what the encoder makes of it."
_TOKEN = "Length of each token's row of the table."
_WORD = "Length of what the encoder makes of it."
_ROW = (
    "A **token embedding** is a row of a table: the same for a word at any position. The "
    "**contextual embedding** is the encoder's output, one vector a position; "
)
_EQUATION = {
    True: r"h_i = \mathrm{encoder}(e_1 + p_1, \dots, e_i + p_i)",
    False: r"h_i = \mathrm{encoder}(e_1, \dots, e_n)",
}
"""The contextual embedding h of position i: e are token embeddings, p those of the places."""
_ALL = "the network is given all {count} of them. "
_POOLED = (
    "this model's network is given none of these {count}, only **one vector of the whole prompt**, "
    "made of the end token's; it reads the words by its other text encoder. "
)
_DIRECTION = {
    True: "CLIP's text encoder is causal: a position sees what comes before it and nothing of what "
    "follows, so the start token's vector is the same for every prompt, and the end token's is the "
    "first that has seen all words.",
    False: "T5's encoder reads in both directions: every vector has seen the whole prompt. It has "
    "no start token and no vector of the whole prompt; where a word stands it learns in the "
    "attention alone.",
}
_NEAREST = "By cosine with the rows of the token table."
_ABOUT_NEAREST = (
    "These are the only vectors that every vocabulary entry has. The encoder was never trained to "
    "return to them, so expect low cosines for contextual embeddings."
)


@st.fragment
def vectors_section(reader: Reader, prompt: str, other: str) -> None:
    """Draw what the encoder makes of each position; its own choices redraw only this.

    Args:
        reader: The text encoder that is looked at.
        prompt: What is looked at.
        other: The prompt to compare with; "" for the empty one.
    """
    with explained():
        _about(reader, prompt)
        _norms(reader, prompt, other)
        cosines, entries = st.columns([3, 2], gap="large")
        with cosines:
            _cosines(reader, prompt)
        with entries:
            _nearest(reader, prompt)


def _about(reader: Reader, prompt: str) -> None:
    encoding = encoded(reader, prompt)
    use = _POOLED if encoding.pooled else _ALL
    count = len(encoding.ids)
    st.caption(_SEEN)
    words = f"{_ROW}{use.format(count=count)}{_DIRECTION[encoding.causal]}"
    why(words, _EQUATION[encoding.causal], label="Why two, and what they have seen")


def _norms(reader: Reader, prompt: str, other: str) -> None:
    from dashboard.charts import tokens as charts
    from sdlab.text.encoder import compare, norms

    encoding = encoded(reader, prompt)
    table = norms(encoding)
    against = compare(encoding, encoded(reader, other))
    name = "the other prompt" if other else "the empty prompt"
    with st.grid(3, min_column_width=290, gap="medium"):
        for chart, seen, alt, more in (
            (charts.norms(table, "token"), _TOKEN, "Norm of each position's token embedding", None),
            (charts.norms(table, "contextual"), _WORD, "Norm of each contextual embedding", None),
            (charts.difference(against, name), *_difference(against, name, encoding.causal)),
        ):
            with st.container(gap="xsmall"):
                figure(chart, seen, alt=alt, more=more)
    with st.container(horizontal=True):
        csv_of(table, "norms", "Norms (CSV)")
        csv_of(against, "difference", "Difference (CSV)")


def _difference(against: "pd.DataFrame", name: str, causal: bool) -> tuple[str, str, str | None]:
    """Return what is seen of the difference, what the chart is, and more if there is more."""
    equal = int(against["same_so_far"].sum())
    pads = "The pads differ too: each has seen the words before it."
    same = equal == len(against) or not causal
    seen = _compared(equal, len(against), name, causal)
    return seen, f"Difference of each position from {name}", None if same else pads


def _compared(equal: int, count: int, name: str, causal: bool) -> str:
    if equal == count:
        return f"This is {name}: all tokens are equal."
    if not causal:
        return "Any may differ: each has seen all words."
    which = "Position 0 is" if equal == 1 else f"Positions 0 to {equal - 1} are"
    return f"{which} equal by causality."


def _cosines(reader: Reader, prompt: str) -> None:
    from dashboard.charts.tokens import cosine_map
    from sdlab.text.similar import cosine_table

    encoding = encoded(reader, prompt)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        space = _space("Between", "tokens.cosines", "contextual")
        every = encoding.causal and bound().toggle(
            f"All {len(encoding.ids)} positions", key="tokens.cosines_all"
        )
    last = None if every else min(encoding.end, LONGEST - 1)
    chart = cosine_map(cosine_table(encoding, space, last), f"Cosine of {SPACES[space]}s")
    st.altair_chart(chart, width="stretch", alt=f"Cosine between every two {SPACES[space]}s")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Bright cells: the two vectors point the same way.", width="stretch")
        csv_of(cosine_table(encoding, space), f"cosines_{space}")


def _nearest(reader: Reader, prompt: str) -> None:
    from sdlab.text.tokens import labels

    encoding = encoded(reader, prompt)
    names = labels(encoding.tokens)
    place, which = st.columns(2)
    with place:
        position = bound().selectbox(
            "Nearest entries to position",
            range(len(names)),
            min(2, encoding.end),
            format_func=lambda p: names[p],
            key="tokens.position",
        )
    with which:
        space = _space("By its", "tokens.nearest", "token")
    table = nearest_entries(reader, prompt, position, space)
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_order=["rank", "text", "cosine", "id", "alike"],
        column_config={
            "cosine": st.column_config.NumberColumn("cosine", format="%.3f"),
            "alike": st.column_config.NumberColumn(
                "twins", help="Entries with exactly the same row, not listed; untrained ones do"
            ),
        },
        alt=f"Vocabulary entries nearest to position {position}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(_NEAREST, width="stretch", help=_ABOUT_NEAREST)
        csv_of(table, "nearest")


def _space(label: str, key: str, default: str) -> str:
    return bound().segmented_control(label, list(SPACES), default=default, key=key)
