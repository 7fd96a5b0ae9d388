"""Our tokenizer gives the ids that transformers' CLIPTokenizer gives."""

import json
import re
import shutil

import pytest
from transformers import CLIPTokenizer

from sdlab.errors import ModelError
from sdlab.reference.model import read_tokenizer
from sdlab.shipped import FOLDER
from tests.reference.prompts import WORDS, odd_prompts


@pytest.fixture(scope="module")
def shipped():
    return read_tokenizer(FOLDER / "tokenizer")


def folder_like_2_1(path):
    """The embedded model's, with the settings of Stable Diffusion 2.1's."""
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(FOLDER / "tokenizer" / name, path)
    ends = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    plain = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    config = {
        key: {"__type": "AddedToken", "content": token, **plain} for key, token in ends.items()
    }
    config |= {"pad_token": "<|endoftext|>", "model_max_length": 77, "do_lower_case": True}
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    tokens = {key: {"content": token, **plain} for key, token in ends.items()} | {"pad_token": "!"}
    (path / "special_tokens_map.json").write_text(json.dumps(tokens))
    return path


def ids_of(theirs, prompts):
    return theirs(
        prompts, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    ).input_ids


def different(ours, theirs, prompts):
    rows = (ours(prompts) != ids_of(theirs, prompts)).any(dim=1)
    return [prompt for prompt, odd in zip(prompts, rows.tolist(), strict=True) if odd]


def test_ids_are_those_of_transformers(shipped):
    theirs = CLIPTokenizer.from_pretrained(FOLDER / "tokenizer", local_files_only=True)
    assert not different(shipped, theirs, [*WORDS, *odd_prompts(400)])


def test_ids_with_the_settings_of_2_1(tmp_path):
    folder = folder_like_2_1(tmp_path)
    theirs = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    ours = read_tokenizer(folder)
    assert not different(ours, theirs, ["", "hello! !! wow!", *WORDS, *odd_prompts(150)])
    assert ours([""])[0, 2:].unique().tolist() == [0]


@pytest.mark.parametrize("settings", ["embedded", "2.1"])
def test_a_folder_that_transformers_5_saved(tmp_path, settings):
    shipped = FOLDER / "tokenizer"
    (tmp_path / "before").mkdir()
    before = shipped if settings == "embedded" else folder_like_2_1(tmp_path / "before")
    CLIPTokenizer.from_pretrained(before, local_files_only=True).save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.json").exists()
    theirs = CLIPTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert not different(read_tokenizer(tmp_path), theirs, [*WORDS, *odd_prompts(50)])


def test_a_folder_that_transformers_4_saved(tmp_path):
    """Its tokenizer_config.json has the added tokens, and the file beside it is not read."""
    folder = folder_like_2_1(tmp_path)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    plain = {"lstrip": False, "rstrip": False, "single_word": False, "special": True}
    config["added_tokens_decoder"] = {
        "49406": {"content": "<|startoftext|>", "normalized": False, **plain},
        "49407": {"content": "<|endoftext|>", "normalized": False, **plain},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    theirs = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    assert theirs.pad_token_id == 49407
    assert not different(read_tokenizer(folder), theirs, ["wow!", *odd_prompts(50)])


def test_a_long_prompt_is_cut(shipped):
    ids = shipped(["fox " * 100])
    assert ids.shape == (1, 77)
    assert ids[0, -1] == shipped.end


def test_a_folder_without_a_vocabulary(tmp_path):
    with pytest.raises(ModelError, match=re.escape(str(tmp_path))):
        read_tokenizer(tmp_path)
