"""The Attention page, put together."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.components.copy_link import copy_link
from dashboard.views.attention.given_subject import given_subject
from dashboard.views.attention.recording import PAGE
from dashboard.views.attention.run_subject import run_controls, shown_subject
from dashboard.views.attention.subject import (
    SOURCES,
    Subject,
    choose_subject,
)
from dashboard.widgets.figure import why
from sdlab.shipped import EMBEDDED, FLOW

if TYPE_CHECKING:
    from dashboard.views.attention.place import ClickedPlace
    from dashboard.views.attention.viewer import Look
    from sdlab.attention.maps import AttentionMaps

TAUGHT = (
    "The embedded model's cross-attention was trained to find its objects: a loss held each word's "
    "map to the word's true place. Maps of models trained without that are less sharp."
)
FOUND = (
    "The embedded transformer's attention was not trained to find its objects: no loss knew where "
    "they are. In its one attention a place looks at the words and at the whole picture, and most "
    "of it goes to the picture."
)
_HOW = {EMBEDDED: TAUGHT, FLOW: FOUND}

MAXIMUM = " The largest share of any head is shown: those of all tokens do not add up to 1."


def attention_page() -> None:
    """Draw the whole page."""
    left, right = st.columns([3, 7], gap="large")
    with left:
        of = choose_subject()
        if of == SOURCES[0]:
            with st.container(key=f"{PAGE}_form"):
                run_controls()
        else:
            subject = given_subject()
    with right:
        if of == SOURCES[0]:
            subject = shown_subject()
        look, clicked = _stage(subject) if subject else (None, None)
    if subject is None or look is None:
        return
    from dashboard.views.attention.files import show_files
    from dashboard.views.attention.findings import show_findings
    from dashboard.views.attention.place import show_place

    if clicked is not None:
        show_place(subject, clicked)
    show_findings(subject, look)
    show_files(subject, look)


def _stage(subject: Subject) -> "tuple[Look | None, ClickedPlace | None]":
    """Draw the viewer; return what is looked at, and what is at the place clicked last."""
    from dashboard.views.attention.place import say_place
    from dashboard.views.attention.viewer import look_controls, show_viewer

    look = look_controls(subject)
    if look is None:
        return None, None
    clicked = say_place(subject, look, show_viewer(subject, look))
    largest = MAXIMUM * (subject.maps.record.heads == "max")
    st.caption(f"Light: the place looks at the word.{largest}")
    if not subject.given:
        copy_link("", f"{PAGE}.copy_link")
    _say_why(subject)
    return look, clicked


def _say_why(subject: Subject) -> None:
    how = _HOW.get(subject.model, "")
    why(
        "Each map is the share a of a place's attention that goes to the word, after the softmax "
        f"over {_tokens(subject.maps)}. The lightest colour is the largest share of any step; the "
        "mean has its own scale. Maps are computed in float32; runs keep them in float16. "
        "Attention decides what a place is told of the words, not what it makes of it. " + how,
        r"a_{ij} = \mathrm{softmax}_j \left( \frac{q_i \cdot k_j}{\sqrt{d}} \right)",
    )


def _tokens(maps: "AttentionMaps") -> str:
    """Return what the softmax of a run's maps is over, in words."""
    tokens = maps.tokens["cond"]
    text = f"all {int((~tokens['cut']).sum())} tokens"
    if any(layer.joint for layer in maps.cross_layers):
        text += " of the text and all places of the picture"
    return text
