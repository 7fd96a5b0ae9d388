"""A clicked place: which words are read there and when, and where the place itself looks."""

from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from dashboard.charts import attention as charts
from dashboard.charts.base import MAX_ROWS
from dashboard.components.heat_viewer import HeatPlace
from dashboard.shell.address import fill
from dashboard.shell.messages import explained, plain
from dashboard.views.attention.causes import word_key, words_of
from dashboard.views.attention.findings import CHECK, csv_buttons, placed, whole
from dashboard.views.attention.recording import PAGE
from dashboard.views.attention.subject import Subject
from dashboard.views.attention.viewer import Look, mean_in_words
from dashboard.widgets.figure import figure
from dashboard.widgets.pictures import draw_picture, png
from sdlab.attention import pictures, places, views

DRAWN = 4
"""So many words are drawn over the evaluations: those with the largest share at any of them."""
SHARES = "The share of this place's attention by word."
START = "[start] is not a word: attention with nowhere to go rests there."
OVER = "The words with the largest shares here, at each evaluation."
NO_PROOF = "Attention is where a word is read from, not proof that it made this part."
HINT = (
    ":material/ads_click: Click in a map: the words ranked at that place, and where the place "
    "itself looks."
)


@dataclass(frozen=True)
class ClickedPlace:
    """A clicked place and what was found there.

    Attributes:
        place: Where.
        look: What is looked at, with the evaluations that the viewer shows.
        ranked: Of ``places.words_at``, over these.
        course: Of ``places.words_over``, over all that were kept.
    """

    place: HeatPlace
    look: Look
    ranked: pd.DataFrame
    course: pd.DataFrame


def say_place(subject: Subject, look: Look, place: HeatPlace | None) -> ClickedPlace | None:
    """Say in one sentence which word is read most at a clicked place, and when; return tables."""
    if place is None:
        st.caption(HINT)
        return None
    look = _looked_at(subject, look, place)
    with explained():
        ranked = places.words_at(subject.maps, *place.at, **look.choice)
        course = places.words_over(subject.maps, *place.at, **look.every)
        st.markdown(in_words(ranked, course))
        _lead_to_check(subject, look, ranked)
        return ClickedPlace(place, look, ranked, course)
    return None


def _lead_to_check(subject: Subject, look: Look, ranked: pd.DataFrame) -> None:
    """Say what attention is no proof of, and lead to the check with the word chosen."""
    word = str(ranked.loc[ranked["kind"] == "word", "word"].iloc[0])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(NO_PROOF, width="content")
        if look.half == "cond" and word in words_of(subject, look):
            st.button(
                f"Does {plain(word)} act there?",
                key=f"{PAGE}.check_word",
                type="tertiary",
                icon=":material/science:",
                help="Chooses it below: the picture is compared with and without it.",
                on_click=fill,
                args=({f"{PAGE}.view": CHECK, word_key(look): word},),
            )


def in_words(ranked: pd.DataFrame, course: pd.DataFrame) -> str:
    """Return the sentence about a place, as Markdown.

    Args:
        ranked: Of ``places.words_at``, over the evaluations that are looked at.
        course: Of ``places.words_over``, over all that were kept.
    """
    words = ranked[ranked["kind"] == "word"]
    named = [f"**{plain(word)}** ({share:.2f})" for word, share in words[["word", "share"]].values]
    said = [named[0], _when(course, words["word"].iloc[0])]
    if len(named) > 1:
        said.append(f"next {named[1]}")
    return f"Here: {', '.join(filter(None, said))}."


def _when(course: pd.DataFrame, word: str) -> str:
    """Return at which evaluations a word has more of a place's attention than any other word."""
    every = sorted(int(number) for number in course["evaluation"].unique())
    first = places.first_when(course, word)
    if len(every) < 2:
        return ""
    kept = "" if every == list(range(len(every))) else "kept "
    if not first:
        return f"at no single {kept}evaluation the first of the words"
    if len(first) == len(every):
        return f"the first of the words at every {kept}evaluation"
    start = every.index(first[0])
    if first == every[start:]:
        return f"the first of the words from {kept}evaluation {first[0]} on"
    which = f", {first[0]} to {first[-1]}" if len(first) > 1 else f", {first[0]}"
    return f"the first of the words at {len(first)} of the {len(every)} {kept}evaluations{which}"


def show_place(subject: Subject, clicked: ClickedPlace) -> None:
    """Draw which words a clicked place attends to, also over time, and where it itself looks."""
    place, look = clicked.place, clicked.look
    x, y = place.at
    where = f"{x:.0%} from the left, {y:.0%} from the top"
    st.markdown(f"**At {where}**, {mean_in_words(subject.maps, look.evaluations)}")
    left, middle, right = st.columns([4, 4, 2], gap="medium")
    with explained():
        with left:
            seen = START if "start" in set(clicked.ranked["kind"]) else SHARES
            figure(charts.words_at(clicked.ranked, whole(subject)), seen, alt=f"Words at {where}")
        with middle:
            _over_steps(subject, clicked.course)
        with right:
            _looks_at(subject, look, place)
        csv_buttons(
            subject,
            words_at_this_place=clicked.ranked.assign(x=x, y=y),
            words_here_over_the_steps=clicked.course.assign(x=x, y=y),
        )


def _looked_at(subject: Subject, look: Look, place: HeatPlace) -> Look:
    """Return the look with the evaluations that the viewer shows: one, or those of the mean."""
    if place.frame is None:
        return look
    return replace(look, evaluations=(subject.maps.evaluations[place.frame],))


def _over_steps(subject: Subject, course: pd.DataFrame) -> None:
    if len(subject.maps) < 2:
        return
    words = course[course["kind"] == "word"]
    largest = words.groupby("word", sort=False)["share"].max().nlargest(DRAWN)
    shown = words[words["word"].isin(largest.index)]
    every = -(-len(shown) // MAX_ROWS)
    shown = placed(shown[shown["evaluation"] % every == 0], subject)
    figure(charts.course(shown, "step", "share"), OVER)


def _looks_at(subject: Subject, look: Look, place: HeatPlace) -> None:
    maps = subject.maps
    if not maps.self_layers:
        st.caption("Self-attention was not recorded, so where the place looks is not known.")
        return
    heat = views.self_map(maps, *place.at, half=look.half, evaluation=look.evaluations)
    grids = ", ".join(dict.fromkeys(layer.size for layer in maps.self_layers))
    draw_picture(png(pictures.overlay(subject.image(), heat)), "Where this place looks", 260)
    st.caption(
        "Where this place looks: self-attention.",
        help=f"The mean of the recorded layers ({grids} cells).",
    )
