"""Two models on the same captions, in pairs of pictures."""

import math

import pytest

import sdlab
from sdlab.comparing.across import COLUMNS, across, comparable, pairs_of
from sdlab.shipped import EMBEDDED, FLOW

pytestmark = pytest.mark.every

PROMPTS = ("a parrot on a beach", "a tree at night")


@pytest.fixture(scope="module")
def results(embedded):
    asked = {"prompts": PROMPTS, "seeds": (0, 1), "budget": 2, "align": "nfe"}
    asked |= {"reference_steps": 0, "curve": None, "more_budgets": (3,)}
    flow = sdlab.load(FLOW, device="cpu")
    first = sdlab.compare(embedded, entrants=["ddim", "euler"], **asked)
    return first, sdlab.compare(flow, entrants=["euler"], **{**asked, "seeds": (1, 2)})


def test_only_comparisons_of_another_model_with_something_in_common_count(results):
    first, other = results
    assert (first.model_name, other.model_name) == (EMBEDDED, FLOW)
    assert comparable(first, [first, other]) == [other]
    assert comparable(other, [first, other]) == [first]


def test_pairs_are_of_one_prompt_seed_and_budget(results):
    first, other = results
    pairs = pairs_of(first, other, "ddim", "euler")
    assert set(pairs["seed"]) == {1} and set(pairs["prompt"]) == set(PROMPTS)
    assert (pairs["nfe"] == pairs["budget"]).all() and (pairs["nfe_other"] == pairs["nfe"]).all()
    runs = first.tables["runs"].set_index("run")
    for row in pairs.to_dict("records"):
        assert runs.loc[row["run"], "fidelity"] == row["fidelity"]
        assert runs.loc[row["run"], "entrant"] == "ddim"


def test_a_row_sums_up_the_pairs_of_a_budget(results):
    first, other = results
    table = across(first, other, "ddim", "euler")
    assert list(table.columns) == list(COLUMNS) and list(table["budget"]) == [2, 3]
    pairs = pairs_of(first, other, "ddim", "euler")
    for row in table.to_dict("records"):
        more = pairs[pairs["budget"] == row["budget"]].eval("fidelity_other - fidelity")
        assert row["pictures"] == 2 and row["more"] == pytest.approx(more.mean())
        assert row["only_other"] - row["only_first"] == (more > 0).sum() - (more < 0).sum()
        assert row["more"] == pytest.approx(row["fidelity_other"] - row["fidelity"])
        assert not math.isnan(row["half"])


def test_a_sampler_that_was_not_compared_is_named(results):
    with pytest.raises(ValueError, match="heun"):
        across(*results, "heun", "euler")
