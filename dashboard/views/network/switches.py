"""Switches: a part of the network off or replaced, and what the picture becomes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.address import bound
from dashboard.views.network import every_block, seen
from dashboard.views.network.attention_change import attention_before_and_after
from dashboard.views.network.blocks import map_of
from dashboard.views.network.subject import Subject, choose_run
from dashboard.widgets.causes_panel import Variations, can_switch, causes_panel
from dashboard.widgets.figure import why
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.anatomy.network_map import NetworkMap
    from sdlab.causes.change import Change
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

ONE, EVERY = "One switch", "Every block in turn"
ALL = "all"
KINDS = {
    "Skip": "The skips into a block on the way up carry what the way down knew of fine detail.",
    "Cross-attention": "Here the places look at the words; off, the block is told nothing of them.",
    "Self-attention": "Here the places look at each other; off, each place is on its own.",
    "Activation": "Every SiLU of the block computed by another function, as it was never trained.",
    "Timestep": "The network is told that there is more, or less, noise than there is.",
    "Channels": "Some of the block's channels set to 0, in the skip made of them too.",
}
MEANS = {
    "Skip": "what differs is what came by the skip, around all that lies deeper.",
    "Cross-attention": "what differs is what the words told this block.",
    "Self-attention": "what differs is what this block held together across the picture.",
    "Activation": "the weights were trained for SiLU, and bear another function only if it is "
    "nearly that.",
    "Timestep": "the network takes away the noise that it is told of, not the noise that is there.",
    "Channels": "what differs is what these channels carried.",
}
LITTLE = 3.0
"""An RMS of the pixels, of 255, that the eye hardly sees."""
ACTIVATIONS = ("relu", "gelu", "mish", "tanh", "sigmoid", "identity")


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    left, right = st.columns([3, 9], gap="medium")
    with left:
        subject = choose_run(page, model)
    with right:
        if subject is None or not can_switch(subject.experiment, model.hash):
            return
        what = bound().segmented_control("What to switch", (ONE, EVERY), key=f"{page}.switching")
        if what == EVERY:
            every_block.show(page, subject, model)
            return
        mapped = map_of(f"{page}.switch", model)
        if mapped is None:
            return
        _one(page, subject, mapped)
    why(seen.WHY_SWITCHES)


def _one(page: str, subject: Subject, mapped: "NetworkMap") -> None:
    kind = bound().segmented_control("Part", list(KINDS), key=f"{page}.part")
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{page}_switch_form"):
        settings = _settings(page, kind, mapped)
        first, last = _range(page, len(subject.evaluations))
    st.caption(KINDS[kind])
    make = partial(_changes, kind, settings, first, last)
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
    attention_before_and_after(page, subject.experiment, about, make)


def _settings(page: str, kind: str, mapped: "NetworkMap") -> tuple[Any, ...]:
    """Draw what a kind of switch needs to know; return it."""
    if kind == "Timestep":
        by = bound().number_input("Shift", -900, 900, 100, 50, key=f"{page}.shift", width=130)
        return (int(by),)
    block = bound().selectbox(
        "Block", _blocks(kind, mapped), key=f"{page}.of_{kind.lower()}", width=190
    )
    if kind == "Activation":
        by = bound().selectbox("By", ACTIVATIONS, key=f"{page}.by", width=130)
        return block, by
    if kind == "Channels":
        text = bound().text_input("Channels", "0, 1, 2, 3", key=f"{page}.channels", width=180)
        return block, _numbers(text or "")
    factor = bound().number_input(
        "Factor", 0.0, 3.0, 0.0, 0.25, key=f"{page}.factor", width=120,
        help="0 switches it off, 1 leaves it as it is.",
    )  # fmt: skip
    return block, float(factor)


def _blocks(kind: str, mapped: "NetworkMap") -> list[str]:
    """Return the blocks that have something of a kind."""
    table = mapped.table
    if kind == "Skip":
        table = table[table["skip_from"] != ""]
    elif kind != "Activation" and kind != "Channels":
        word = kind.removesuffix("-attention").lower()
        table = table[table["attention"].str.contains(word)]
    else:
        table = table[table["stage"] != ""]
    parts = [block.split(".") for block in table["block"]]
    names = [part[0] if part[0] == "mid_block" else ".".join(part[:2]) for part in parts]
    found = list(dict.fromkeys(names))
    return found if kind == "Channels" else [ALL, *found]


def _range(page: str, count: int) -> tuple[int, int | None]:
    """Draw the range of evaluations in which the switch acts; return it."""
    end = count - 1
    first = int(bound().number_input("From evaluation", 0, end, 0, key=f"{page}.first", width=140))
    last = int(bound().number_input("To evaluation", 0, end, end, key=f"{page}.last", width=140))
    if last < first:
        raise ValueError(f"To evaluation must be at least From evaluation, got {first} to {last}.")
    return first, None if last == end else last


def _numbers(text: str) -> tuple[int, ...]:
    words = text.replace(",", " ").split()
    if not words or not all(word.isdigit() for word in words):
        raise ValueError(f"Channels must be whole numbers such as 0, 1, 2, got {text[:40]!r}.")
    return tuple(int(word) for word in words)


def _so_what(kind: str, table: "pd.DataFrame") -> str:
    """Return what follows from how far the changed pictures are from the plain one."""
    changed = table.iloc[1:]
    if changed["rms_pixels"].max() < LITTLE:
        return "The picture hardly changes, so it owes little to this part at these evaluations."
    lost = ", ".join(dict.fromkeys(text for text in changed["lost"] if text))
    seen = f"The picture loses “{lost}”" if lost else "All that the prompt says is still there"
    if not table["score"].notna().any():
        seen = "The picture changes"
    return f"{seen}: {MEANS[kind]}"


def _changes(
    kind: str,
    settings: tuple[Any, ...],
    first: int,
    last: int | None,
    model: "Model",
    spec: "Experiment",
) -> "Sequence[Change]":
    from sdlab.causes import change

    when: dict[str, Any] = {"first": first, "last": last}
    if kind == "Timestep":
        by = settings[0]
        return [change.timestep_shifted(one, **when) for one in dict.fromkeys((by, -by))]
    block, value = settings
    made: dict[str, Callable[[], Change]] = {
        "Skip": lambda: change.skip_off(block, value, **when),
        "Cross-attention": lambda: change.attention_off(block, "cross", value, **when),
        "Self-attention": lambda: change.attention_off(block, "self", value, **when),
        "Activation": lambda: change.activation(value, block, **when),
        "Channels": lambda: change.channels_off(block, value, **when),
    }
    return [made[kind]()]
