"""Tokens of every tokenizer of a pipeline are those that its encoders and network are given."""

import pandas as pd
import pytest
import torch

import sdlab
from sdlab.columns import TOKENS
from sdlab.text.pipeline_tokens import pipeline_tokens, prompt_texts
from sdlab.text.reading import note_ends, read, readings
from sdlab.text.sequence import text_sequence
from sdlab.text.tokenized import network_segments
from sdlab.text.tokens import run_tokens
from tests.text import pipelines
from tests.zoo import pipelines as zoo

PROMPT = "A red Parrot, on a beach"
WORDS = ["A", "red", "Parrot", ",", "on", "a", "beach"]


class Asked:
    """What an experiment says of its prompts."""

    id = "run"

    def __init__(self, prompt, negative_prompt="", **more):
        self.prompt, self.negative_prompt = prompt, negative_prompt
        vars(self).update(more)


def heard_of(pipe, experiment, guided=True, **more):
    """What the encoders are given for an experiment, and the network's text of both halves."""
    with readings(pipe) as heard:
        if pipe.__class__.__name__.startswith(("Flux", "QwenImage")):
            texts = [experiment.prompt, experiment.negative_prompt][: 1 + guided]
            embeds = [pipe.encode_prompt(text, **more)[0] for text in texts]
            return heard, [one[0] for one in embeds]
        out = pipe.encode_prompt(
            experiment.prompt,
            negative_prompt=experiment.negative_prompt,
            do_classifier_free_guidance=guided,
            **more,
        )
    if len(out) == 4 and out[1].ndim == 2:  # PixArt and Sana: embeddings and masks by turns
        return heard, [out[0][0], out[2][0]]
    return heard, [out[0][0], out[1][0]]


def words(table):
    kept = table[(table["kind"] == "word") & ~table["cut"]]
    return kept.drop_duplicates("word_index")["word"].tolist()


@pytest.mark.parametrize("name", ["sd1", "sd2"])
@pytest.mark.parametrize("prompt", ["", PROMPT, "parrot " * 80, "🦜 don't"])
def test_one_tokenizer_gives_the_table_that_it_always_gave(request, name, prompt):
    pipe = request.getfixturevalue(name)
    experiment = sdlab.Experiment(prompt=prompt, negative_prompt="blurry")
    expected = run_tokens(pipe.tokenizer, experiment)
    pd.testing.assert_frame_equal(pipeline_tokens(pipe, experiment), expected)
    with readings(pipe) as heard, torch.no_grad():
        pipe.encode_prompt(prompt, "cpu", 1, True, "blurry")
    pd.testing.assert_frame_equal(pipeline_tokens(pipe, experiment, heard), expected)
    assert len(heard) == 2 and not pipe.text_encoder._forward_hooks


@pytest.mark.parametrize("watched", [True, False])
def test_stable_diffusion_3_has_three_tokenizers(watched):
    pipe = pipelines.sd3()
    asked = Asked(PROMPT, prompt_3="a blue cat", max_sequence_length=20)
    more = {"prompt_2": None, "prompt_3": "a blue cat", "max_sequence_length": 20}
    heard = heard_of(pipe, asked, **more)[0] if watched else []
    table = pipeline_tokens(pipe, asked, heard)
    assert list(table.columns) == [*TOKENS][:2] + ["tokenizer"] + [*TOKENS][2:]
    sizes = table.groupby(["prompt", "tokenizer"]).size().to_dict()
    assert sizes == {
        ("prompt", "tokenizer"): 77,
        ("prompt", "tokenizer_2"): 77,
        ("prompt_3", "tokenizer_3"): 20,
        ("negative", "tokenizer"): 77,
        ("negative", "tokenizer_2"): 77,
        ("negative", "tokenizer_3"): 20,
    }
    each = {name: part for name, part in table[table["prompt"] != "negative"].groupby("tokenizer")}
    assert words(each["tokenizer"]) == WORDS
    assert each["tokenizer_2"]["id"].iloc[-1] == 0
    assert words(each["tokenizer_3"]) == ["a", "blue", "cat"]
    assert each["tokenizer_3"]["piece"].tolist()[:5] == ["▁a", "▁blue", "▁cat", "</s>", "<pad>"]


