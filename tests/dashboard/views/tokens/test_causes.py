"""A word left out on the Tokens page, with the real embedded model behind the real worker."""

import pandas as pd
import pytest

from dashboard.views.tokens.causes import _changes, so_what
from dashboard.widgets.every_word_panel import which_matter
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from tests import flow
from tests.dashboard.conftest import read
from tests.dashboard.forms import study

PARAMS = {
    "tokens.prompt": "a red car",
    "tokens.left_out": "car",
    "tokens.steps": "2",
    "tokens.tab": "What a word does",
}


@pytest.mark.every
def test_a_word_is_left_out_and_the_pictures_stand_side_by_side(open_page, monkeypatch):
    monkeypatch.setattr("dashboard.widgets.causes_work.LOOKED", 2)
    at = open_page("tokens", **PARAMS)
    assert not at.exception and not at.error
    assert "One picture five times" in " ".join(c.value for c in at.caption)
    study(at, "tokens.causes.start")
    named = [read(m) for m in at.markdown]
    for name in ("as it is", "without “car”", "“car” masked", "pads masked"):
        assert f"**{name}**" in named
    assert sum("Top to bottom" in c.value for c in at.caption) == 1
    so_what = "**So what, of one seed, 7:** without the word"
    assert any(c.value.startswith(so_what) for c in at.caption)
    assert {"tokens.csv_causes", "tokens.csv_causes_course"} <= {
        button.key for button in at.get("download_button")
    }


def test_without_words_there_is_nothing_to_leave_out(open_page):
    at = open_page("tokens", **{"tokens.prompt": " ", "tokens.tab": PARAMS["tokens.tab"]})
    assert not at.exception and not at.error
    assert any("no words that could be left out" in i.value for i in at.info)


@pytest.mark.every
def test_every_word_in_turn_is_one_press(open_page):
    at = open_page("tokens", **PARAMS)
    assert any("without each word, one after the other" in c.value for c in at.caption)
    study(at, "tokens.every_word.start")
    (table,) = [d.value for d in at.dataframe if "rms_x0_pred" in d.value]
    assert sorted(table["word"]) == ["a", "car", "red"]
    assert table["rms_pixels"].is_monotonic_decreasing
    assert table["without"].str.startswith("data:image/png;base64,").all()
    (said,) = [read(m) for m in at.markdown if m.value.startswith("**Every word in turn")]
    assert f"without “{table['word'][0]}” the picture changes by " in said
    assert "tokens.csv_every_word" in {button.key for button in at.get("download_button")}


def test_a_transformer_is_asked_what_it_can_be(small):
    spec = Experiment(prompt="a red cat", num_steps=2)
    other = Model(flow.sd3(), "sd3")
    names = [change.name for change in _changes(other, spec, 1, "text_encoder_2")]
    assert names == ["without “red”", "“red” masked", "pads masked"]
    names = [change.name for change in _changes(small, spec, 1, "text_encoder")]
    assert names == ["without “red”", "“red” masked", "pads of the empty prompt", "pads masked"]


def test_what_a_word_does_is_said_of_what_was_measured():
    names = ["as it is", "without “car”", "“car” masked", "pads masked"]
    table = pd.DataFrame({"change": names, "rms_latents": [0, 0.5, 0.25, 0.125]})
    said = so_what(table)
    assert said.startswith("without the word the latents end 0.5 away, with its positions masked")
    assert said.endswith("The pads have read all words: it is 0.12 with pads masked.")
    assert so_what(table.iloc[:2]) == "without the word the latents end 0.5 away."


def test_which_words_matter_is_said_in_a_sentence():
    table = pd.DataFrame(
        {
            "word": ["car", "red", "a"],
            "rms_pixels": [60.4, 30.0, 2.0],
            "lost": ["car", "red car", ""],
        }
    )
    said = which_matter(table)
    assert said.startswith("without “car” the picture changes by 60 and loses car, the most; ")
    assert "without “a” by 2, the least" in said
    assert said.endswith("Also lost: without “red”, red car.")
    assert which_matter(table.iloc[2:]) == "without “a” the picture changes by 2."
