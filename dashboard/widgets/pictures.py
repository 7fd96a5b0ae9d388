"""Pictures as pages show them: near 512 pixels, or as small data URLs."""

import base64
import io
from pathlib import Path

import streamlit as st

from dashboard.worker.job import png
from sdlab.errors import StoreError

THUMBNAIL = 96


def enlarged(picture: bytes) -> bytes:
    """Return a PNG brought near 512 pixels, each of its own pixels a square."""
    from PIL import Image

    return png(Image.open(io.BytesIO(picture)), side=512)


@st.cache_data(max_entries=1000, show_spinner=False)
def thumbnail(folder: str, created: object) -> str | None:
    """Return a run's picture as a small data URL; ``created`` tells a new one from an old."""
    from sdlab.runs.run_folder import open_picture

    try:
        image = open_picture(Path(folder)).convert("RGB")
    except StoreError:
        return None
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
