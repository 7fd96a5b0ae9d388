"""The Attention page: side by side, a clicked place, phrases, given pictures, files."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from dashboard.components.heat_viewer import HeatPlace
from dashboard.shell.lab import find, lab
from dashboard.views.attention import viewer
from sdlab.attention import places, views
from sdlab.attention.layers import Layer
from sdlab.attention.maps import AttentionMaps, MapsSource, key_of
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.experiment import Experiment
from tests.dashboard.conftest import run_until
from tests.dashboard.forms import study
from tests.dashboard.views.attention.test_page import FAST, downloads, shown_run_of, shows_maps

SHARP = "up_blocks.2.attentions.0.transformer_blocks.0.attn2"


def captions(at) -> str:
    return "\n".join(c.value for c in at.caption)


def recorded(open_page, **params):
    at = open_page("attention", **{**FAST, **params})
    at.button(key="attention.go").click().run()
    return run_until(at, shows_maps)


def click(at, x, y, frame=None):
    """Have the page know a place as clicked; a browser test really clicks."""
    run = find(shown_run_of(at).id)
    key = f"{run.id} {run.manifest['model'].get('hash')} {run.folder.stat().st_mtime}"
    at.session_state["attention.place"] = (key, HeatPlace(x, y, frame))
    at.run()
    assert not at.exception and not at.error


@pytest.mark.every
def test_a_link_holds_words_evaluation_and_place(open_page):
    at = recorded(open_page)
    click(at, 0.25, 0.75, frame=2)
    words = next(field for field in at.button_group if field.label == "Words")
    address = {name: at.query_params[name] for name in ("run", "at", "step")}
    assert "".join(address["at"]) == "0.250,0.750" and "".join(address["step"]) == "2"
    again = run_until(open_page("attention", **address, **{words.key: "beach"}), shows_maps)
    assert not again.exception and not again.warning
    assert again.session_state[words.key] == ["beach"]
    assert again.session_state["attention.place"][1] == HeatPlace(0.25, 0.75, 2)
    assert "**At 25% from the left, 75% from the top**" in markdowns(again)


def markdowns(at):
    return "\n".join(markdown.value for markdown in at.markdown)


@pytest.mark.parametrize("text", ["nan,0.5", "2,0.5", "0.5", "a,b"])
def test_a_place_that_is_none_is_passed_over(text, monkeypatch):
    address = {"at": text, "step": "7"}
    monkeypatch.setattr(viewer, "given", lambda name: address.get(name, ""))
    assert viewer.asked_place((0, 1, 2)) is None
    assert viewer.asked_place((5, 7)) == HeatPlace(None, None, 1)


def choose(at, over):
    at.segmented_control(key="attention.sheet_over").set_value(over).run()
    assert not at.exception and not at.error
    return captions(at)


@pytest.mark.every
def test_side_by_side_of_evaluations_layers_and_heads(open_page):
    at = recorded(open_page, **{"attention.heads": "all", "attention.view": "Side by side"})
    at.selectbox(key="attention.layer").set_value("all layers").run()
    assert "Row by row, evaluations: 0, 1, 2." in captions(at)
    maps = shown_run_of(at).trace.attention
    said = choose(at, "layer")
    assert said.count("Row by row, layers: ") == 1 and "up 2.0" in said
    line = next(text for text in said.splitlines() if text.startswith("Row by row"))
    assert line.count(",") == len(maps.cross_layers)
    choose(at, "head")
    assert any("choose one layer above" in i.value for i in at.info)
    at.selectbox(key="attention.layer").set_value(SHARP).run()
    heads = ", ".join(map(str, range(maps.layer(SHARP).heads)))
    assert f"Row by row, heads: {heads}." in captions(at)
    at.selectbox(key="attention.head").set_value("1").run()
    assert f"Row by row, heads: {heads}." in captions(at)
    assert "Row by row, layers: " in choose(at, "layer")


def made(heads=(2, 4)):
    """Maps of two layers with different numbers of heads."""
    layers = tuple(
        Layer(f"up_blocks.{i}.attentions.0.transformer_blocks.0.attn2", True, n, 4, 4, 1)
        for i, n in enumerate(heads)
    )
    facts = MapsSource(AttentionRecord(heads="all"), (4, 4), layers, (0,), (0,), (9.0,), (1.0,))
    tensors = {key_of("cond", layer): torch.rand(1, layer.heads, 3, 4, 4) for layer in layers}
    words = {"position": [0, 1, 2], "word": ["", "cat", ""], "kind": ["start", "word", "end"]}
    text = pd.DataFrame({**words, "word_index": [None, 0, None], "cut": False})
    return AttentionMaps(facts, tensors, {"cond": text})


def test_layers_without_the_chosen_head_are_left_out_and_named():
    from dashboard.views.attention.findings import _along
    from dashboard.views.attention.viewer import Look

    maps = made()
    look = Look((("cat", (1,)),), maps.cross_layers[1].name, 3, "cond", (0,))
    choice, without = _along(maps, look, "layer")
    names, heats = views.frames(maps, "cat", "layer", **choice)
    assert names == [maps.cross_layers[1].name] and without == ["up 0.0"]
    np.testing.assert_allclose(heats[0], maps.maps(names[0])[0, 3, 1])
    assert views.frames(maps, "cat", "head", **_along(maps, look, "head")[0])[0] == [0, 1, 2, 3]


def test_a_clicked_place_ranks_the_words_and_tells_where_it_looks(open_page):
    at = recorded(open_page)
    assert "Click in a map" in captions(at)
    click(at, 0.25, 0.75)
    run = shown_run_of(at)
    assert any("25% from the left, 75% from the top" in m.value for m in at.markdown)
    assert "Words at this place (CSV)" in downloads(at)
    assert "Where this place looks: self-attention" in captions(at)
    maps = run.trace.attention
    layer = views.best("embedded").layers
    every = ranked(maps, layer, maps.evaluations)
    assert every[0] in said_here(at) and "".join(every) in chart(at)
    assert "mean of 3 evaluations" in "".join(m.value for m in at.markdown)


def ranked(maps, layer, evaluations):
    """The labels of the bars at the clicked place, words first."""
    found = places.words_at(maps, 0.25, 0.75, layer=layer, evaluation=evaluations)
    names = found["word"].where(found["kind"] == "word", "[" + found["word"] + "]")
    assert len(names) == 9 and found["share"].sum() == pytest.approx(1, abs=0.01)
    return names.replace("[pad]", "padding").tolist()


def chart(at) -> str:
    return str(at.get("vega_lite_chart")[0].proto)


def said_here(at) -> str:
    return next(m.value for m in at.markdown if m.value.startswith("Here: "))


def test_the_bars_are_of_the_evaluation_that_the_viewer_shows(open_page):
    at = recorded(open_page)
    click(at, 0.25, 0.75, frame=1)
    maps = shown_run_of(at).trace.attention
    assert "evaluation 1, one of 3" in "".join(m.value for m in at.markdown)
    found = places.words_at(maps, 0.25, 0.75, layer=views.best("embedded").layers, evaluation=1)
    assert f"({found['share'].iloc[0]:.2f})" in said_here(at)
    assert "".join(ranked(maps, views.best("embedded").layers, 1)) in chart(at)


@pytest.mark.parametrize(
    ("cat", "kept", "said"),
    [
        ((0.5, 0.5, 0.5), (0, 1, 2), "the first of the words at every evaluation"),
        ((0.1, 0.5, 0.5), (0, 1, 2), "the first of the words from evaluation 1 on"),
        ((0.1, 0.5, 0.5), (0, 5, 9), "the first of the words from kept evaluation 5 on"),
        ((0.5, 0.1, 0.5), (0, 1, 2), "the first of the words at 2 of the 3 evaluations, 0 to 2"),
        ((0.1, 0.5, 0.1), (0, 1, 2), "the first of the words at 1 of the 3 evaluations, 1"),
        ((0.1, 0.1, 0.1), (0, 1, 2), "at no single evaluation the first of the words"),
    ],
)
def test_when_a_word_acts_at_a_place_is_said_truly(cat, kept, said):
    from dashboard.views.attention.place import in_words

    rows = [
        {"evaluation": e, "word": word, "kind": kind, "share": share}
        for e, own in zip(kept, cat, strict=True)
        for word, kind, share in (("cat", "word", own), ("mat", "word", 0.2), ("pad", "pad", 0.9))
    ]
    course = pd.DataFrame(rows)
    top = pd.DataFrame({"word": ["cat", "mat", "pad"], "kind": ["word", "word", "pad"]})
    sentence = in_words(top.assign(share=[0.37, 0.2, 0.9]), course)
    assert sentence == f"Here: **cat** (0.37), {said}, next **mat** (0.20)."


def test_a_phrase_has_its_own_line_and_row(open_page):
    at = recorded(open_page, **{"attention.phrase": "red car"})
    table = next(d.value for d in at.dataframe if "likeness" not in d.value and len(d.value) == 7)
    assert table["word"].tolist() == ["a", "red", "car", "on", "a (2)", "beach", "“red car”"]
    at.segmented_control(key="attention.view").set_value("Words against words").run()
    assert not at.exception and not at.error
    assert "red car" in str(at.get("vega_lite_chart")[0].proto)


def test_the_heads_maximum_is_not_called_a_share_of_one(open_page):
    at = recorded(open_page, **{"attention.heads": "max"})
    assert not at.exception and not at.error
    assert "do not add up to 1" in captions(at)
    chart = str(at.get("vega_lite_chart")[0].proto)
    assert "largest share of any head" in chart
    mean = recorded(open_page)
    assert "do not add up to 1" not in captions(mean)


def upload_of(size=(60, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, "PNG")
    return ("mine.png", buffer.getvalue(), "image/png")


def test_an_upload_is_looked_at_and_what_fitting_took_is_said(open_page):
    at = open_page("attention", **{"attention.of": "A given picture", "attention.from": "Upload"})
    assert not at.exception and not shows_maps(at)
    at.file_uploader(key="attention.file").set_value(upload_of()).run()
    assert any("Type a caption" in i.value for i in at.info) and not at.exception
    at.text_input(key="attention.caption.mine.png").set_value("a teal wall").run()
    run_until(at, shows_maps)
    assert not at.exception and not at.error
    assert "Cropped and resized from 60 x 30 to 128 x 128 px." in captions(at)
    assert {"teal", "wall"} <= set(at.dataframe[-1].value["word"])


def test_the_picture_of_a_stored_run_is_looked_at(open_page):
    run = lab().submit(Experiment(prompt="a yellow sun", seed=5, num_steps=2))
    run_until(open_page("run", id=run), lambda a: a.header)
    address = {"attention.of": "A given picture", "attention.from": "Run", "attention.run": run}
    at = open_page("attention", **address)
    run_until(at, shows_maps)
    assert not at.exception and not at.error
    assert at.text_input(key=f"attention.caption.{run}").value == "a yellow sun"
    assert "sun: mask" in downloads(at)
    assert "Cropped" not in captions(at)


def test_the_noise_level_s_start_is_reasoned(open_page):
    at = open_page("attention", **{"attention.of": "A given picture"})
    start = views.best("embedded").given_timestep
    said = at.slider(key="attention.timestep").help
    assert f"It starts at {start}" in said and "attention_truth.py" in said


def test_all_maps_open_again(open_page, tmp_path):
    from dashboard.views.attention.files import _safetensors
    from sdlab.runs.attention import open_attention

    maps = shown_run_of(recorded(open_page)).trace.attention
    path = tmp_path / "maps.safetensors"
    path.write_bytes(_safetensors("all", _maps=maps))
    again = open_attention(path)
    assert again.facts == maps.facts and again.words == maps.words
    np.testing.assert_array_equal(again.heatmap("red car"), maps.heatmap("red car"))


def test_a_moved_threshold_keeps_the_run_s_column(open_page):
    from dashboard.views.attention.files import _summaries

    maps = shown_run_of(recorded(open_page)).trace.attention
    columns = list(_summaries("half", 0.5, _maps=maps).columns)
    assert columns[0] == "run" and list(_summaries("low", 0.3, _maps=maps).columns) == columns


@pytest.mark.parametrize(
    ("kept", "evaluations", "said"),
    [
        pytest.param("last", (2,), "evaluation 2", marks=pytest.mark.every),
        ("every k-th", (0, 2), "mean of the 2 kept evaluations, 0 to 2"),
    ],
)
def test_what_was_left_out_is_not_counted(open_page, kept, evaluations, said):
    at = recorded(open_page, **{"attention.kept": kept})
    assert shown_run_of(at).trace.attention.evaluations == evaluations
    click(at, 0.5, 0.5)
    assert any(m.value.endswith(f"from the top**, {said}") for m in at.markdown)


def test_a_word_is_left_out_and_its_map_held_against_what_changes(open_page):
    at = recorded(open_page, **{"attention.view": "Does it act there?"})
    study(at, "attention.cause.start")
    assert "Map and change of x0_pred are means of evaluations 0 to 2." in captions(at)
    assert "So what:" in captions(at) and "by chance" in captions(at)
    headed = {m.value for m in at.markdown}
    assert {"**with the word**", "**without it**", "**its attention map**"} <= headed
    at.segmented_control(key="attention.cause_how").set_value("masked").run()
    assert not at.exception and at.button(key="attention.cause.start").label == "Leave it out"
    assert at.button(key="attention.every_word.start").label == "Every word in turn"


def test_a_clicked_place_leads_to_the_check_of_its_word(open_page):
    at = recorded(open_page)
    click(at, 0.5, 0.5)
    assert "not proof that it made this part" in captions(at)
    (lead,) = (b for b in at.button if b.key == "attention.check_word")
    word = lead.label.removeprefix("Does ").removesuffix(" act there?")
    lead.click().run()
    assert not at.exception
    assert at.segmented_control(key="attention.view").value == "Does it act there?"
    assert at.selectbox(key="attention.cause_word.cond").value == word


def test_a_given_sample_is_held_against_its_true_mask(open_page):
    of = {"attention.of": "A given picture", "attention.sample": "a red car on a meadow"}
    at = open_page("attention", **of, **{"attention.view": "Does it act there?"})
    at.selectbox(key="attention.cause_word.cond").set_value("car")
    study(at, "attention.cause.start")
    headed = {m.value for m in at.markdown}
    assert {"**with the word**", "**x0_pred changes**", "**where it truly is**"} <= headed
    assert "**without it**" not in headed and "of one evaluation at timestep" in captions(at)
    at.text_input(key="attention.caption.a red car on a meadow").set_value("a car").run()
    study(at, "attention.cause.start")  # with words of one's own no mask is known
    assert "**where it truly is**" not in {m.value for m in at.markdown}
