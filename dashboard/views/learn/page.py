"""The page Learn: one station at a time, with the numbers of a run of yours."""

from functools import partial

import streamlit as st

from dashboard.shell.address import bound, fill, given
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, opening
from dashboard.shell.navigation import link_to
from dashboard.shell.state import show_run, shown_run
from dashboard.views.learn.lesson import Lesson
from dashboard.views.learn.network import GUIDANCE, NETWORK, SOLVER
from dashboard.views.learn.noise import NOISE, SCHEDULE, TRAINING
from dashboard.views.learn.pictures import LATENTS, VAE, VARIANTS
from dashboard.views.learn.station import Station, code_of
from dashboard.views.learn.words import ATTENTION, ENCODER, TOKENS
from dashboard.widgets.first_picture import CHOSEN, first_picture
from dashboard.widgets.run_facts import facts_line
from dashboard.widgets.run_stage import ask_run, stored_or_progress
from dashboard.widgets.source_picture import latest_runs, run_gallery
from dashboard.worker.stored_runs import StoredRun
from sdlab.shipped import EMBEDDED

STATIONS = {
    station.title: station
    for station in (
        TOKENS, ENCODER, NOISE, SCHEDULE, NETWORK, ATTENTION, GUIDANCE, SOLVER, LATENTS, VAE,
        TRAINING, VARIANTS,
    )
}  # fmt: skip
_TOO_LITTLE = (
    "This run kept too little to learn from: x_t and x0_pred at its evaluations are needed, as "
    "every run keeps them unless it is told otherwise."
)


def learn_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    title = bound().segmented_control("Station", list(STATIONS), key=f"{page}.station")
    titles = list(STATIONS)
    place = titles.index(title)
    seen = st.session_state.setdefault(f"{page}.seen", set())
    seen.add(title)
    _steps(page, titles, place, len(seen))
    with opening():
        run = _run(page)
    if not run:
        _nothing(page)
        return
    found = stored_or_progress(run, page)
    if found is not None:
        with explained():
            _lesson(found, STATIONS[title], place + 1)


def _steps(page: str, titles: list[str], place: int, seen: int) -> None:
    """Draw the way to the stations before and after, and how far this session has come."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, to, icon in (
            ("Previous", place - 1, "arrow_back"),
            ("Next", place + 1, "arrow_forward"),
        ):
            there = 0 <= to < len(titles)
            st.button(
                label,
                key=f"{page}.{label.lower()}",
                icon=f":material/{icon}:",
                disabled=not there,
                on_click=fill,
                args=({f"{page}.station": titles[to] if there else ""},),
            )
        others = st.popover(
            "Another run", icon=":material/grid_view:", key=f"{page}.others", on_change="rerun"
        )
        if others.open:
            with others:
                run_gallery(latest_runs(), f"{page}.take", partial(show_run, page))
                link_to("experiment", "Make one")
        st.caption(f"Station {place + 1} of {len(titles)} · {seen} seen", width="stretch")


def _run(page: str) -> str:
    """Return the run to learn from: that of the address, the session's last, or the newest."""
    default = f"{page}.default"
    run = given("run") or st.session_state.get(f"{page}.run", "")
    if run and run != st.session_state.get(default):
        return shown_run(page)
    latest = latest_runs()
    run = latest[0][0] if latest else run
    if not run and lab().status().at_hand == EMBEDDED:
        run = ask_run(first_picture(*CHOSEN))
    if run:
        show_run(page, run)
    st.session_state[default] = run
    return run


def _nothing(page: str) -> None:
    st.info("Make a picture first: every number here is one of its.", icon=":material/science:")
    link_to("experiment", "Make one")


def _lesson(run: StoredRun, station: Station, number: int) -> None:
    """Draw a station."""
    lesson = Lesson.of(run)
    facts_line(run.manifest["experiment"], run.manifest.get("nfe"))
    if lesson is None:
        st.info(_TOO_LITTLE, icon=":material/inventory_2:")
        link_to("experiment", "Make one that keeps them")
        return
    st.header(f"{number}. {station.question}", anchor=False)
    left, right = st.columns([5, 6], gap="large")
    with left:
        st.markdown(station.answer)
        equations, told = station.equations(lesson)
        for equation in equations:
            st.latex(equation)
        if told:
            st.markdown(told)
        way = station.way(lesson)
        with st.container(border=True, gap="xsmall", key="learn_try"):
            st.markdown(f"**Try it.** {way.words}")
            link_to(way.page, way.label, **way.fields)
    with right:
        station.draw(lesson)
    st.subheader("The code", anchor=False)
    for name in station.code:
        code = code_of(name)
        st.caption(code.where)
        st.code(code.text, language="python", wrap_lines=True)
