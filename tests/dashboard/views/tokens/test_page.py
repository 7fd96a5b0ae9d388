"""The Tokens page by AppTest, with the real embedded model behind the real worker."""

from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from dashboard.shell.lab import lab
from dashboard.views.tokens.page import ATTENTION, VECTORS
from dashboard.worker.snapshots import LabView
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.shipped import FOLDER as EMBEDDED
from tests.dashboard.conftest import run_until
from tests.text import pipelines
from tests.tracing.pipelines import xl


@pytest.fixture
def page(open_page):
    at = open_page("tokens")
    assert [t.value for t in at.title] == ["Tokens"] and not at.exception and not at.error
    return at


def pieces(at) -> list[str]:
    return [h.proto.body for h in at.get("html") if 'class="pieces"' in h.proto.body]


def test_the_whole_page_at_first_sight(page):
    named = [tab.label for tab in page.tabs]
    assert named[0] == "What the text encoder reads" and VECTORS in named and ATTENTION in named
    (shown,) = pieces(page)
    assert "parrot" in shown and "pad &times; 70" in shown and ">49406<" in shown
    (read,) = [m.value for m in page.markdown if m.value.startswith("**What is read:**")]
    assert "77 numbers" in read and "5 pieces of words" in read and "70 pads that fill" in read
    assert len(page.get("vega_lite_chart")) == 8
    table = page.dataframe[0].value
    assert table["id"].tolist()[:7] == [49406, 320, 23565, 525, 320, 2117, 49407]
    assert len(table) == 77
    assert len(page.get("download_button")) == 9
    assert "the 70 pads are read like words and help to guide" in captions(page)
    (link,) = [one.proto for one in page.get("page_link") if "pads" in one.proto.label]
    assert "attention" in link.page
    assert set(table["cut"]) == {""}  # no boxes, which look like choices


def captions(at) -> str:
    return "\n".join(c.value for c in at.caption)


def test_two_prompts_beside_each_other(page):
    page.text_area(key="tokens.other").set_value("a parrot in the snow").run()
    assert not page.exception and len(pieces(page)) == 2
    assert all("differs" in shown for shown in pieces(page))
    said = " ".join(m.value for m in page.markdown)
    assert "3 of 77 positions hold another token, the first at position 3" in said
    assert any("Positions 0 to 2 are equal by causality" in c.value for c in page.caption)


def test_a_position_goes_by_the_word_that_the_prompt_has_there_now(page):
    page.selectbox(key="tokens.position").set_value(5).run()
    page.text_area(key="tokens.prompt").set_value("a dog in a red car").run()
    chosen = page.selectbox(key="tokens.position")
    assert chosen.value == 5 and not page.exception
    # The browser shows, and the address holds, what it was told last.
    assert chosen.proto.set_value and chosen.proto.raw_value == "5 red"


def test_the_same_prompt_twice(page):
    page.text_area(key="tokens.other").set_value("A  PARROT on a beach").run()
    assert any("same 77 tokens" in m.value for m in page.markdown)


def test_what_is_cut_unknown_or_not_parsed_is_said(page):
    prompt = "a (red:1.2) dragon " * 20
    page.text_area(key="tokens.prompt").set_value(prompt).run()
    assert not page.exception
    assert "cut off" in page.warning[0].value and "not parsed" in page.info[0].value
    (shown,) = pieces(page)
    assert 'class="word cut"' in shown and "unseen" in shown
    assert any("never saw them in training" in c.value for c in page.caption)


def test_any_text_can_be_looked_at(page):
    for prompt in ("", "🦜", "<b>&\"'</b> <script>x</script>", "parrot " * 200):
        page.text_area(key="tokens.prompt").set_value(prompt).run()
        assert not page.exception and not page.error, prompt
        assert "<script>x" not in pieces(page)[0] and "<b>" not in pieces(page)[0], prompt


def test_another_layer_and_head(page):
    page.selectbox(key="tokens.layer_of_3").set_value(0).run()
    page.selectbox(key="tokens.head_of_4").set_value("2").run()
    page.toggle(key="tokens.attention_all").set_value(True).run()
    page.toggle(key="tokens.cosines_all").set_value(True).run()
    page.selectbox(key="tokens.measure").set_value("entropy").run()
    assert not page.exception and not page.error
    titles = [str(c.proto.spec) for c in page.get("vega_lite_chart")]
    assert any("Self-attention, layer 0, head 2" in t for t in titles)


def test_nearest_entries_of_a_position(page):
    page.segmented_control(key="tokens.nearest").set_value("token").run()
    page.selectbox(key="tokens.position").set_value(2).run()
    table = page.dataframe[-1].value
    assert table["text"][0] == "parrot" and table["cosine"][0] == pytest.approx(1, abs=1e-5)


def test_all_choices_come_from_the_url(open_page):
    at = open_page(
        "tokens",
        **{"tokens.prompt": "a cat", "tokens.other": "a dog", "tokens.position": "2 cat"},
    )
    assert at.text_area(key="tokens.prompt").value == "a cat" and len(pieces(at)) == 2
    assert at.selectbox(key="tokens.position").value == 2


def test_the_page_answers_while_a_run_is_going(page):
    run = lab().submit(Experiment(prompt="slow", seed=98, num_steps=900))
    try:
        page.text_area(key="tokens.prompt").set_value("a rocket at night").run()
        assert not page.error and "rocket" in pieces(page)[0]
        assert lab().get(run).live
    finally:
        lab().cancel(run, "nobody")


def test_what_the_page_shows_is_the_models_own(page):
    from dashboard.views.tokens.data import encoded, readers

    (reader,) = readers(lab().status().model.hash)
    shown = encoded(reader, "a parrot on a beach").contextual
    own = lab().ask(lambda model: model.encode_prompt("a parrot on a beach")[0][0].numpy())
    assert np.array_equal(shown, own)


