"""No picture is shown through JPEG or scaled: Streamlit's own doing would be seen as data."""

import ast
import io

import pytest
from PIL import Image
from streamlit.runtime.memory_media_file_storage import _calculate_file_id
from streamlit.testing.v1 import AppTest

from dashboard.widgets.pictures import draw_picture
from tests.imports import ROOT

PLACE = "dashboard/widgets/pictures.py"


def shown(tree):
    """The calls that draw a picture: of st itself, or of a column, which alone take arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "image" and (node.args or node.keywords):
                yield node


def test_pictures_are_drawn_in_one_place():
    files = [path for top in ("dashboard", "pages") for path in (ROOT / top).rglob("*.py")]
    places = [
        f"{path.relative_to(ROOT)}" for path in files for _ in shown(ast.parse(path.read_text()))
    ]
    assert places == [PLACE]


def picture():
    file = io.BytesIO()
    Image.radial_gradient("L").resize((512, 512)).convert("RGB").save(file, "PNG")
    return file.getvalue()


def page(data):
    from dashboard.widgets.pictures import draw_picture

    draw_picture(data, "A ring", 64)
    draw_picture(data, "A ring", "content")
    draw_picture(data, "A ring")


def test_a_picture_goes_to_the_browser_as_it_is_however_small_it_is_shown():
    data = picture()
    at = AppTest.from_function(page, args=(data,), default_timeout=60).run()
    assert not at.exception
    drawn = [image for element in at.image for image in element.proto.imgs]
    assert len(drawn) == 3 and {image.alt for image in drawn} == {"A ring"}
    assert {image.url.rpartition("/")[2] for image in drawn} == {
        f"{_calculate_file_id(data, 'image/png')}.png"
    }


def test_what_is_no_png_is_refused():
    with pytest.raises(ValueError, match="picture must be the bytes of a PNG file"):
        draw_picture(b"\xff\xd8\xff a JPEG", "A ring")
