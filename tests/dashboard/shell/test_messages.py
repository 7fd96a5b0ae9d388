"""Messages: what they quote is shown letter by letter, whatever it is."""

import re
import string

import pytest
from streamlit.testing.v1 import AppTest

import sdlab
from dashboard.shell.messages import named, plain, sentence
from sdlab.errors import ModelError

HARMLESS = set("\"'%,/;?@\\") | {"\\"}  # no Markdown begins with these alone


@pytest.mark.parametrize(
    "text",
    ["**b** _i_ `c` ~s~", "[a](javascript:x) ![p](q)", "<b>", ":material/home: $x$ &lt; # h\n==="],
)
def test_markdown_is_made_harmless_and_nothing_is_lost(text):
    shown = plain(text)
    assert re.sub(r"\\(.)", r"\1", shown).replace("\u2060", "") == text
    bare = re.sub(r"\\.", "", shown)
    assert not set(bare) & (set(string.punctuation) - HARMLESS)


def test_an_error_is_shown_letter_by_letter():
    def page():
        from dashboard.shell.messages import explained

        with explained():
            raise ValueError("no word '**car**', nor ![x](y)")

    at = AppTest.from_function(page).run()
    assert at.error[0].value == r"no word '\*\*car\*\*', nor \!\[x\]\(y\)"


def test_a_model_that_cannot_be_loaded_is_named_once(tmp_path):
    place = str(tmp_path / "nothing")
    with pytest.raises(ModelError) as told:
        sdlab.load(place)
    assert named(place, sentence(told.value)) == f"The model could not be loaded: {told.value}"
    assert named("a/model", "no room.") == "a/model could not be loaded: no room."
