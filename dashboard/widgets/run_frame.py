"""One frame of a run's sheet as a picture by itself."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.widgets.pictures import png

if TYPE_CHECKING:
    from dashboard.worker.frames import Sheet


@st.cache_data(max_entries=96, show_spinner=False)
def frame_png(run: str, version: str, name: str, index: int, _sheet: "Sheet") -> bytes:
    """Return a frame as a PNG.

    Args:
        run: The run's id.
        version: Changes when the sheet does, for the cache.
        name: Of the sheet's rows.
        index: Place among the kept evaluations.
        _sheet: The frames.
    """
    return png(_sheet.pictures(name, [index])[0], 256)
