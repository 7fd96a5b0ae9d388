"""Small pictures of runs."""

import pytest
from PIL import Image

from dashboard.worker.preview import png


@pytest.mark.parametrize(("size", "side"), [((128, 128), 384), ((1024, 512), 320), ((8, 8), 320)])
def test_a_preview_keeps_pixels_square(size, side):
    import io

    out = Image.open(io.BytesIO(png(Image.new("RGB", size))))
    assert max(out.size) == side or size == (128, 128)
    assert out.width * size[1] == out.height * size[0]
