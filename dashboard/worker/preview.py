"""Small pictures of runs, as PNG."""

from PIL import Image

from sdlab.runs.png import png_bytes

PREVIEW_SIDE = 320


def png(picture: Image.Image, side: int = PREVIEW_SIDE) -> bytes:
    """Return a picture as PNG, its longer side brought near ``side``, pixels kept square."""
    factor = side / max(picture.size)
    if factor >= 1:
        factor = max(1, round(factor))
        size = picture.width * factor, picture.height * factor
        picture = picture.resize(size, Image.Resampling.NEAREST)
    else:
        size = round(picture.width * factor), round(picture.height * factor)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return png_bytes(picture, quick=True)
