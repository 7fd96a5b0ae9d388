"""The tables of the Tokens page, each with its columns explained and its CSV."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.widgets.downloads import csv_button

if TYPE_CHECKING:
    import pandas as pd

_MEANINGS = {
    "position": "Place in the sequence, from 0; past the last for what was cut",
    "id": "Number of the entry in the tokenizer's vocabulary, CLIP's of 49,408",
    "piece": "The vocabulary entry as it is stored; </w> closes a word, \u2581 begins one",
    "text": "The piece in plain letters, or its bytes in hex",
    "word": "The word of the prompt it belongs to",
    "word_index": "Number of that word, from 0",
    "kind": "start, word, end or pad; template for what the pipeline writes around the prompt",
    "mask": "1 where the attention mask is on",
    "cut": "Whether the length limit cut it off",
    "first": "First character of the prompt that it was made from",
    "last": "Where it ends in the prompt: the character after its last one",
    "unseen": "Whether the embedded model never saw the word in training",
    "count": "How often it is in the sequence",
    "kinds": "As what",
}

_LABELS = {
    "first": "from character",
    "last": "up to character",
    "cut": "cut off",
    "unseen": "unseen in training",
}
"""What a column is called on the page, where its name in the CSV alone does not say it."""


def show_table(frame: "pd.DataFrame", name: str, about: str) -> None:
    """Draw a table, with what it is about in a line."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{about} {len(frame):,} rows.", width="stretch")
        csv_of(frame, name)
    st.dataframe(
        _in_words(frame),
        hide_index=True,
        placeholder="",
        height=min(300, 38 + 35 * len(frame)),
        column_config={
            name: st.column_config.Column(_LABELS.get(name, name), help=_MEANINGS[name])
            for name in map(str, frame)
        },
        alt=f"Table of {name}",
    )


def _in_words(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the table with "yes" or nothing for what is true or not: boxes look like choices."""
    flags = frame.select_dtypes(bool).columns
    return frame.assign(**{name: frame[name].map({True: "yes", False: ""}) for name in flags})


def csv_of(frame: "pd.DataFrame", name: str, label: str = "CSV") -> None:
    """Draw the CSV download of a table."""
    csv_button(frame, name, f"tokens.csv_{name}", label, f"The {name} table, {len(frame):,} rows")
