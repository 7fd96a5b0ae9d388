"""Every field and upload of every page is handed what no browser would let a person enter."""

import pytest
from hypothesis import strategies as st
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from tests.dashboard.shell.test_address import PAGES, healthy
from tests.e2e.wire import state
from tests.hostile.strategies import BOMBS, files, floats, integers, texts, tried
from tests.hostile.told import tells

TYPED = ("text_input", "text_area")
CHOSEN = ("selectbox", "multiselect", "button_group", "select_slider")
FIELDS = (*TYPED, *CHOSEN, "number_input", "slider", "toggle", "checkbox", "file_uploader")
SHORT = 2000
"""Letters of a choice: it is quoted."""


@st.composite
def filled(draw: st.DrawFn, at: AppTest) -> tuple[list[WidgetState], bytes | None]:
    """Anything for a few of a page's fields, and perhaps a file for its uploader."""
    found = [(kind, field) for kind in FIELDS for field in at.get(kind)]
    chosen = draw(st.lists(st.sampled_from(found), min_size=1, max_size=4)) if found else []
    states = []
    for kind, field in chosen:
        value = _value(draw, kind, field)
        if value is not None:
            states.append(state(field.proto.id, value))
    uploads = any(kind == "file_uploader" for kind, _ in chosen)
    return states, draw(st.sampled_from(BOMBS) | files(b'{"a": 1}')) if uploads else None


def _value(draw, kind, field):
    if kind in TYPED:
        return draw(texts)
    if kind == "number_input":
        return draw(floats if field.proto.data_type else integers.map(float))
    if kind in ("toggle", "checkbox"):
        return draw(st.booleans())
    if kind == "selectbox":
        return draw(texts)[:SHORT]
    return (
        draw(st.lists(texts.map(lambda text: text[:SHORT]), max_size=3))
        if kind == "multiselect"
        else None
    )


def tell(at: AppTest, states: list[WidgetState], upload: bytes | None) -> None:
    """Let the page's fields hold these, and draw it."""
    if upload is not None:
        for field in at.get("file_uploader"):
            names = field.allowed_type or ["txt"]
            field.set_value(("../../a" + names[0], upload, "text/html"))
    widgets = at._tree.get_widget_states()
    held = {one.id: one for one in widgets.widgets}
    held |= {one.id: one for one in states}
    del widgets.widgets[:]
    widgets.widgets.extend(held.values())
    at._run(widgets)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.every
def test_any_field_of_any_page(open_page, page):
    first = open_page(page)

    def check(given):
        at = open_page(page)
        tell(at, *given)
        healthy(at, {})
        assert not [text for e in (*at.error, *at.warning) if (text := tells(e.value))]

    tried(filled(first), check, 10)
