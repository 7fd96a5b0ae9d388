"""The word of a run that has the clearest place in its picture, and where that is."""

import io
from pathlib import Path

import streamlit as st

from dashboard.widgets.pictures import enlarged, png


@st.cache_data(max_entries=32, show_spinner=False)
def clearest_word(folder: str, changed: str, model: str) -> tuple[str, bytes] | None:
    """Return the word with the clearest place, and its map over the picture as a PNG.

    Args:
        folder: Of the run.
        changed: When it was made, for the cache.
        model: Its model's name, whose best layers are taken.

    Returns:
        None if the run recorded no attention to words.
    """
    from PIL import Image

    import sdlab
    from sdlab.attention import views
    from sdlab.attention.pictures import overlay
    from sdlab.attention.words import labelled
    from sdlab.runs.run_folder import open_picture

    trace = sdlab.open_run(folder).trace
    if not trace.has_attention or not trace.attention.cross_layers:
        return None
    maps = trace.attention
    heats = {
        word: views.heatmap(maps, places, layer=views.best(model).layers)
        for word, places in labelled(maps.tokens["cond"])
    }
    if not heats:
        return None
    word = max(heats, key=lambda name: float(heats[name].max() - heats[name].mean()))
    picture = Image.open(io.BytesIO(enlarged(png(open_picture(Path(folder))))))
    return word, png(overlay(picture, heats[word], opacity=0.6), 256)
