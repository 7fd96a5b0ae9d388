"""Switches: a part of the network off or replaced, and what the picture becomes."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.views.network import every_block, seen
from dashboard.views.network.attention_change import attention_before_and_after
from dashboard.views.network.blocks import map_of
from dashboard.views.network.subject import Subject, choose_run
from dashboard.views.network.switch_kinds import (
    CUTS,
    KINDS,
    OF_RUN,
    block_words,
    changes_of,
    kinds_of,
    settings_of,
)
from dashboard.widgets.causes_panel import Variations, can_switch, causes_panel
from dashboard.widgets.figure import why
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.anatomy.network_map import NetworkMap

ONE, EVERY = "One switch", "Every block in turn"
LITTLE = 3.0
"""An RMS of the pixels, of 255, that the eye hardly sees."""


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    left, right = st.columns([3, 9], gap="medium")
    with left:
        subject = choose_run(page, model)
    with right:
        if subject is None or not can_switch(subject.experiment, model.hash, plain_only=False):
            return
        what = bound().segmented_control("What to switch", (ONE, EVERY), key=f"{page}.switching")
        mapped = map_of(f"{page}.switch", model)
        if mapped is None:
            return
        if what == EVERY:
            every_block.show(page, subject, mapped)
            return
        _one(page, subject, mapped)
    why(seen.WHY_SWITCHES)


def _one(page: str, subject: Subject, mapped: "NetworkMap") -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{page}_switch_form"):
        kind = bound().selectbox("Part", kinds_of(mapped), key=f"{page}.part", width=160)
        settings = settings_of(page, kind, mapped, subject.experiment)
        whole = kind in OF_RUN
        first, last = (0, None) if whole else _range(page, len(subject.evaluations))
    st.caption(KINDS[kind].says)
    make = partial(changes_of, kind, settings, block_words(kind, settings, mapped), first, last)
    about = (kind, settings, first, last)
    asked = Variations(
        subject.experiment,
        about,
        make,
        promise="The run as it is beside the same with the switch, from the same noise: picture, "
        "x0_pred, and how far they are apart.",
        so_what=partial(_so_what, kind),
    )
    causes_panel(page, "Switch and draw", asked)
    readable = mapped.table["attention"].any()
    if readable and kind not in OF_RUN and not set(settings) & set(CUTS):
        attention_before_and_after(page, subject.experiment, about, make)


def _range(page: str, count: int) -> tuple[int, int | None]:
    """Draw the range of evaluations in which the switch acts; return it."""
    end = count - 1
    first = int(bound().number_input("From evaluation", 0, end, 0, key=f"{page}.first", width=140))
    last = int(bound().number_input("To evaluation", 0, end, end, key=f"{page}.last", width=140))
    if last < first:
        raise ValueError(f"To evaluation must be at least From evaluation, got {first} to {last}.")
    return first, None if last == end else last


def _so_what(kind: str, table: "pd.DataFrame") -> str:
    """Return what follows from how far the changed pictures are from the plain one."""
    changed = table.iloc[1:]
    if changed["rms_pixels"].max() < LITTLE:
        return "The picture hardly changes, so it owes little to this part at these evaluations."
    lost = ", ".join(dict.fromkeys(text for text in changed["lost"] if text))
    seen = f"The picture loses “{lost}”" if lost else "All that the prompt says is still there"
    if not table["score"].notna().any():
        seen = "The picture changes"
    return f"{seen}: {KINDS[kind].means}"