def test_a_busy_model_is_explained(open_page, monkeypatch):
    from dashboard.views.tokens import data as token_data
    from dashboard.worker.questions import LATE, BusyError

    def busy(*args, **kwargs):
        raise BusyError(LATE.format(60))

    monkeypatch.setattr(token_data.lab(), "ask", busy)
    at = open_page("tokens", **{"tokens.prompt": "never asked before"})
    assert "did not find time" in at.error[0].value and not at.exception


def test_a_run_links_to_its_words(open_page):
    run = lab().submit(Experiment(prompt="a sun", negative_prompt="rain", seed=31, num_steps=2))
    met = lambda a: any(h.value == "Measurements" for h in a.header)  # noqa: E731
    at = run_until(open_page("run", id=run), met)
    links = [link.proto for link in at.get("page_link")]
    (words,) = [link for link in links if link.label == "Words"]
    assert parse_qs(words.query_string) == {"tokens.prompt": ["a sun"], "tokens.other": ["rain"]}


class TwoEncoders:
    """A worker that holds a Stable Diffusion XL pipeline."""

    def __init__(self, view):
        self.model = Model(xl()[0], "xl")
        self.model.pipeline.tokenizer_2 = CLIPTokenizer.from_pretrained(
            EMBEDDED / "tokenizer", pad_token="!"
        )
        self.view = LabView(model=replace(view, name="xl", hash="two encoders"))

    def status(self):
        return self.view

    def ask(self, function, *_, **__):
        with torch.no_grad():
            return function(self.model)


def test_a_model_of_two_tokenizers_shows_either(page, monkeypatch):
    from dashboard.views.tokens import data as token_data

    two = TwoEncoders(lab().status().model)
    monkeypatch.setattr(token_data, "lab", lambda: two)
    page.run()
    assert not page.exception and not page.error
    which = page.segmented_control(key="tokens.part")
    assert which.options == ["the first", "the second"]
    first = page.dataframe[0].value
    which.set_value("text_encoder_2").run()
    assert not page.exception and not page.error
    second = page.dataframe[0].value
    assert first["id"].tolist()[:7] == second["id"].tolist()[:7]
    assert set(first["id"][7:]) == {49407} and set(second["id"][7:]) == {0}


class Holding:
    """A worker that holds a pipeline."""

    def __init__(self, view, pipeline):
        self.model = SimpleNamespace(pipeline=pipeline)
        name = type(pipeline).__name__
        self.view = LabView(model=replace(view, name=name, hash=name))

    def status(self):
        return self.view

    def ask(self, function, *_, **__):
        with torch.no_grad():
            return function(self.model)


def holding(page, monkeypatch, pipeline):
    from dashboard.views.tokens import data as token_data

    held = Holding(lab().status().model, pipeline)
    monkeypatch.setattr(token_data, "lab", lambda: held)
    return page.run()


@pytest.mark.every
def test_the_third_tokenizer_of_stable_diffusion_3_is_t5s(page, monkeypatch):
    holding(page, monkeypatch, pipelines.sd3())
    which = page.segmented_control(key="tokens.part")
    assert which.options == ["the first, CLIP", "the second, CLIP", "the third, T5"]
    which.set_value("text_encoder_3").run()
    assert not page.exception and not page.error
    (shown,) = pieces(page)
    assert "pad &times; 250" in shown and "parrot" in shown
    said = " ".join(m.value for m in page.markdown)
    assert "int64 [1, 256]" in said and "no causal mask" in said and "both directions" in said
    assert (
        "**The network's text** has 333 positions: 0 to 76 are the first and the second's, side by"
        " side; 77 to 332 are the third's." in said
    )
    assert any("shown are the first 77, the rest are pads" in c.value for c in page.caption)
    assert len(page.get("vega_lite_chart")) == 8 and not page.get("toggle")
    page.text_area(key="tokens.other").set_value("a parrot in the snow").run()
    assert not page.exception and not page.error
    assert any("T5 reads in both directions" in m.value for m in page.markdown)


@pytest.mark.every
def test_a_longer_prompt_than_clip_takes_is_drawn_whole_for_t5(page, monkeypatch):
    holding(page, monkeypatch, pipelines.flux())
    page.segmented_control(key="tokens.part").set_value("text_encoder_2").run()
    page.text_area(key="tokens.prompt").set_value("a parrot " * 60).run()
    assert not page.exception and not page.error and not page.warning
    assert all(len(c.proto.data.data or b"") < 10**7 for c in page.get("vega_lite_chart"))


def test_a_clip_of_which_only_one_vector_is_used_says_so(page, monkeypatch):
    holding(page, monkeypatch, pipelines.flux())
    assert not page.exception and not page.error
    assert any("one vector of the whole prompt" in m.value for m in page.markdown)
    assert "The padding does nothing" in captions(page)
    assert not any("pads" in one.proto.label for one in page.get("page_link"))


def test_a_language_models_tokens_are_shown_with_their_template(page, monkeypatch):
    holding(page, monkeypatch, pipelines.qwen())
    assert not page.exception and not page.error
    (shown,) = pieces(page)
    assert "parrot" in shown and ", template, mask 1" in shown
    assert "another kind than CLIP" in page.info[0].value
    start = pipelines.qwen().prompt_template_encode_start_idx
    assert any(f"the first's, from its position {start} on." in m.value for m in page.markdown)
    named = [tab.label for tab in page.tabs]
    assert {"What the text encoder reads", "What a word does"} < {*named}
    assert VECTORS not in named
    page.text_area(key="tokens.other").set_value("a dog").run()
    assert not page.exception and not page.error
