"""Every word left out in turn: its rows, its order, and that joint calls change nothing."""

import numpy as np
import pytest

import sdlab
from sdlab.causes import change
from sdlab.causes.counterfactuals import counterfactuals
from sdlab.causes.every_word import every_word
from sdlab.work import finish

ASKED = sdlab.Experiment(prompt="a red car, a red cat", seed=3, num_steps=2, model="small")


@pytest.fixture(scope="module")
def found(small):
    return finish(every_word(small, ASKED))


def test_each_word_has_a_row_the_largest_change_first(found):
    assert found.words == ("a", "red", "car", ",", "a (2)", "red (2)", "cat")
    table = found.table()
    assert sorted(table["word"]) == sorted(found.words)
    assert table["rms_pixels"].is_monotonic_decreasing and (table["rms_x0_pred"] > 0).all()
    assert table["score"].isna().all() and (table["lost"] == "").all()  # no checker knows it
    assert set(found.pictures) == set(found.words)


def test_a_words_run_is_the_run_of_the_prompt_without_it_within_rounding(small, found):
    alone = sdlab.run(small, ASKED.with_(prompt="a red car, a cat"))
    outcome = found.runs.changed[found.words.index("red (2)")]
    assert outcome.change.fields == (("prompt", "a red car, a cat"),)
    assert np.allclose(outcome.latents, alone.latents, atol=1e-4)
    row = found.table().set_index("word").loc["red (2)"]
    plain = sdlab.run(small, ASKED)
    gap = alone.trace.x0_pred - plain.trace.x0_pred
    assert row["rms_x0_pred"] == pytest.approx(float(gap.square().mean().sqrt()), rel=1e-2)


def test_progress_counts_the_evaluations_of_all_runs(small):
    assert list(every_word(small, ASKED.with_(prompt="a cat"))) == [(3, 6), (6, 6)]


def test_what_cannot_be_done_is_refused(small):
    with pytest.raises(ValueError, match="prompt must have words"):
        finish(every_word(small, ASKED.with_(prompt="")))
    off = change.skip_off("all")
    with pytest.raises(ValueError, match="together needs changes without switches"):
        finish(counterfactuals(small, ASKED, [off], together=True))
