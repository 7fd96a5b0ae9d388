"""``sdlab tokens`` of a model with several tokenizers."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import sdlab
from sdlab.cli import app
from tests.text import pipelines


@pytest.fixture(autouse=True)
def three(monkeypatch):
    model = SimpleNamespace(pipeline=pipelines.sd3())
    monkeypatch.setattr(sdlab, "load", lambda name, device: model)


def call(*args):
    return CliRunner().invoke(app, ["tokens", "a red cat", "--model", "sd3", *args])


def test_the_first_tokenizer_is_shown_and_the_others_named():
    done = call()
    assert done.exit_code == 0, done.output
    assert "by its tokenizer; it also has tokenizer_2, tokenizer_3." in done.stderr
    assert "72 pads are not shown" in done.stderr and "red</w>" in done.stdout


def test_t5_is_shown_when_it_is_named():
    done = call("--tokenizer", "tokenizer_3")
    assert done.exit_code == 0 and "it also has" not in done.stderr
    assert "252 pads are not shown" in done.stderr
    assert [line.split()[2] for line in done.stdout.splitlines()[1:]] == [
        "▁a", "▁red", "▁cat", "</s>",
    ]  # fmt: skip


def test_a_tokenizer_that_is_not_there_is_refused():
    done = call("--tokenizer", "tokenizer_4")
    assert done.exit_code == 2 and "Unknown tokenizer 'tokenizer_4'" in done.stderr
