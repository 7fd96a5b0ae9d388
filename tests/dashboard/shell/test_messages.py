"""Messages: what they quote is shown letter by letter, whatever it is."""

import re
import string
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import sdlab
from dashboard.shell.messages import plain, sentence, without_places
from dashboard.worker.held_models import HeldModels
from dashboard.worker.snapshots import ModelRequest
from sdlab.errors import ModelError, SdlabError, StoreError
from sdlab.models.guidance import TRUE, Guidance

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
    held = HeldModels(sentence)
    said = held.sentence_of(ModelRequest(place), told.value)
    assert said == f"The model could not be loaded: {told.value}"
    said = held.sentence_of(ModelRequest("a/model"), ModelError("no room."))
    assert said == "a/model could not be loaded: no room."


def test_no_message_names_a_folder_above_the_store(monkeypatch, tmp_path):
    monkeypatch.setenv("SDLAB_RUNS", str(tmp_path / "runs"))
    store, home = tmp_path / "runs", Path.home()
    said = sentence(StoreError(f"[Errno 13] No: '{store}/.owners/x', {home}/.cache; see {store}."))
    assert said == "[Errno 13] No: 'the store/.owners/x', ~/.cache; see the store."
    for other in (f"{store}2", f"/data{store}", f"{home}x", "/"):
        assert without_places(other) == other
    monkeypatch.setenv("SDLAB_RUNS", f"/{'long/' * 90}runs")
    assert "long" not in sentence(StoreError(f"/{'long/' * 90}runs/file cannot be read."))
    monkeypatch.setenv("HOME", "/")
    assert without_places("/ and /a") == "/ and /a"


def test_an_unexpected_error_goes_to_the_log_and_not_to_the_screen(caplog):
    assert sentence(ValueError("num_steps must be at least 1")) == "num_steps must be at least 1"
    assert sentence(SdlabError("the disk is full")) == "the disk is full"
    try:
        raise KeyError("secret detail")
    except KeyError as error:
        said = sentence(error)
    assert "secret" not in said and "KeyError" in said
    assert "secret detail" in caplog.text and "Traceback" in caplog.text


FLUX, WITHIN = Guidance(TRUE), Guidance("")


@pytest.mark.parametrize(
    ("guidance", "scale", "true_cfg", "note"),
    [
        (Guidance(), 4.0, None, ""),
        (Guidance(), 1.0, None, "Set it above 1"),
        (FLUX, 4.0, None, "acts through true\\_cfg\\_scale"),
        (FLUX, 1.0, 2.0, ""),
        (Guidance(TRUE, 4.0), 1.0, None, ""),
        (WITHIN, 4.0, 2.0, "guidance within"),
        (WITHIN, 1.0, None, "guidance within"),
    ],
)
def test_a_negative_prompt_that_does_nothing_on_this_model_is_told(guidance, scale, true_cfg, note):
    def page(*given):
        from dashboard.shell.messages import say_ignored_negative

        say_ignored_negative("fog", *given)

    at = AppTest.from_function(page, args=(scale, guidance, true_cfg)).run()
    assert [note in info.value for info in at.info] == ([True] if note else [])