def test_the_text_of_stable_diffusion_3_is_clips_then_t5s():
    pipe = pipelines.sd3()
    asked = Asked(PROMPT, "blue", max_sequence_length=20)
    heard, embeds = heard_of(pipe, asked, prompt_2=None, prompt_3=None, max_sequence_length=20)
    texts = prompt_texts(pipe, asked, heard)
    for half, (text, network_text) in enumerate(zip((PROMPT, "blue"), embeds, strict=True)):
        table = text_sequence(texts, network_text, negative=half == 1)
        assert table["position"].tolist() == list(range(97))
        assert table["tokenizer"].tolist() == ["tokenizer"] * 77 + ["tokenizer_3"] * 20
        first, last = sdlab.tokens(pipe, text), sdlab.tokens(pipe, text, "text_encoder_3")
        assert table["id"].tolist() == first["id"].tolist() + last["id"].tolist()[:20]
    red = text_sequence(texts, embeds[0]).query("word == 'red'")
    assert red["position"].tolist() == [2, 79] and red["word_index"].nunique() == 1


def test_flux_reads_t5_alone():
    pipe = pipelines.flux()
    asked = Asked(PROMPT)
    heard, embeds = heard_of(pipe, asked, guided=False, prompt_2=None)
    assert [(one.part, len(one.ids), one.mask) for one in heard] == [
        ("text_encoder", 77, None),
        ("text_encoder_2", 512, None),
    ]
    table = text_sequence(prompt_texts(pipe, asked, heard), embeds[0])
    assert set(table["tokenizer"]) == {"tokenizer_2"}
    assert words(table) == WORDS
    assert table["kind"].value_counts()["end"] == 1
    assert (table.loc[table["kind"] == "pad", "id"] == 0).all()


def test_pixart_makes_letters_small_and_masks_the_pads():
    pipe = pipelines.pixart()
    asked = Asked(PROMPT, "Blue")
    heard, embeds = heard_of(pipe, asked)
    assert [one.mask.sum() for one in heard] == [8, 2]
    texts = prompt_texts(pipe, asked, heard)
    assert [words(text.table) for text in texts] == [WORDS, ["Blue"]]
    assert [len(text.table) for text in texts] == [120, 120]
    assert words(text_sequence(texts, embeds[1], negative=True)) == ["Blue"]


def test_qwen_image_drops_its_template():
    pipe = pipelines.qwen()
    asked = Asked(PROMPT, "blue")
    heard, embeds = heard_of(pipe, asked)
    texts = prompt_texts(pipe, asked, heard)
    table = texts[0].table
    assert words(table) == WORDS
    assert table["kind"].iloc[0] == table["kind"].iloc[-1] == "template"
    read_by_network = text_sequence(texts, embeds[0])
    assert len(read_by_network) == len(table) - pipe.prompt_template_encode_start_idx
    assert words(read_by_network) == words(table)
    assert read_by_network["kind"].iloc[0] == "word"
    assert words(text_sequence(texts, embeds[1], negative=True)) == ["blue"]


@pytest.mark.parametrize(("length", "kept"), [(3, ["A"]), (512, WORDS)])
def test_what_qwen_image_cuts_off_behind_its_encoder_is_cut(length, kept):
    pipe = pipelines.qwen()
    asked = Asked(PROMPT, "blue", max_sequence_length=length)
    heard, embeds = heard_of(pipe, asked, max_sequence_length=length)
    for text in embeds:
        note_ends(heard, text[None])
    table = pipeline_tokens(pipe, asked, heard).query("prompt == 'prompt'")
    assert [word for word in WORDS if word in words(table)][: len(kept)] == kept
    seen = int((~table["cut"]).sum())
    assert seen == pipe.prompt_template_encode_start_idx + len(embeds[0])
    assert not table["cut"].iloc[:seen].any() and table["cut"].iloc[seen:].all()
    assert table["mask"].tolist() == (~table["cut"]).astype(int).tolist()
    assert ("beach" in words(table)) == (length > 3)


