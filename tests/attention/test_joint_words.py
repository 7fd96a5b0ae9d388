"""Words of a text that two tokenizers read, one after the other, as in Stable Diffusion 3."""

from copy import deepcopy

import numpy as np
import pytest
import torch

import sdlab
from sdlab.attention import analysis, places, planning, views
from sdlab.attention.collector import Collector
from sdlab.attention.hooks import Part, recording
from sdlab.attention.maps import AttentionMaps
from sdlab.attention.network_text import bound, network_tokens
from sdlab.errors import StoreError
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.runs.attention import open_attention, save_attention
from sdlab.text.pipeline_tokens import prompt_texts
from sdlab.text.reading import readings
from tests.zoo.pipelines import build

PROMPT = "a red car and a cat"
SIZE = (8, 12)


@pytest.fixture(scope="module")
def call():
    """A tiny Stable Diffusion 3, a call of its network, and the token tables of its halves."""
    pipe, words = build("StableDiffusion3Pipeline")
    calls = []
    handle = pipe.transformer.register_forward_pre_hook(
        lambda _, args, kwargs: calls.append(deepcopy((args, kwargs))), with_kwargs=True
    )
    with readings(pipe) as heard:
        pipe(**{**words, "prompt": PROMPT, "negative_prompt": "rain", "height": 64, "width": 96})
    handle.remove()
    texts = prompt_texts(pipe, sdlab.Experiment(prompt=PROMPT, negative_prompt="rain"), heard)
    arguments = bound(pipe.transformer, *calls[0])
    tables = {
        half: network_tokens(texts, pipe.transformer, arguments, row, half == "uncond")
        for half, row in (("cond", 1), ("uncond", 0))
    }
    return pipe.transformer, calls[0], tables


def recorded(call, **fields):
    network, (args, kwargs), tables = call
    record = AttentionRecord(**{"dtype": "float32", "halves": "both", **fields})
    counts = {half: planning.count_kept(tables, half, record) for half in record.kept_halves}
    layers = planning.choose_layers(network, record, SIZE)
    collector = Collector(record, layers, counts, 1)
    with torch.no_grad(), recording(network, [Part(collector, {"cond": 1, "uncond": 0})]):
        network(*args, **kwargs)
    collector.commit(0, 0, 500.0, 1.0)
    return collector.finish(SIZE, tables)


@pytest.fixture(scope="module")
def maps(call):
    return recorded(call, heads="all")


def test_a_word_is_the_sum_of_both_its_places(call, maps):
    whole = recorded(call, heads="all", tokens="all")
    assert whole.kept_tokens() == 77 + 16
    clip, t5 = (place for place in maps.positions("car"))
    assert clip < 77 <= t5
    assert len(maps.kept_positions()) == maps.kept_tokens() < 30
    layer = maps.cross_layers[0]
    own = whole.maps(layer)[:, :, [clip, t5]].sum(2).mean((0, 1))
    torch.testing.assert_close(torch.from_numpy(maps.heatmap("car")), own)
    np.testing.assert_allclose(whole.heatmap("car"), maps.heatmap("car"), rtol=1e-6)
    assert maps.words.count("car") == 1
    with pytest.raises(ValueError, match=r"Position 20 was not recorded, only 0 to 7, 77 to "):
        maps.heatmap(20)


def test_the_text_s_share_is_a_figure_of_its_own(call, maps):
    share = views.text_share(maps)
    assert share.shape == (4, 6)
    assert 0 < share.min() <= share.max() < 1
    table = analysis.text_share(maps)
    assert list(table.columns) == ["step", "evaluation", "sigma", "layer", "head", "share"]
    assert len(table) == len(maps.cross_layers) * maps.cross_layers[0].heads
    assert table["share"].mean() == pytest.approx(float(share.mean()), rel=1e-5)
    one = analysis.text_share(maps, head=1)
    assert one["head"].tolist() == [1]
    assert one["share"].tolist() == table["share"].tolist()[1:2]
    kinds = analysis.kind_mass(maps).set_index("kind")["mass"]
    assert kinds["picture"] == pytest.approx(1 - float(share.mean()), rel=1e-5)
    assert kinds.sum() == pytest.approx(1)
    assert kinds["pad"] > 0


def test_the_table_has_the_share(call, maps):
    table = maps.table
    assert list(table.columns)[-1] == "text_share"
    positions = table.loc[table["half"] == "cond", "position"].unique().tolist()
    assert positions == list(maps.kept_positions())
    every = recorded(call, heads="all", tokens="all").table
    sums = every.groupby(["half", "head"])[["mass"]].sum()["mass"]
    shares = every.groupby(["half", "head"])["text_share"].first()
    np.testing.assert_allclose(sums, shares, rtol=1e-5)


