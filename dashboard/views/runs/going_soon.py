"""What this server keeps, and which runs go to the trash within a week."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard.serving import serving
from dashboard.shell.clock import time_column
from dashboard.shell.lab import tidying
from dashboard.shell.messages import plain, without_places
from dashboard.widgets.downloads import csv_button
from sdlab.models.memory import GIB, readable
from sdlab.runs.index import RunIndex
from sdlab.runs.retention import Going, Retention, soon
from sdlab.runs.search import Search

AHEAD = timedelta(days=7)
SHOWN = 500


def going_soon(index: RunIndex) -> None:
    """Draw the operator's rules and, folded away, what goes by them; nothing without rules."""
    rules = serving().retention
    if not rules.set:
        return
    st.caption(plain(in_words(rules)))
    if tidying().problem:
        st.warning(
            plain(without_places(f"It was not tidied: {tidying().problem}")),
            icon=":material/warning:",
        )
    if index.unread:
        return
    found = soon(index, rules, AHEAD)
    if found.doubt:
        st.caption(found.doubt)
    if found.runs:
        size = readable(sum(run.bytes for run in found.runs))
        label = f"{len(found.runs):,} runs, {size}, go to the trash within a week"
        with st.expander(label, icon=":material/auto_delete:"):
            _list(index, found.runs)


def in_words(rules: Retention) -> str:
    """Return what is kept, in a sentence or two."""
    told = []
    if rules.days is not None:
        told.append(f"for {rules.days:g} days")
    if rules.gib is not None:
        told.append(f"as long as all take at most {readable(rules.gib * GIB)}")
    if rules.gib_each is not None:
        told.append(f"as long as those of one person take at most {readable(rules.gib_each * GIB)}")
    said = ""
    if told:
        said = f"Runs are kept {', '.join(told)}, then go to the trash;"
        said += " with a star or a tag they stay."
    if rules.trash_days is not None:
        said += f" The trash keeps what it gets for {rules.trash_days:g} days."
    return said.strip()


def _list(index: RunIndex, runs: list[Going]) -> None:
    shown = pd.DataFrame(runs[:SHOWN])
    settings = index.find(Search(run=tuple(shown["run"]))).set_index("run")
    for name in ("prompt", "solver"):
        shown[name] = shown["run"].map(settings[name])
    st.text("Give those a star or a tag that are to stay.")
    frame = shown[["prompt", "solver", "created", "why", "run"]]
    st.dataframe(
        frame,
        key="runs.soon",
        hide_index=True,
        column_config={
            "prompt": st.column_config.TextColumn("Prompt", width="large"),
            "solver": st.column_config.TextColumn("Sampler"),
            "created": time_column("Made"),
            "why": st.column_config.TextColumn("Why it goes"),
            "run": st.column_config.TextColumn("Id"),
        },
        alt="Runs that go to the trash within a week, the oldest first",
    )
    csv_button(frame, "going", "runs.soon_csv", about="These runs. As CSV.")