def test_a_run_s_table_says_what_qwen_image_s_network_did_not_get():
    pipe, _ = zoo.build("QwenImagePipeline")
    start = pipe.prompt_template_encode.split("{}")[0]
    before = len(pipe.tokenizer(start)["input_ids"])
    room = before + 2 - pipe.prompt_template_encode_start_idx
    model = sdlab.load(pipe)
    fields = {
        "prompt": "a red car",
        "negative_prompt": "rain " * 3,
        "num_steps": 1,
        "solver": "euler",
    }
    fields |= {"solver": "euler", "width": 64, "height": 64, "true_cfg_scale": 4.0}
    long, short = (
        sdlab.run(model, sdlab.Experiment(**fields, max_sequence_length=length)).tokens
        for length in (256, room)
    )
    for name in ("prompt", "negative"):
        own = short[short["prompt"] == name]
        assert int((~own["cut"]).sum()) == before + 2
    assert words(long[long["prompt"] == "prompt"]) == ["a", "red", "car"]
    assert "car" not in words(short) and not long["cut"].any()
    assert short["piece"].tolist() == long["piece"].tolist()


def test_an_example_in_a_template_is_not_taken_for_the_prompt():
    pipe = pipelines.sana()
    asked = Asked("a cat", "")
    instruction = ["- User: a cat -> a cat sleeping in the sun", "User: "]
    heard, embeds = heard_of(
        pipe, asked, complex_human_instruction=instruction, max_sequence_length=40
    )
    texts = prompt_texts(pipe, asked, heard)
    table = texts[0].table
    first = table.index[table["kind"] == "word"][0]
    assert words(table)[-1] == "cat"
    assert (table["kind"].iloc[:first] == "template").all() and first > 30
    assert set(table["kind"].iloc[first:]) == {"word", "pad"}


@pytest.mark.parametrize("watched", [True, False])
def test_what_does_not_fit_is_cut_by_each_tokenizer_at_its_own_length(watched):
    pipe = pipelines.sd3()
    asked = Asked("parrot " * 80, "", max_sequence_length=12)
    more = {"prompt_2": None, "prompt_3": None, "max_sequence_length": 12}
    heard = heard_of(pipe, asked, **more)[0] if watched else []
    table = pipeline_tokens(pipe, asked, heard).query("prompt == 'prompt'")
    kept = table[~table["cut"]].groupby("tokenizer")["kind"].value_counts()
    assert kept["tokenizer", "word"] == kept["tokenizer_2", "word"] == 75
    assert kept["tokenizer_3", "word"] == 11 and kept["tokenizer_3", "end"] == 1
    cut = table[table["cut"]].groupby("tokenizer").size()
    assert cut.to_dict() == {"tokenizer": 5, "tokenizer_2": 5, "tokenizer_3": 69}


def test_a_negative_prompt_that_was_not_read_is_told_by_the_tokenizer():
    pipe = pipelines.flux()
    asked = Asked(PROMPT, PROMPT)
    heard, _ = heard_of(pipe, asked, guided=False, prompt_2=None)
    texts = prompt_texts(pipe, asked, heard)
    assert [text.reading is None for text in texts] == [False, False, True, True]
    assert texts[3].table["id"].tolist() == texts[1].table["id"].tolist()


def test_numbers_that_no_encoder_gave_are_not_guessed():
    pipe = pipelines.flux()
    asked = Asked(PROMPT)
    heard, embeds = heard_of(pipe, asked, guided=False, prompt_2=None)
    texts = prompt_texts(pipe, asked, heard)
    other = torch.cat([embeds[0][:3], torch.ones(2, 32), torch.zeros(1, 32)])
    table = text_sequence(texts, other)
    assert table["kind"].tolist() == ["word"] * 3 + ["unknown"] * 2 + ["pad"]
    foreign = text_sequence(texts, torch.ones(5, 32))
    assert set(foreign["kind"]) == {"unknown"}
    same_length = text_sequence(prompt_texts(pipe, asked), torch.ones(512, 32))
    assert words(same_length) == words(text_sequence(texts, embeds[0]))


def test_a_prompt_is_read_with_the_defaults_of_the_pipelines_call():
    assert [len(one.ids) for one in read(pipelines.flux(), PROMPT)] == [77, 512]
    assert [len(one.ids) for one in read(pipelines.flux(), PROMPT, 64)] == [77, 64]
    one = read(pipelines.sana(), "a cat")[0]  # its call has an instruction by default
    assert one.mask.sum() > 300
    assert read(object(), "a cat") == []


