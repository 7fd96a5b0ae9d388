"""A word left out on the Tokens page, with the real embedded model behind the real worker."""

from tests.dashboard.conftest import read
from tests.dashboard.forms import study

PARAMS = {
    "tokens.prompt": "a red car",
    "tokens.left_out": "car",
    "tokens.steps": "2",
    "tokens.tab": "What a word does",
}


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
