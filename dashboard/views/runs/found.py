"""The runs that are looked for: the search, what it finds, and what can be done with it."""

from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from dashboard.shell.address import bound, fill
from dashboard.shell.clock import first_moment
from dashboard.shell.messages import explained, plain
from dashboard.shell.navigation import link_to, page_path
from dashboard.shell.routes import runs_table_url
from dashboard.views.runs.any_columns import any_columns
from dashboard.views.runs.called import CALLED
from dashboard.views.runs.gallery import gallery
from dashboard.views.runs.more_tables import more_tables
from dashboard.views.runs.rows import Listed, digest, page_of
from dashboard.views.runs.table import counted, damaged, table
from dashboard.views.runs.whose import NONE_OF, chosen, whose
from sdlab.models.memory import readable
from sdlab.runs.index import RunIndex, Totals
from sdlab.runs.parts import kind_of, title
from sdlab.runs.search import ALL, ALONE, Search
from sdlab.sampler_names import titled

PAGE_SIZE = 50
FOLDED = "folded"
UNFILTERED: dict[str, Any] = {
    "runs.solver": [],
    "runs.model": [],
    "runs.tag": [],
    "runs.days": (),
    "runs.comparison": FOLDED,
    "runs.star": False,
}
"""The filters by their keys, with what each is where it takes nothing away."""
_LOOKS = ("Table", "Gallery", "Chart")
_EMPTY = "No run is stored yet. The Experiment page makes the first one."
_NONE = "No stored run has all that. Take away a word or a filter."


def found_runs(index: RunIndex) -> None:
    """Draw the search and what it finds."""
    if not index.totals(Search()).runs:
        damaged(index)
        if index.unread:
            return
        st.info(_EMPTY, icon=":material/grid_view:")
        st.page_link(page_path("experiment"), label="Experiment", icon=":material/science:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = bound().text_input(
            "Search", key="runs.text", icon=":material/search:", width=260,
            placeholder="prompt, tag, note, solver, id …",
        )  # fmt: skip
        active = _active()
        label = f"Filters ({active})" if active else "Filters"
        with st.popover(label, icon=":material/filter_list:", key="runs.filters"):
            filters = _filters(index)
        if active:
            st.button(
                "Clear", key="runs.clear", icon=":material/filter_list_off:", type="tertiary",
                help="Takes all filters away.", on_click=fill, args=(UNFILTERED,),
            )  # fmt: skip
        order = bound().selectbox(
            "Sort by", CALLED, key="runs.order", format_func=CALLED.get, width=170
        )
        up = bound().toggle("Least first", key="runs.up")
        look = bound().segmented_control("Show as", _LOOKS, key="runs.look")
        owner = whose()
    folded = filters["comparison"] == FOLDED
    filters["comparison"] = ALL if folded else filters["comparison"]
    with explained():
        search = Search(text=text, order=order, descending=not up, owner=owner, **filters)
    totals = counted(index, search) if look == "Table" else index.totals(search)
    _about(index, search, totals, folded and look != "Chart")
    damaged(index)
    if not totals.runs:
        st.info(_none(search), icon=":material/search_off:")
    elif look == "Chart":
        any_columns(index, search)
    else:
        rows = st.container()
        listed = Listed(search, folded, PAGE_SIZE)
        offset = _page(listed.row_count(index, totals.runs), search)
        with rows:
            (table if look == "Table" else gallery)(index, listed._replace(offset=offset))


def _none(search: Search) -> str:
    """Return why a search finds nothing, and what to do."""
    alone = Search(order=search.order, descending=search.descending, owner=search.owner)
    return NONE_OF.get(chosen(), _NONE) if search == alone else _NONE


def _active() -> int:
    """Return how many filters are on; before they are drawn first, the address says it."""
    told = {key: st.session_state.get(key, st.query_params.get(key)) for key in UNFILTERED}
    off = ("false", None, *UNFILTERED.values())
    return sum(value not in off for value in told.values())


def _filters(index: RunIndex) -> dict[str, Any]:
    """Draw the filters and return them by the names that a search has for them."""
    field = bound()
    chosen = {
        "solver": field.multiselect(
            "Sampler", index.values("solver"), key="runs.solver", format_func=titled
        ),
        "model": field.multiselect("Model", index.values("model"), key="runs.model"),
        "tag": field.multiselect("With all tags", index.values("tags"), key="runs.tag"),
    }
    found = {name: tuple(values) for name, values in chosen.items()}
    about = "Days of your browser's clock, as the times in the table are."
    since, until = _span(st.date_input("Made from … to", value=[], key="runs.days", help=about))
    names = {
        name: f"Only of {title(index.root, name)} ({name[:6]})"
        for name in index.values("comparison")
    }
    names = {FOLDED: "One row each", ALONE: "Leave out", ALL: "Show", **names}
    comparison = field.selectbox(
        "Parts of comparisons and sweeps", names, key="runs.comparison", format_func=names.get
    )
    star = field.toggle("Only with a star", key="runs.star")
    return found | {"since": since, "until": until, "comparison": comparison, "star": star}


def _span(days: Any) -> tuple[datetime | None, datetime | None]:
    """Return the moments from which and before which days of the browser's clock are."""
    first, last = (*days, None, None)[:2] if isinstance(days, tuple) else (days, days)
    since = None if first is None else first_moment(first)
    return since, None if last is None else first_moment(last + timedelta(days=1))


def _about(index: RunIndex, search: Search, totals: Totals, folded: bool) -> None:
    """Draw how many runs there are, how many are folded, and the downloads of the list."""
    said = (
        f"{totals.runs:,} run{'' if totals.runs == 1 else 's'}, {readable(totals.bytes)} on disk."
    )
    if folded or search.comparison == ALONE:
        said += _parts(*index.parts(search), folded)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(said), width="stretch")
        if search.comparison not in (ALL, ALONE):
            of = kind_of(index.root, search.comparison)
            link_to(page_of(search.comparison), f"The {of}", id=search.comparison)
        for kind, label in (("csv", "CSV"), ("parquet", "Parquet")):
            st.link_button(
                label, runs_table_url(search, kind), key=f"runs.all_{kind}", type="tertiary",
                icon=":material/download:", disabled=not totals.runs,
                help="A row for each run that is found, with all columns.",
            )  # fmt: skip
        if totals.runs:
            more_tables(search, "runs.tables")


def _parts(parts: int, of: int, folded: bool) -> str:
    """Return where so many found parts of so many comparisons are."""
    if not parts:
        return ""
    many = "1 comparison or sweep" if of == 1 else f"{of:,} comparisons or sweeps"
    if folded:
        return f" {parts:,} of them are parts of {many}, {'' if of == 1 else 'each '}one row."
    return f" {parts:,} more are parts of {many}; Filters shows them."


def _page(rows: int, search: Search) -> int:
    """Draw the choice of a page of rows, if there are several; return how many rows are before.

    Another search begins with its first page.
    """
    pages = -(-rows // PAGE_SIZE)
    if pages == 1:
        return 0
    chosen = st.number_input(
        f"Page of {pages:,}", 1, pages, key=f"runs.page.{digest(search, pages)}", width=150
    )  # fmt: skip
    return (int(chosen) - 1) * PAGE_SIZE
