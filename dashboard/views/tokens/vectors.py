"""The Tokens page: vectors. Norms, the difference from another prompt, cosines, nearest entries."""

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained
from dashboard.views.tokens.data import Reader, encoded, nearest_entries
from dashboard.views.tokens.tables import csv_of

SPACES = {"contextual": "contextual embedding", "token": "token embedding"}
_ABOUT = (
    "A **token embedding** is a row of a table: the same for a word at any position. The "
    "**contextual embedding** is the encoder's output, one vector a position; the U-Net is given "
    "all 77 of them. CLIP's text encoder is causal: a position sees what comes before it and "
    "nothing of what follows, so the start token's vector is the same for every prompt, and the "
    "end token's is the first that has seen all words."
)
_ABOUT_NEAREST = (
    "By cosine with the rows of the token embedding table, the only vectors that every vocabulary "
    "entry has. The encoder was never trained to return to these rows, so expect low cosines for "
    "contextual embeddings."
)


@st.fragment
def vectors_section(reader: Reader, prompt: str, other: str) -> None:
    """Draw what the encoder makes of each position; its own choices redraw only this.

    Args:
        reader: The text encoder that is looked at.
        prompt: What is looked at.
        other: The prompt to compare with; "" for the empty one.
    """
    st.markdown(_ABOUT)
    with explained():
        _norms(reader, prompt, other)
        cosines, entries = st.columns([3, 2], gap="large")
        with cosines:
            _cosines(reader, prompt)
        with entries:
            _nearest(reader, prompt)


def _norms(reader: Reader, prompt: str, other: str) -> None:
    from dashboard.charts import tokens as charts
    from sdlab.text.encoder import compare, norms

    encoding = encoded(reader, prompt)
    table = norms(encoding)
    against = compare(encoding, encoded(reader, other))
    name = "the other prompt" if other else "the empty prompt"
    with st.grid(3, min_column_width=290, gap="medium"):
        for chart, alt in (
            (charts.norms(table, "token"), "Norm of each position's token embedding"),
            (charts.norms(table, "contextual"), "Norm of each contextual embedding"),
            (charts.difference(against, name), f"Difference of each position from {name}"),
        ):
            st.altair_chart(chart, width="stretch", alt=alt)
    st.caption(_compared(int(against["same_so_far"].sum()), name))
    with st.container(horizontal=True):
        csv_of(table, "norms", "Norms (CSV)")
        csv_of(against, "difference", "Difference (CSV)")


def _compared(equal: int, name: str) -> str:
    if equal == 77:
        return f"This is {name}: every position holds the same token."
    which = "position 0 is" if equal == 1 else f"positions 0 to {equal - 1} are"
    return (
        f"Compared with {name}: {which} equal by causality, whatever follows. The pads differ too: "
        "each has seen the words before it."
    )


def _cosines(reader: Reader, prompt: str) -> None:
    from dashboard.charts.tokens import cosine_map
    from sdlab.text.similar import cosine_table

    encoding = encoded(reader, prompt)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        space = _space("Between", "tokens.cosines", "contextual")
        every = bound().toggle("All 77 positions", key="tokens.cosines_all")
    last = None if every else encoding.end
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
        st.caption(_ABOUT_NEAREST, width="stretch")
        csv_of(table, "nearest")


def _space(label: str, key: str, default: str) -> str:
    return bound().segmented_control(label, list(SPACES), default=default, key=key)
