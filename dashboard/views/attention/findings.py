"""What the maps show: courses over the steps, small multiples, overlaps, rankings."""

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard.charts import attention as charts
from dashboard.charts.base import MAX_ROWS, axes_of, with_time
from dashboard.charts.names import short_layers
from dashboard.shell.address import bound
from dashboard.shell.messages import explained
from dashboard.views.attention import seen
from dashboard.views.attention.causes import show_word_effect
from dashboard.views.attention.recording import PAGE
from dashboard.views.attention.subject import Subject
from dashboard.views.attention.viewer import Look, look_frames
from dashboard.widgets.downloads import csv_button
from dashboard.widgets.figure import figure, why
from dashboard.widgets.pictures import draw_picture, png
from sdlab.attention import analysis, pictures, views
from sdlab.attention.words import labelled

if TYPE_CHECKING:
    from sdlab.attention.maps import AttentionMaps

CHECK = "Does it act there?"
VIEWS = ("Over the steps", "Side by side", "Words against words", "Layers and heads", CHECK)
SHEET_MOST = 60
SHEET_SIDE = 96
MAXIMUM = (
    "This run kept the maximum over the heads: each share and mass below is the largest that any "
    "head gives, and those of all tokens do not add up to 1."
)


def csv_buttons(subject: Subject, **tables: pd.DataFrame) -> None:
    """Draw a CSV download for each table, by its name."""
    with st.container(horizontal=True):
        for name, frame in tables.items():
            csv_button(
                frame,
                f"{subject.name}-{name}",
                f"{PAGE}.csv.{name}",
                f"{name.replace('_', ' ').capitalize()} (CSV)",
                f"{len(frame):,} rows: {', '.join(frame.columns)}",
            )


def show_findings(subject: Subject, look: Look) -> None:
    """Draw the chosen view of what the maps show; only that one is computed."""
    st.header("What the maps tell", anchor=False)
    if not whole(subject):
        st.caption(MAXIMUM)
    chosen = bound().segmented_control(
        "View", VIEWS, key=f"{PAGE}.view", label_visibility="collapsed"
    )
    draw = {
        "Over the steps": _over_steps,
        "Side by side": _side_by_side,
        "Words against words": _overlap,
        "Layers and heads": _ranking,
        CHECK: show_word_effect,
    }[chosen]
    with explained():
        draw(subject, look)


