"""The Tokens page: the text encoder's own self-attention, by layer and head, and its masks."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained
from dashboard.views.tokens.data import Reader, encoded
from dashboard.views.tokens.tables import csv_of
from dashboard.widgets.figure import figure, why

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.text.encoder import Encoding

MEAN = "mean"
LONGEST = 70  # positions of a square map: a chart takes 5,000 cells
_COMPUTED = (
    "The weights are computed from the encoder's queries and keys in float32; its result is not "
    "changed."
)
_SEEN = {
    True: "Each row: how much a position looks at itself and at those before it.",
    False: "Each row: how much a position looks at every other.",
}
_EQUATION = {
    True: r"\mathrm{softmax}_j\left(q_i \cdot k_j / \sqrt{d}\right), \quad j \le i",
    False: r"\mathrm{softmax}_j\left(q_i \cdot k_j + b_{i - j}\right)",
}
"""The weight with which position i looks at j; T5 does not divide by the root of the size."""
_ABOUT = {
    True: "Each position looks at itself and at the positions before it, with weights that sum to "
    "1 along a row. The upper triangle is empty: the **causal mask** hides the future. ",
    False: "Each position looks at all positions, with weights that sum to 1 along a row: T5 has "
    "no causal mask. Order enters here, by a **bias** on each score that depends on how far apart "
    "two positions are. ",
}
_PADS = {
    (True, False): "This encoder is not given the **padding mask**: the pads look at the words and "
    "at each other. The words never see the pads, because those come last.",
    (True, True): "This encoder is given the **padding mask**: nothing looks at the pads, though "
    "they look at the words.",
    (False, False): "This encoder is not given the **padding mask**: the words look at the pads "
    "too, so that a word's vector depends on how many there are.",
    (False, True): "This encoder is given the **padding mask**: nothing looks at the pads, though "
    "they look at the words.",
}


_ABOUT_START = (
    "The start token means nothing; a head attends to it where no word matters (Xiao et al. 2024, "
    "arXiv 2309.17453)."
)


@st.fragment
def attention_section(reader: Reader, prompt: str) -> None:
    """Draw the self-attention; choosing another layer or head redraws only this."""
    with explained():
        encoding = encoded(reader, prompt)
        pads = _PADS[encoding.causal, bool(encoding.masks_pads)]
        st.caption(_SEEN[encoding.causal])
        words = f"{_ABOUT[encoding.causal]}{_COMPUTED} {pads}"
        why(words, _EQUATION[encoding.causal], label="Why, and what the masks hide")
        layer, head, every = _choices(encoding)
        left, right = st.columns([3, 2], gap="large")
        with left:
            _map(encoding, layer, head, every)
        with right:
            _around(encoding, layer, head)


def _choices(encoding: "Encoding") -> tuple[int, int | str, bool]:
    assert encoding.attention is not None  # it was asked for
    layers, heads = encoding.attention.shape[:2]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        layer = bound().selectbox(
            "Layer",
            range(layers),
            layers - 1,
            key=f"tokens.layer_of_{layers}",
            width=130,
            help="From 0, the first, to the last.",
        )
        head = bound().selectbox(
            "Head",
            [MEAN, *map(str, range(heads if heads > 1 else 0))],
            key=f"tokens.head_of_{heads}",
            width=130,
            help="One head, or the mean over all of them; of large encoders the mean alone.",
        )
        every = encoding.causal and bound().toggle(
            f"All {len(encoding.ids)} positions", key="tokens.attention_all"
        )
    return int(layer), head if head == MEAN else int(head), bool(every)


def _map(encoding: "Encoding", layer: int, head: int | str, every: bool) -> None:
    from dashboard.charts.tokens import attention_map
    from sdlab.text.self_attention import attention_table

    which = "mean of all heads" if head == MEAN else f"head {head}"
    last = None if every else min(encoding.end, LONGEST - 1)
    chart = attention_map(
        attention_table(encoding, layer, head, last), f"Self-attention, layer {layer}, {which}"
    )
    st.altair_chart(chart, width="stretch", alt=f"Self-attention map of layer {layer}, {which}")
    with st.container(horizontal=True, vertical_alignment="center"):
        about = _ABOUT_START if encoding.causal else None
        st.caption(_said(encoding, layer, head), width="stretch", help=about)
        csv_of(attention_table(encoding, layer, head), f"attention_layer{layer}_{head}")


def _said(encoding: "Encoding", layer: int, head: int | str) -> str:
    shares = _shares(encoding, layer, head).set_index(["query_kind", "key_kind"])["mass"]
    if ("word", "word") not in shares:
        only = "the start, the end" if encoding.causal else "the end"
        return f"There are no words, only {only} and the pads."
    if not encoding.causal:
        own, end = shares["word", "word"], shares.get(("word", "end"), 0.0)
        return (
            f"Here the words give {own:.0%} of their attention to words, {end:.0%} to the end "
            f"token and {max(0.0, 1 - own - end):.0%} to the pads."
        )
    start = shares["word", "start"]
    return f"The words give the start token {start:.0%} and words up to themselves {1 - start:.0%}."


def _shares(encoding: "Encoding", layer: int, head: int | str) -> "pd.DataFrame":
    from sdlab.text.self_attention import mass_table

    mass = mass_table(encoding)
    chosen = mass[mass["layer"] == layer]
    chosen = chosen[chosen["head"] == head] if head != MEAN else chosen
    return chosen.groupby(["query_kind", "key_kind"], as_index=False)[["mass"]].mean()


def _around(encoding: "Encoding", layer: int, head: int | str) -> None:
    from dashboard.charts import tokens as charts
    from sdlab.text.self_attention import heads_table, mask_table, mass_table

    masks, shared, heads = st.tabs(["Masks", "Where it goes", "All heads"])
    with masks:
        figure(
            charts.masks(mask_table(encoding)),
            "A row is a position; what is drawn in it is what it sees, and what is hidden from it.",
            alt="What each query position may see",
        )
    with shared:
        figure(
            charts.mass(_shares(encoding, layer, head), "Attention by kind of position"),
            "How each kind of position shares its attention out.",
            alt="Share of attention that falls on start, words, end and pads",
        )
        csv_of(mass_table(encoding), "attention_mass")
    with heads:
        measure = bound().selectbox(
            "By",
            [m for m in charts.MEASURES if encoding.causal or m != "start"],
            format_func=charts.MEASURES.get,
            key="tokens.measure" if encoding.causal else "tokens.measure_of_t5",
        )
        table = heads_table(encoding)
        figure(
            charts.heads(table, measure),
            "A cell is a head: heads of one layer do different things.",
            alt="All heads, one measure",
        )
        csv_of(table, "attention_heads")
