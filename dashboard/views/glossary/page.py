"""The Glossary: one word at length, and below it all words by what they belong to."""

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.glossary import by_name
from dashboard.shell.navigation import entries, link_to
from dashboard.shell.terms import TERMS, Term
from dashboard.widgets.downloads import csv_button

FIRST = "sigma"


def glossary_page() -> None:
    """Draw the page below its title; ``term=`` in the address names the word."""
    terms = by_name()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = bound().selectbox(
            "Word",
            list(terms),
            list(terms).index(FIRST),
            key="term",
            width=320,
        )
        _csv()
    term = terms[chosen]
    with st.container(border=True, key="glossary_term", gap="small"):
        _at_length(term)
    groups = list(dict.fromkeys(each.group for each in TERMS))
    tabs = st.tabs(groups, default=term.group)
    for group, tab in zip(groups, tabs, strict=True):
        with tab, st.grid(2, min_column_width=320, gap="medium"):
            for each in TERMS:
                if each.group == group:
                    st.markdown(_in_short(each))


def _at_length(term: Term) -> None:
    st.header(term.name, anchor=False)
    if term.symbol:
        st.latex(term.symbol)
    st.markdown(_plain(term.meaning))
    pages = [name for name in term.pages if name in entries()]
    if pages:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Seen on", width="content")
            for name in pages:
                link_to(name)


def _in_short(term: Term) -> str:
    symbol = f" $\\;{term.symbol}$" if term.symbol else ""
    return f"**{_plain(term.name)}**{symbol}  \n{_plain(term.meaning)}"


def _plain(text: str) -> str:
    return text.replace("_", r"\_").replace("~", r"\~").replace("$", r"\$").replace("*", r"\*")


def _csv() -> None:
    import pandas as pd

    rows = [
        (term.name, term.group, term.symbol, term.meaning, " ".join(term.pages)) for term in TERMS
    ]
    table = pd.DataFrame(rows, columns=["word", "group", "symbol", "meaning", "pages"])
    csv_button(table, "glossary", "glossary.csv", about=f"All {len(table)} words")