def _over_steps(subject: Subject, look: Look) -> None:
    maps = subject.maps
    kinds, course = (placed(table(subject, look), subject) for table in (_kinds, _course))
    if len(maps) < 2:
        st.info("A single evaluation shows no change over the steps: choose a run.")
        figure(charts.kind_mass(kinds, "step", whole(subject)), seen.COURSES["kinds"])
        csv_buttons(subject, shares=kinds, words=course)
        return
    axis = bound().segmented_control("Against", axes_of(kinds), key=f"{PAGE}.axis")
    every_kind = kinds
    names = [label for label, _ in look.words]
    shown = course[course["word"].isin(names)]
    if shown.empty:
        shown = course
    every = -(-max(len(kinds), len(shown)) // MAX_ROWS)
    if every > 1:
        kinds, shown = (frame[frame["evaluation"] % every == 0] for frame in (kinds, shown))
        st.caption(f"One evaluation in {every} is drawn.")
    settled = analysis.decided(course)
    _settled(settled)
    left, right = st.columns(2)
    with left:
        figure(charts.kind_mass(kinds, axis, whole(subject)), seen.COURSES["kinds"])
        figure(charts.course(shown, axis, "likeness"), seen.COURSES["likeness"])
    with right:
        figure(charts.course(shown, axis, "mass"), seen.COURSES["mass"])
        figure(charts.course(shown, axis, "entropy"), seen.entropy(_cells(subject, look)))
    csv_buttons(subject, shares=every_kind, words=course, settled=settled)


def _cells(subject: Subject, look: Look) -> int:
    """Return how many places a word's map has."""
    frames, _ = look_frames(subject, look, look.words[0][1])
    return frames[0].size


def _settled(table: pd.DataFrame) -> None:
    """Draw from when on each word's map stays what it is, and what counts as that."""
    left, right = st.columns(2)
    left.dataframe(
        table,
        hide_index=True,
        height=min(250, 38 + 35 * len(table)),
        column_order=("word", "evaluation", "step", "sigma"),
        column_config={
            "evaluation": "settled at evaluation",
            "step": "step",
            "sigma": st.column_config.NumberColumn("sigma", format="%.4g"),
        },
        alt="When each word's map has settled",
    )
    with right:
        st.caption(
            "From when on each word's map stays what it is at the end.",
            help="Evaluations and steps count from 0.",
        )
        why(seen.WHY_COURSE, *seen.COURSE)


def _side_by_side(subject: Subject, look: Look) -> None:
    maps = subject.maps
    left, middle, right = st.columns([2, 2, 2], vertical_alignment="bottom")
    label = left.selectbox(
        "Word", [name for name, _ in look.words], key=f"{PAGE}.sheet_word.{look.half}"
    )
    options = {"evaluation": "evaluations", "layer": "layers", "head": "heads"}
    over = bound(middle).segmented_control(
        "One picture for each of the",
        list(options),
        format_func=options.get,
        default="evaluation",
        key=f"{PAGE}.sheet_over",
    )
    common = bound(right).toggle("One scale for all", True, key=f"{PAGE}.sheet_scale")
    if over == "head" and (maps.record.heads != "all" or len(maps.choose(look.layer)) > 1):
        need = "one layer above" if maps.record.heads == "all" else "a run with Heads: all"
        st.info(f"To see head by head, choose {need}.")
        return
    choice, without = _along(maps, look, over)
    names, heats = views.frames(maps, list(dict(look.words)[label]), over, **choice)
    every = -(-len(heats) // SHEET_MOST)
    heats, names = heats[::every], names[::every]
    sheet = pictures.sheet(subject.image(), list(heats), columns=10, side=SHEET_SIDE, common=common)
    draw_picture(
        png(sheet, side=max(sheet.size)),
        f"Maps of {label}, one for each of the {options[over]}",
        "content",
    )
    told = _told(over, names)
    left_to_right = f"Row by row, {options[over]}: " + ", ".join(told)
    left_to_right += f" (one in {every})." if every > 1 else "."
    if without:
        left_to_right += f" Left out, as they have no head {look.head}: {', '.join(without)}."
    st.caption(left_to_right)


def _along(maps: "AttentionMaps", look: Look, over: str) -> tuple[dict[str, Any], list[str]]:
    """Return what is drawn along an axis, and the layers that lack the head looked at."""
    if over == "evaluation":
        return look.every, []
    if over == "head":
        return {**look.choice, "head": None}, []
    names = [layer.name for layer in maps.cross_layers]
    if look.head is None or maps.record.heads != "all":
        return {**look.choice, "layer": names}, []
    have = [layer.name for layer in maps.cross_layers if layer.heads > look.head]
    short = dict(zip(names, short_layers(names), strict=True))
    return {**look.choice, "layer": have}, [short[name] for name in names if name not in have]


def _told(over: str, names: list[Any]) -> list[str]:
    """Return what the pictures of a sheet are called; evaluations from 0, as in the viewer."""
    if over == "layer":
        return short_layers(names)
    return [str(name) for name in names]


def _overlap(subject: Subject, look: Look) -> None:
    options = {"word": "words", "token": "tokens"}
    with st.container(horizontal=True):
        by = bound().segmented_control(
            "Of",
            list(options),
            format_func=options.get,
            default="word",
            key=f"{PAGE}.overlap_by",
            help="Whole words, or every recorded token: the pieces of words, start and end.",
        )
        value = bound().segmented_control(
            "Measure",
            ("correlation", "overlap"),
            key=f"{PAGE}.overlap",
        )
    also = _phrases(subject, look) if by == "word" else ()
    frame = analysis.overlap(subject.maps, by, also=also, **look.choice)
    names = list(dict.fromkeys(frame["word"]))
    if len(names) < 2:
        st.info("One word has nothing to overlap with.")
        return
    shown = names[: math.isqrt(MAX_ROWS)]
    drawn = frame[frame["word"].isin(shown) & frame["other"].isin(shown)]
    left, _ = st.columns([3, 1])
    with left:
        figure(charts.overlap(drawn, value), seen.OVERLAPS[value])
        if len(shown) < len(names):
            st.caption(f"The first {len(shown)} of {len(names)} are drawn; the CSV has all.")
        why(seen.WHY_OVERLAP, seen.OVERLAP)
        csv_buttons(subject, **{f"{by}_overlap": frame})


def _ranking(subject: Subject, look: Look) -> None:
    one, other = st.columns([2, 3], vertical_alignment="bottom")
    label = one.selectbox(
        "Word", [name for name, _ in look.words], key=f"{PAGE}.rank_word.{look.half}"
    )
    by = bound(other).segmented_control(
        "By",
        analysis.RANKS,
        default="focus",
        key=f"{PAGE}.rank_by",
        help="How sharp the map is, how much attention the word receives, or its largest share.",
    )
    choice = {**look.choice, "layer": None, "head": None}
    frame = analysis.ranking(subject.maps, list(dict(look.words)[label]), by, **choice)
    left, right = st.columns([3, 2], gap="large")
    with left:
        figure(charts.ranking(frame, by, faint=analysis.FAINT), seen.RANKED[by])
        why(seen.WHY_RANKING, seen.FOCUS)
        csv_buttons(subject, ranking=frame.assign(word=label))
    right.dataframe(
        frame,
        hide_index=True,
        height=min(420, 40 + 35 * len(frame)),
        column_order=("grid", "head", "focus", "mass", "entropy", "peak", "layer"),
        column_config={
            name: st.column_config.NumberColumn(format="%.4f")
            for name in ("mass", "entropy", "focus", "peak")
        },
        alt=f"Layers by the {by} of {label}",
    )
    right.caption("Every layer's figures for this word.")


def _kinds(subject: Subject, look: Look) -> pd.DataFrame:
    return _table(subject.key, "kinds", str(look.every), _maps=subject.maps, _choice=look.every)


def _course(subject: Subject, look: Look) -> pd.DataFrame:
    choice = {**look.every, "also": _phrases(subject, look)}
    return _table(subject.key, "course", str(choice), _maps=subject.maps, _choice=choice)


def _phrases(subject: Subject, look: Look) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return what is looked at beside the words of the prompt: several of them as one."""
    known = dict(labelled(subject.maps.tokens[look.half]))
    return tuple((label, places) for label, places in look.words if label not in known)


def whole(subject: Subject) -> bool:
    """Return whether the shares of a place add up to 1: not where heads were reduced to the max."""
    return subject.maps.record.heads != "max"


@st.cache_data(max_entries=64, show_spinner="Measuring the maps …")
def _table(
    key: str, what: str, choice: str, _maps: "AttentionMaps", _choice: dict[str, Any]
) -> pd.DataFrame:
    make = {"kinds": analysis.kind_mass, "course": analysis.word_course}[what]
    return make(_maps, **_choice)


def placed(frame: pd.DataFrame, subject: Subject) -> pd.DataFrame:
    """Return the table with the timestep of each evaluation, of flow matching also the time."""
    maps = subject.maps
    timesteps = dict(zip(maps.evaluations, maps.facts.timesteps, strict=True))
    frame = frame.assign(timestep=frame["evaluation"].map(timesteps))
    return with_time(frame) if subject.flow else frame
