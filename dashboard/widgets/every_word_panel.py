"""Every word of a prompt left out in turn: one press, and a row for what each of them does."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.messages import explained, plain
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.pictures import data_url, draw_picture, png
from dashboard.widgets.study_panel import study_panel

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model
    from sdlab.work import Work

SIDE = 128
LABEL = "Every word in turn"
PROMISE = (
    "Or the same without each word, one after the other, in one press: a row a word, that which "
    "changes the picture most on top."
)
HOW = (
    "Each word removed from the prompt, seed and noise the same. RMS of the latents, whose spread "
    "is near 1: of x0_pred over all evaluations, and of the end; of the pixels, 0 to 255. The runs "
    "share network calls, so each is the run alone within rounding."
)


@dataclass(frozen=True)
class ShownWords:
    """What each word does, as a page draws it.

    Attributes:
        table: Of ``sdlab.causes.every_word``, with ``without``, the picture as PNG in a data URL.
        plain: The picture with all words, PNG.
    """

    table: "pd.DataFrame"
    plain: bytes


def every_word_panel(page: str, spec: "Experiment") -> None:
    """Draw what each word of a run's prompt does, or how to start that or how far it is.

    Args:
        page: For the widget keys, unique on the page.
        spec: The run.
    """
    about = (spec.to_json(),)
    work = partial(_shown, spec=spec)
    found: ShownWords | None
    found = study_panel(f"{page}.every_word", LABEL, about, work, kind="secondary", runs=[spec])
    if found is None:
        st.caption(PROMISE)
        return
    with explained():
        _draw(page, found, spec.seed)


def _draw(page: str, found: ShownWords, seed: int) -> None:
    st.markdown(f"**{LABEL}, of one seed, {seed}:** {plain(which_matter(found.table))}", help=HOW)
    left, right = st.columns([1, 6], gap="medium")
    with left:
        draw_picture(found.plain, "The picture with all words", SIDE)
        st.caption("With all words")
    column = st.column_config
    shown = ["without", "word", "rms_x0_pred", "rms_latents", "rms_pixels"]
    known = found.table["score"].notna().any()
    with right:
        st.dataframe(
            found.table[shown + ["lost"] * bool(known)],
            hide_index=True,
            row_height=64,
            height=min(520, 40 + 64 * len(found.table)),
            column_config={
                "without": column.ImageColumn("Without it", width="small"),
                "word": column.TextColumn("Word"),
                "rms_x0_pred": column.NumberColumn("x0_pred changes", format="%.3f"),
                "rms_latents": column.NumberColumn("Latents change", format="%.3f"),
                "rms_pixels": column.NumberColumn("Picture changes (of 255)", format="%.1f"),
                "lost": column.TextColumn("Lost of the prompt"),
            },
            alt="What each word does",
        )
    table = found.table.drop(columns=["without"])
    csv_table(table, "every-word", f"{page}.csv_every_word", "What each word does.", shown=False)


def which_matter(table: "pd.DataFrame") -> str:
    """Return in a sentence which words matter most and which least.

    Args:
        table: Of ``sdlab.causes.every_word``, that which changes the picture most first.
    """
    first, last = table.iloc[0], table.iloc[-1]
    lost = f" and loses {first['lost']}" if first["lost"] else ""
    said = f"without “{first['word']}” the picture changes by {first['rms_pixels']:.0f}{lost}"
    if len(table) == 1:
        return f"{said}."
    rows = [row for row in table.iloc[1:].to_dict("records") if row["lost"]]
    others = "; ".join(f"without “{row['word']}”, {row['lost']}" for row in rows)
    also = f" Also lost: {others}." if others else ""
    least = f"without “{last['word']}” by {last['rms_pixels']:.0f}"
    return f"{said}, the most; {least}, the least (RMS of the pixels, 0 to 255).{also}"


def _shown(model: "Model", spec: "Experiment") -> "Work[ShownWords]":
    from sdlab.causes.every_word import every_word

    found = yield from every_word(model, spec)
    table = found.table()
    urls = {word: data_url(png(image, SIDE)) for word, image in found.pictures.items()}
    table.insert(0, "without", table["word"].map(urls))
    return ShownWords(table, png(found.runs.plain.image, SIDE))
