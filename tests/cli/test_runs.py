"""The commands of ``sdlab runs``: list, query, tag, rm, restore, trash."""

import io
import json
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

import sdlab
from sdlab.cli import app
from sdlab.runs.parts import COMPARISONS
from tests.runs.conftest import copy_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    spec = sdlab.Experiment(prompt="a cat", num_steps=1, width=64, height=64)
    root = tmp_path_factory.mktemp("cli") / "runs"
    stored = sdlab.run(sdlab.load(device="cpu"), spec).save(root)
    copy_of(stored, solver="heun", prompt="a dog")
    return root


def call(*words, root):
    return CliRunner().invoke(app, ["runs", *words, "--root", str(root)])


def listed(*words, root):
    return pd.read_csv(io.StringIO(call("ls", *words, "--csv", root=root).stdout))


def test_runs_are_found_and_sorted(made):
    assert (
        listed(root=made)["prompt"].tolist() == listed("--limit", "9", root=made)["prompt"].tolist()
    )
    assert listed("DOG", root=made)["solver"].tolist() == ["heun"]
    assert listed("--solver", "ddim", root=made)["prompt"].tolist() == ["a cat"]
    by = listed("--order", "prompt", "--ascending", root=made)
    assert by["prompt"].tolist() == ["a cat", "a dog"]
    assert len(listed("--since", "2999-01-01", root=made)) == 0
    assert "No run in" in call("ls", "unicorn", root=made).stdout
    assert "a dog" in call("ls", "--order", "bytes", root=made).stdout
    refused = call("ls", "--order", "promt", root=made)
    assert refused.exit_code == 2 and "Did you mean 'prompt'" in refused.stderr


def test_a_comparison_is_one_row(made):
    cat, dog = (listed(word, root=made)["run"][0] for word in ("cat", "dog"))
    folder = made / COMPARISONS / ("c" * 16)
    folder.mkdir(parents=True)
    spec = {"entrants": [{"solver": "heun"}], "prompts": ["a dog"]}
    told = {"format": 1, "runs": [dog], "comparison": spec}
    (folder / "manifest.json").write_text(json.dumps(told))
    try:
        for words in ([], ["ls"]):
            printed = call(*words, root=made).stdout
            assert folder.name in printed and "comparison of 1 run: heun: a dog" in printed
            assert cat in printed and dog not in printed
        assert dog in call("ls", "--comparison", "all", root=made).stdout
        only = call("ls", "--comparison", folder.name, root=made).stdout
        assert dog in only and cat not in only
        assert dog not in call("ls", "--comparison", "alone", root=made).stdout
        assert set(listed(root=made)["run"]) == {cat, dog}
    finally:
        shutil.rmtree(folder)


def test_sql_is_answered(made):
    done = call("query", "SELECT count(*) AS n FROM runs", "--csv", root=made)
    assert done.exit_code == 0 and done.stdout.splitlines()[-1] == "2"
    refused = call("query", "DROP TABLE runs", root=made)
    assert refused.exit_code == 2 and "must be one SELECT" in refused.stderr


def test_runs_are_marked_deleted_and_restored(made):
    run = listed("cat", root=made)["run"][0]
    assert (
        call("tag", run[:6], "--add", "good", "--star", "--note", "mine", root=made).exit_code == 0
    )
    row = listed("--tag", "good", "--star", root=made).iloc[0]
    assert (row["run"], row["note"]) == (run, "mine")
    assert call("tag", run, root=made).exit_code == 2
    assert call("rm", run[:6], root=made).exit_code == 0
    assert listed(root=made)["prompt"].tolist() == ["a dog"]
    assert "1 in the trash" in call("trash", root=made).stdout
    assert call("restore", run[:6], root=made).exit_code == 0
    assert len(listed("--tag", "good", root=made)) == 1
    call("rm", run, root=made)
    assert "1 deleted for ever" in call("trash", "--empty", root=made).stdout
    missing = call("restore", run, root=made)
    assert missing.exit_code == 1 and "begins with" in missing.stderr


def test_runs_are_tidied(made):
    assert call("tidy", root=made).exit_code == 2
    said = call("tidy", "--days", "1", "--gib", "1", "--dry-run", root=made)
    assert said.exit_code == 0 and "0 would be moved to the trash" in said.stdout
