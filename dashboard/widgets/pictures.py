"""Pictures as pages show them: as PNG, near 512 pixels, or as data URLs."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import streamlit as st

from dashboard.worker.preview import png as near
from sdlab.errors import StoreError
from sdlab.runs.png import png_bytes

if TYPE_CHECKING:
    from PIL import Image

THUMBNAIL = 96
_PNG = b"\x89PNG"


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


def draw_picture(
    picture: bytes, words: str, width: int | Literal["stretch", "content"] = "stretch"
) -> None:
    """Draw a picture as it is, pixel by pixel.

    Streamlit makes JPEG of what is no file, and scales a file that is wider than the pixels it is
    shown in. So it is given PNG files alone, and a width in pixels as a container's; only what is
    wider than 1,460 pixels, more than a page shows, it still scales.

    Args:
        picture: PNG.
        words: What it shows, for who does not see it.
        width: In pixels, or "stretch" for the width that there is, or "content" for its own.

    Raises:
        ValueError: If it is no PNG.
    """
    if not picture.startswith(_PNG):
        raise ValueError(f"picture must be the bytes of a PNG file, got {picture[:8]!r}.")
    if isinstance(width, int):
        with st.container(width=width):
            draw_picture(picture, words)
        return
    st.image(picture, output_format="PNG", width=width, alt=words)


def thumbnail(folder: str, created: object) -> str | None:
    """Return a run's picture as a small data URL; ``created`` tells a new one from an old."""
    small = small_png(folder, created)
    return None if small is None else data_url(small)


@st.cache_data(max_entries=1000, show_spinner=False)
def small_png(folder: str, created: object) -> bytes | None:
    """Return a run's picture as a small PNG; ``created`` tells a new one from an old."""
    from sdlab.runs.run_folder import open_picture

    try:
        image = open_picture(Path(folder)).convert("RGB")
    except StoreError:
        return None
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return png_bytes(image)
