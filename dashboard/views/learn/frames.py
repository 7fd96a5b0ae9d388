"""Frames of the run on a station, drawn as soon as the server has them."""

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.views.learn.lesson import Lesson
from dashboard.widgets.pictures import draw_picture
from dashboard.widgets.run_film import MEANINGS
from dashboard.widgets.run_frame import frame_png
from dashboard.widgets.ticking_panel import ticking_panel


def frame_row(lesson: Lesson, frames: list[tuple[str, int]]) -> None:
    """Draw frames side by side, each with what it is.

    Args:
        lesson: The run.
        frames: Of each the tensor's name and the place among the kept evaluations.
    """
    run = lesson.stored
    if lab().frames.sheet(run.id) is None:
        lab().frames.want(run.id)
        if lab().frames.busy_with(run.id):
            ticking_panel(lambda: _wait(run.id))
        else:
            st.caption("The frames of this run cannot be drawn.")
        return
    sheet = lab().frames.sheet(run.id)
    assert sheet is not None
    version = f"{run.manifest['created']} {sheet.how}"
    for column, (name, place) in zip(st.columns(len(frames)), frames, strict=True):
        if name not in sheet.names or place >= len(sheet.kept):
            continue
        evaluation = sheet.kept[place]
        with column:
            draw_picture(
                frame_png(run.id, version, name, place, sheet),
                f"{name} at evaluation {evaluation}",
            )
            st.caption(f"{MEANINGS[name]}; evaluation {evaluation}")


def _wait(run: str) -> bool:
    if lab().frames.sheet(run) is not None or not lab().frames.busy_with(run):
        return False
    st.caption(":material/hourglass_top: Drawing the frames …")
    return True
