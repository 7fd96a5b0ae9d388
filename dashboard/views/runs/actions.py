"""What can be done with ticked runs: open, compare, mark, export, delete."""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from dashboard.report import MOST_RUNS
from dashboard.serving import serving
from dashboard.shell.address import keep
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained
from dashboard.shell.navigation import page_path
from dashboard.shell.visitor import visitor
from dashboard.views.runs.more_tables import more_tables
from dashboard.views.runs.rows import page_of
from dashboard.views.runs.ticked import changed, not_shown, ticked_comparison, ticked_runs, untick
from dashboard.views.runs.whose import is_shared
from dashboard.widgets.downloads import csv_button, parquet_button
from dashboard.widgets.report_button import report_button
from dashboard.widgets.run_ways import MOST_COMPARED
from sdlab.runs.index import RunIndex
from sdlab.runs.search import Search
from sdlab.runs.trash import RUN


def actions(index: RunIndex, rows: pd.DataFrame) -> None:
    """Draw what can be done with ticked runs; the same place is taken where none are.

    So what stands below stays where it is when a row is ticked. The buttons are on the left, since
    the table's own come over its upper right corner.

    Args:
        index: Of the runs.
        rows: The rows that are shown; runs that are ticked elsewhere are among the ticked too.
    """
    runs, elsewhere = ticked_runs(index, rows), not_shown(rows)
    ids = runs["run"].tolist()
    _files(runs, elsewhere)
    with st.container(
        horizontal=True, gap="xsmall", vertical_alignment="center", key="runs_actions"
    ):
        _open(ids)
        _compare(ids)
        _why(ids)
        _star(runs)
        _tags(runs)
        _share(runs)
        _report(ids)
        more_tables(Search(problem=None, run=tuple(ids)), "runs.ticked_tables", disabled=not ids)
        _delete(runs, elsewhere)


def _report(ids: Sequence[str]) -> None:
    of = [comparison] if (comparison := ticked_comparison()) else ids
    report_button("runs.report", *of, disabled=not 1 <= len(of) <= MOST_RUNS)


def _files(runs: pd.DataFrame, elsewhere: int) -> None:
    """Draw how many are ticked, and their downloads; without any buttons that do nothing."""
    none = runs.empty
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{len(runs):,} ticked" + f", {elsewhere:,} not shown here" * bool(elsewhere))
        st.button(
            "Untick all", key="runs.untick", icon=":material/deselect:", type="tertiary",
            disabled=none, on_click=untick,
        )  # fmt: skip
        said = "Tick rows or pictures to open, compare, mark, export or delete them."
        st.caption(said, width="stretch")
        if none:
            for label in ("CSV", "Parquet"):
                icon = ":material/download:"
                st.button(label, key=f"runs.no_{label.lower()}", icon=icon, disabled=True)
        else:
            listed = runs.drop(columns=["problem"])
            csv_button(listed, "runs", "runs.csv", about="The ticked runs. As CSV.")
            parquet_button(listed, "runs", "runs.csv_parquet", "The ticked runs. As Parquet.")


def _open(ids: Sequence[str]) -> None:
    comparison = ticked_comparison()
    pressed = st.button(
        "Open", key="runs.open", icon=":material/open_in_new:", type="tertiary",
        disabled=len(ids) != 1 and not comparison, help="The ticked run, comparison or sweep.",
    )  # fmt: skip
    if pressed:
        page, of = ("run", ids[0]) if not comparison else (page_of(comparison), comparison)
        st.switch_page(page_path(page), query_params={"id": of})


def _compare(ids: Sequence[str]) -> None:
    pressed = st.button(
        "Compare", key="runs.compare", icon=":material/compare:", type="tertiary",
        disabled=not 2 <= len(ids) <= MOST_COMPARED,
        help=f"Of 2 to {MOST_COMPARED} runs: what differs, pictures, charts.",
    )  # fmt: skip
    if pressed:
        keep("of", ",".join(ids))
        st.rerun()


def _why(ids: Sequence[str]) -> None:
    pressed = st.button(
        "Why different?", key="runs.why", icon=":material/difference:", type="tertiary",
        disabled=len(ids) != 2, help="Of two runs: what differs, what each difference costs.",
    )  # fmt: skip
    if pressed:
        fields = {"why.a": ids[0], "why.b": ids[1]}
        st.switch_page(page_path("why_different"), query_params=fields)


def _star(runs: pd.DataFrame) -> None:
    give = runs.empty or not runs["star"].fillna(False).all()
    pressed = st.button(
        "Star" if give else "Unstar", key="runs.give_star", icon=":material/star:",
        type="tertiary", disabled=runs.empty,
    )  # fmt: skip
    if pressed:
        _do(partial(lab().owned.mark, runs["run"], visitor().id, star=give))


def _tags(runs: pd.DataFrame) -> None:
    with (
        st.popover("Tags and note", icon=":material/label:", disabled=runs.empty),
        st.form("runs.marks", clear_on_submit=True, border=False),
    ):
        add = st.text_input("Tags to add", placeholder="good, for the paper")
        there = sorted({tag for tags in runs["tags"] for tag in tags.split(", ") if tag})
        remove = st.multiselect("Tags to take away", there)
        notes = set(runs["note"])
        same = notes.pop() if len(notes) == 1 else ""
        note = st.text_area("Note", same, help="Of several runs it replaces the note of each.")
        pressed = st.form_submit_button("Save", icon=":material/save:")
    if pressed:
        words = [word.strip() for word in add.split(",") if word.strip()]
        new = note if note != same else None
        changes = {"add": words, "remove": remove, "note": new}
        _do(partial(lab().owned.mark, runs["run"], visitor().id, **changes))


def _share(runs: pd.DataFrame) -> None:
    """Draw the button that lets everybody mark runs; none where nobody signs in."""
    if not serving().login:
        return
    give = runs.empty or not runs["owner"].map(is_shared).all()
    pressed = st.button(
        "Share" if give else "Unshare", key="runs.share", icon=":material/group_add:",
        type="tertiary", disabled=runs.empty,
        help="Everybody sees all runs; those that are shared everybody may star and tag, too.",
    )  # fmt: skip
    if pressed:
        _do(partial(lab().owned.share, runs["run"], visitor().id, give))


def _delete(runs: pd.DataFrame, elsewhere: int) -> None:
    with st.popover("Delete", icon=":material/delete:", disabled=runs.empty):
        count = len(runs)
        many = "run" if count == 1 else "runs"
        st.text(f"Move {count} {many} to the trash? From there they can be put back.")
        if elsewhere:
            st.text(f"{elsewhere:,} of them are not shown here.")
        parts = int((runs["comparison"] != "").sum())
        if parts:
            whole = "comparisons or sweeps"
            st.text(f"{parts} of them are parts of {whole}, which will lack their pictures.")
        pressed = st.button("Move to the trash", key="runs.delete", type="primary")
    if pressed:
        _do(partial(_delete_all, runs["run"]))


def _delete_all(runs: "pd.Series[str]") -> None:
    things, who = lab().owned, visitor().id
    for run in runs:
        things.check(RUN, run, who)  # all or none
    gone = sum(things.delete(RUN, run, who) for run in runs)
    said = f"{gone} in the trash."
    if kept := len(runs) - gone:
        said += f" {kept} yours no longer; other owners keep them."
    st.toast(said, icon=":material/delete:")


def _do(change: Callable[[], None]) -> None:
    with explained():
        change()
    changed()