def test_words_at_a_place(maps):
    found = places.words_at(maps, 0.3, 0.7).set_index("word")["share"]
    place = maps.maps(maps.cross_layers[0])[..., 2, 1].mean((0, 1))
    expected = place[maps.indices(maps.positions("car"))].sum()
    assert found["car"] == pytest.approx(float(expected), rel=1e-5)
    assert found["picture"] > 0 and found.sum() == pytest.approx(1)


def test_maps_are_opened_as_they_were_saved(maps, tmp_path):
    path = tmp_path / "attention.safetensors"
    save_attention(maps, path)
    again = open_attention(path)
    assert again.facts == maps.facts
    assert again.positions("car") == maps.positions("car")
    assert torch.equal(again.text_share(maps.cross_layers[0]), maps.text_share(maps.names[0]))
    assert "tokenizer" in again.tokens["cond"]
    tensors = {name: x for name, x in maps.tensors.items() if not name.endswith("/share")}
    save_attention(AttentionMaps(maps.facts, tensors, maps.tokens), path)
    with pytest.raises(StoreError, match="lacks the text's share"):
        open_attention(path)


def run(name, tokens="prompt", **fields):
    record = sdlab.Record((), attention=AttentionRecord(tokens=tokens))
    fields = {"num_steps": 1, "solver": "euler", "width": 64, "height": 64, **fields}
    model = sdlab.load(build(name)[0])
    return sdlab.run(model, sdlab.Experiment(**fields, record=record)).trace.attention


@pytest.mark.parametrize(
    ("name", "count", "limit"),
    [
        ("StableDiffusion3Pipeline", 90, "the tokenizers' limits"),
        ("FluxPipeline", 30, "the 16-token limit"),
        ("QwenImagePipeline", 3, "the 16-token limit"),
    ],
)
def test_a_word_that_was_cut_off_is_said_to_be(name, count, limit):
    maps = run(name, prompt="word " * count + "zebra", max_sequence_length=16)
    with pytest.raises(ValueError, match=f"'zebra' lies past {limit} and was cut off"):
        maps.positions("zebra")
    there = "word" if name != "QwenImagePipeline" else r"\(all were cut off\)"
    with pytest.raises(ValueError, match=f"has no word 'dog'.*Its words: {there}"):
        maps.positions("dog")
    cut = maps.tokens["cond"]["cut"].tolist()
    assert cut == sorted(cut) and "zebra" not in maps.words
    assert maps.tokens["cond"]["position"].tolist() == list(range(len(cut)))


def test_a_word_that_one_tokenizer_cut_is_where_the_other_has_it():
    maps = run("StableDiffusion3Pipeline", prompt="word " * 30 + "zebra", max_sequence_length=16)
    assert all(place < 77 for place in maps.positions("zebra"))


@pytest.mark.parametrize("tokens", ["prompt", "all"])
def test_a_word_of_the_prompt_beside_the_first_is_found(tokens, tmp_path):
    prompts = {"prompt": "a red car", "prompt_2": "green dog " + "leaf " * 80 + "zebra"}
    fields = {"prompt_3": "yellow cat on a mat", "max_sequence_length": 16}
    maps = run("StableDiffusion3Pipeline", tokens, **prompts, **fields)
    assert maps.positions("car") == [3]
    first = maps.tokens["cond_2"].query("word == 'dog'")["position"].tolist()
    assert maps.positions("dog") == first and max(first) < 77
    assert min(maps.positions("mat")) >= 77
    assert np.isfinite(maps.heatmap("dog")).all()
    for word in ("zebra", "leaf zebra"):
        with pytest.raises(ValueError, match=f"'{word}' lies past .* was cut off"):
            maps.positions(word)
    with pytest.raises(ValueError, match="has no word 'bird'"):
        maps.positions("bird")
    save_attention(maps, tmp_path / "attention.safetensors")
    assert open_attention(tmp_path / "attention.safetensors").positions("dog") == first


def test_another_prompt_that_the_network_is_not_given_has_no_words():
    maps = run("FluxPipeline", prompt="a red car", prompt_2="green dog", max_sequence_length=16)
    assert maps.positions("dog") and "cond_2" not in maps.tokens
    with pytest.raises(ValueError, match="has no word 'car'"):
        maps.positions("car")
