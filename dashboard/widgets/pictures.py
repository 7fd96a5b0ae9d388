"""Pictures as pages show them: as PNG, near 512 pixels, or as data URLs."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.worker.preview import png as near
from sdlab.errors import StoreError
from sdlab.runs.png import png_bytes

if TYPE_CHECKING:
    from PIL import Image

THUMBNAIL = 96


def png(image: "Image.Image", side: int | None = None) -> bytes:
    """Return a picture as PNG, made fast rather than small.

    Args:
        image: The picture.
        side: Near which its longer side is brought, pixels kept square; None keeps its size.
    """
    return png_bytes(image, quick=True) if side is None else near(image, side)


def data_url(picture: bytes, kind: str = "png") -> str:
    """Return the bytes of a picture file as an address that holds them."""
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode()


def enlarged(picture: bytes) -> bytes:
    """Return a PNG enlarged to about 512 pixels by whole factors, so that pixels stay square."""
    from PIL import Image

    return png(Image.open(io.BytesIO(picture)), 512)


@st.cache_data(max_entries=1000, show_spinner=False)
def thumbnail(folder: str, created: object) -> str | None:
    """Return a run's picture as a small data URL; ``created`` tells a new one from an old."""
    from sdlab.runs.run_folder import open_picture

    try:
        image = open_picture(Path(folder)).convert("RGB")
    except StoreError:
        return None
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return data_url(png_bytes(image))