TOLD = {
    "AuraFlowPipeline": 1,
    "BriaFiboPipeline": 1,
    "CogView4Pipeline": 1,
    "HiDreamImagePipeline": 4,
    "HunyuanDiTPipeline": 2,
    "Lumina2Pipeline": 1,
    "WanPipeline": 1,
    "ZImagePipeline": 1,
}


@pytest.mark.parametrize("name", TOLD)
def test_the_words_of_every_kind_of_pipeline_are_found_in_what_it_reads(name):
    pipe, _ = zoo.build(name)
    more = {"max_sequence_length": 64} if name != "HunyuanDiTPipeline" else {}
    if name == "BriaFiboPipeline":
        more |= {"guidance_scale": 1.0}
    if name == "Lumina2Pipeline":
        more |= {"system_prompt": "Draw:"}
    turns = (0, 1) if name == "HunyuanDiTPipeline" else (None,)
    with readings(pipe) as heard, torch.no_grad():
        for index in turns:
            given = more if index is None else {"text_encoder_index": index}
            pipe.encode_prompt(PROMPT, **given)
    texts = [text for text in prompt_texts(pipe, Asked(PROMPT), heard) if not text.negative]
    assert [words(text.table) for text in texts] == [WORDS] * TOLD[name]
    assert all(text.reading is not None for text in texts)


def test_hunyuandit_is_read_by_both_its_encoders():
    assert {one.part for one in read(zoo.build("HunyuanDiTPipeline")[0], "a cat")} == {
        "text_encoder",
        "text_encoder_2",
    }


def test_a_half_is_not_taken_for_the_other_by_its_length():
    pipe = pipelines.pixart()
    asked = Asked(PROMPT, "Blue")
    heard, embeds = heard_of(pipe, asked)
    texts = prompt_texts(pipe, asked, heard)
    assert set(text_sequence(texts, embeds[1])["kind"]) == {"unknown"}


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("sd3", 333, [("", 0, 77, 0), ("_2", 0, 77, 0), ("_3", 77, 333, 0)]),
        ("flux", 512, [("_2", 0, 512, 0)]),
        ("pixart", 120, [("", 0, 120, 0)]),
    ],
)
def test_which_positions_of_the_networks_text_are_whose(name, count, expected):
    found, table = network_segments(getattr(pipelines, name)(), PROMPT)
    rows = [(f"tokenizer{suffix}", *rest) for suffix, *rest in expected]
    assert found == count and list(table.itertuples(index=False, name=None)) == rows


def test_a_template_that_is_dropped_shows_in_where_the_text_begins():
    pipe = pipelines.qwen()
    count, table = network_segments(pipe, PROMPT)
    start = pipe.prompt_template_encode_start_idx
    assert list(table.itertuples(index=False, name=None)) == [("tokenizer", 0, count, start)]
    assert network_segments(object(), PROMPT) is None


@pytest.mark.parametrize("name", ["FluxPipeline", "HunyuanImagePipeline"])
def test_a_negative_prompt_that_is_not_encoded_has_no_rows(name):
    model = sdlab.load(zoo.build(name)[0])
    asked = sdlab.Experiment("a red car", num_steps=1, width=64, height=64, negative_prompt="rain")
    assert not sdlab.plan(model, asked).guided
    table = sdlab.run(model, asked).tokens
    assert set(table["prompt"]) == {"prompt"} and len(set(table["tokenizer"])) == 2


def test_a_negative_prompt_that_is_encoded_has_rows():
    pipe = zoo.build("FluxPipeline")[0]
    asked = sdlab.Experiment(
        "a red car", num_steps=1, width=64, height=64, negative_prompt="rain", true_cfg_scale=3
    )
    tables = {"ours": sdlab.run(sdlab.load(pipe), asked).tokens}
    with sdlab.trace(pipe) as traced:
        pipe("a red car", negative_prompt="rain", num_inference_steps=1, width=64, height=64)
    tables["traced"] = traced.tokens
    assert set(tables["ours"]["prompt"]) == {"prompt", "negative"}
    assert set(tables["traced"]["prompt"]) == {"prompt"}
