"""The list of models: a row each, with what it takes and a button that loads it."""

import functools
import hashlib
import time
from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.components.browser_files import style
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.shell.model_asker import may_have_any
from dashboard.shell.model_choice import ask_for, in_words
from dashboard.shell.presses import Press, press_of
from dashboard.views.models.needs import Needs, free_bytes, needs
from dashboard.views.models.rows import Row, known_rows, offered_rows
from dashboard.worker.snapshots import LabView, ModelRequest
from sdlab.models.found import Listing, in_cache
from sdlab.models.memory import readable

SHOWN = 6
CACHE_SECONDS = 20  # for which the cache is taken to be as it was
_COMMIT = 7
ONLY_SHIPPED = (
    "This server offers the models that come with sdlab. Whoever runs it can offer others: "
    "docs/serving.md says how."
)


def model_list() -> None:
    """Draw what was loaded before and what the Hugging Face cache holds, as one list."""
    from huggingface_hub import constants

    st.header("On this machine", anchor=False)
    cache = _cache(str(constants.HF_HUB_CACHE))
    rows = functools.cache(lambda past: known_rows(past, cache))  # asks the disk
    draw_rows("known", lambda: rows(lab().models.loaded_before()), _empty(cache))
    show_problems(cache.problems)


def offered_list() -> None:
    """Draw the models that the operator of this server offers to everybody."""
    offered = lab().models.offered()
    if not (offered or may_have_any()):
        st.caption(ONLY_SHIPPED)
    if offered:
        st.header("Offered by this server", anchor=False)
        rows = offered_rows(offered, lab().models.loaded_before(), told=may_have_any())
        draw_rows("offered", lambda: rows, "")


def show_problems(problems: Sequence[str]) -> None:
    """Draw what could not be read, folded."""
    if problems:
        one = "One entry" if len(problems) == 1 else f"{len(problems)} entries"
        with st.expander(f"{one} could not be read", icon=":material/warning:"):
            for problem in problems[:20]:
                st.text(problem)


@st.fragment(run_every=2)
def draw_rows(place: str, make: Callable[[], list[Row]], empty: str) -> None:
    """Draw rows and keep them up to date.

    Args:
        place: Of the list, for the keys of its widgets.
        make: Returns the rows.
        empty: What to say if there are none.
    """
    rows = make()
    if not rows:
        st.caption(empty)
        return
    view = lab().status()
    free = free_bytes(view)
    chosen = _chosen(place, rows)
    st.html(style(__file__))
    with st.container(border=True, gap="small", key=f"models_{place}"):
        for row in chosen:
            _draw(place, row, view, free)
        if not chosen:
            st.caption(f"None of {len(rows)} is called so.")


def _chosen(place: str, rows: list[Row]) -> list[Row]:
    """Draw the search, where the list is long, and return the rows to show."""
    if len(rows) <= SHOWN:
        return rows
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = bound().text_input(
            "Search", key=f"models.{place}_search", icon=":material/search:", width=320
        )
        every = bound().toggle(f"All {len(rows)}", key=f"models.{place}_all")
    wanted = (words or "").casefold().split()
    found = [row for row in rows if all(word in row.words for word in wanted)]
    return found if every else found[:SHOWN]


def _draw(place: str, row: Row, view: LabView, free: int) -> None:
    name = row.request.source
    told = needs(row.request, row.configs if row.loadable else None, view, free)
    mark = hashlib.sha256(repr((place, name, row.request.revision)).encode()).hexdigest()[:12]
    with st.container(horizontal=True, vertical_alignment="center", key=f"models_row_{mark}"):
        with st.container(width="stretch", gap=None):
            st.markdown(f"**{plain(name)}**")
            st.caption(plain(" · ".join(filter(None, _facts(row, told)))))
            if row.note:
                st.caption(f":material/info: {plain(row.note)}")
        _action(f"models.load_{mark}", row, told, view)


def _facts(row: Row, told: Needs) -> list[str]:
    revision = row.request.revision or ("main" if row.commit else "")
    commit = row.commit[:_COMMIT] if not (revision or "").startswith(row.commit[:_COMMIT]) else ""
    revision = revision[:40] if len(revision) < 40 else revision[:_COMMIT]
    return [
        row.kind,
        " ".join(filter(None, (revision, commit))),
        f"{readable(row.disk_bytes)} on disk" if row.disk_bytes else "",
        told.text if row.loadable else "",
        f"{_happened(row)} {_ago(row.used)}" if row.used else "",
    ]


def _action(key: str, row: Row, told: Needs, view: LabView) -> None:
    """Draw the button that loads a model, or why there is none."""
    name = row.request.source
    held = _in_memory(row.request, view)
    if held:
        st.badge("In memory", icon=":material/memory:", color="green")
    if held and view.model is not None and view.model.name == name:
        return
    if not held and view.loading == name:
        st.badge("Loading", icon=":material/hourglass_top:", color="blue")
    elif row.loadable:
        press = press_of(key)
        st.button(
            f"Work with {in_words(name)}" if held else f"Load {in_words(name)}",
            key=key,
            icon=":material/deployed_code:" if held else ":material/download:",
            disabled=told.fits is False and not held,
            on_click=press.note,
        )
        if press.wanted(held or told.fits is not False):
            load(row.request if held else told.request, press)
            st.rerun()


def load(request: ModelRequest, press: Press) -> None:
    """Ask the worker for a model; what speaks against it is told here or by the panel above.

    Args:
        request: How to load it.
        press: Of the button that asks for it.
    """
    with explained(), st.spinner("Looking for it …"):
        waits = press.begin(lambda: ask_for(request))
    press.end()
    if waits:
        st.toast(f"{in_words(request.source)} is next.", icon=":material/hourglass_top:")


def _in_memory(request: ModelRequest, view: LabView) -> bool:
    if not any(held.name == request.source for held in view.held):
        return False
    past = (one.request for one in lab().models.loaded_before())
    own = next((one for one in past if one.source == request.source), request)
    return own.revision == request.revision


def _happened(row: Row) -> str:
    """Return what happened to a model when it was last used."""
    return "loaded" if row.loaded else "used" if row.commit else "written"


def _ago(then: float) -> str:
    """Return how long ago something was, in the largest unit that fits."""
    minutes = max(0.0, time.time() - then) / 60
    for unit, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        count = int(minutes / size)
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def _empty(cache: Listing) -> str:
    return plain(
        f"Nothing yet: models that you load are listed here, and those in the Hugging Face cache,"
        f" {cache.place}, which holds none."
    )


@st.cache_data(ttl=CACHE_SECONDS, show_spinner=False)
def _cache(place: str) -> Listing:
    from pathlib import Path

    return in_cache(Path(place))
