"""The downloads of the Attention page: tables, maps, pictures."""

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.routes import zip_url
from dashboard.views.attention.recording import PAGE
from dashboard.views.attention.subject import Subject
from dashboard.views.attention.viewer import Look, look_frames
from dashboard.widgets.downloads import file_button
from sdlab.attention import pictures
from sdlab.attention.summary import AREA_THRESHOLD
from sdlab.runs.png import png_bytes

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.attention.maps import AttentionMaps

LARGEST = 64 * 2**20
"""Bytes of maps that are offered as a file at once; more are in the run's zip."""


def show_files(subject: Subject, look: Look) -> None:
    """Draw the table of all maps and what can be downloaded."""
    st.header("Table and files", anchor=False)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    threshold = bound(right).slider(
        "Area above",
        0.0,
        0.95,
        AREA_THRESHOLD,
        0.05,
        key=f"{PAGE}.area",
        help="The column `area` is the share of places above this threshold: 0 is a map's "
        "smallest value, 1 its largest.",
    )
    table = _summaries(subject.key, threshold, _maps=subject.maps)
    with left:
        st.caption(
            f"One row an evaluation, layer, head and token: {len(table):,} rows.",
            help="Here and in the files, evaluations and steps count from 0.",
        )
        _csv(table, subject, threshold)
    st.dataframe(
        table.drop(columns="run", errors="ignore"),
        hide_index=True,
        height=330,
        placeholder="",
        alt="Table of attention",
    )
    _pictures(subject, look)
    _maps(subject, look)


def _csv(table: "pd.DataFrame", subject: Subject, threshold: float) -> None:
    data = _csv_bytes(subject.key, threshold, _table=table)
    file_button("CSV", data, f"{subject.name}-attention.csv", f"{PAGE}.csv")


def _pictures(subject: Subject, look: Look) -> None:
    left, right = st.columns(2)
    opacity = bound(left).slider("Opacity of overlays", 0.0, 1.0, 0.7, 0.05, key=f"{PAGE}.opacity")
    threshold = bound(right).slider(
        "Threshold of masks and overlays",
        0.0,
        0.95,
        0.5,
        0.05,
        key=f"{PAGE}.threshold",
        help="As a share of the map's largest value.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for number, (label, places) in enumerate(look.words):
            how = (str(look), label, opacity, threshold)
            made = _drawn(subject.key, *how, _subject=subject, _look=look, _places=places)
            for kind, data in zip(("overlay", "mask"), made, strict=True):
                name = f"{subject.name}-{_file(label)}-{kind}.png"
                file_button(f"{label}: {kind}", data, name, f"{PAGE}.png.{number}.{kind}", "image")


@st.cache_data(max_entries=64, show_spinner=False)
def _drawn(
    key: str,
    look: str,
    label: str,
    opacity: float,
    threshold: float,
    _subject: Subject,
    _look: Look,
    _places: tuple[int, ...],
) -> tuple[bytes, bytes]:
    """Return a word's overlay and mask as PNG."""
    _, mean = look_frames(_subject, _look, _places)
    image = _subject.image()
    over = pictures.overlay(image, mean, opacity=opacity, threshold=threshold)
    return png_bytes(over), png_bytes(pictures.mask(mean, image.size, threshold))


def _maps(subject: Subject, look: Look) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        buffer = io.BytesIO()
        arrays: dict[str, Any] = _arrays(subject, look)
        np.savez_compressed(buffer, **arrays)
        file_button(
            "Maps of these words (npz)",
            buffer.getvalue(),
            f"{subject.name}-words.npz",
            f"{PAGE}.npz",
            about="maps: float32 [words, evaluations, h, w], as drawn above; words, evaluations "
            "and sigmas name the axes.",
        )
        size = sum(t.numel() * t.element_size() for t in subject.maps.tensors.values())
        if size <= LARGEST:
            file_button(
                "All maps (safetensors)",
                _safetensors(subject.key, _maps=subject.maps),
                f"{subject.name}-attention.safetensors",
                f"{PAGE}.safetensors",
                about="Every recorded layer, [evaluations, heads, tokens, h, w], and what they are "
                "of; sdlab.runs.attention.open_attention opens it.",
            )
        if subject.folder is not None:
            st.link_button(
                "The whole run (zip)",
                zip_url(subject.name),
                key=f"{PAGE}.zip",
                icon=":material/folder_zip:",
            )


def _arrays(subject: Subject, look: Look) -> "dict[str, np.ndarray]":
    """Return what the npz holds: the maps of all words, and the names of their axes."""
    return {
        "words": np.array([label for label, _ in look.words]),
        "evaluations": np.array(subject.maps.evaluations),
        "sigmas": np.array(subject.maps.facts.sigmas),
        "maps": np.stack([look_frames(subject, look, places)[0] for _, places in look.words]),
    }


def _file(label: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in label).split()) or "word"


@st.cache_data(max_entries=8, show_spinner="Summing up every map …")
def _summaries(key: str, threshold: float, _maps: "AttentionMaps") -> "pd.DataFrame":
    return _maps.summary(threshold)


@st.cache_data(max_entries=8, show_spinner=False)
def _csv_bytes(key: str, threshold: float, _table: "pd.DataFrame") -> bytes:
    from sdlab.runs.export import csv_bytes

    return csv_bytes(_table)


@st.cache_data(max_entries=2, show_spinner=False)
def _safetensors(key: str, _maps: "AttentionMaps") -> bytes:
    from sdlab.runs.attention import attention_bytes

    return attention_bytes(_maps)
