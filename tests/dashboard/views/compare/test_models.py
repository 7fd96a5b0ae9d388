"""The section that sets two models side by side, on stored comparisons of both."""

import pytest

import sdlab
from dashboard.charts import compare_across
from dashboard.shell.lab import lab
from dashboard.views.compare.model_sections import OWN, counterpart, stored
from sdlab.comparing.across import across
from sdlab.shipped import EMBEDDED, FLOW
from tests.dashboard.forms import errors

ASKED = {
    "prompts": ("a parrot on a beach",),
    "seeds": (0, 1),
    "budget": 2,
    "align": "nfe",
    "reference_steps": 0,
    "curve": None,
}


@pytest.fixture(scope="module")
def made(embedded):
    """A comparison on each model, the runs in memory."""
    first = sdlab.compare(embedded, entrants=["ddim"], **ASKED)
    return first, sdlab.compare(sdlab.load(FLOW, device="cpu"), entrants=["euler"], **ASKED)


def keep(results):
    for result in results:
        result.save(lab().runs)
        for run in result.made.values():
            run.save(lab().runs)


@pytest.mark.every
def test_a_comparison_is_set_against_one_of_the_other_model(open_page, made):
    keep(made)
    at = open_page("compare", id=made[0].id, **{"compare.section": "Another model"})
    assert not at.exception and not errors(at)
    assert at.selectbox(key="compare.across_first").options == ["ddim"]
    assert at.selectbox(key="compare.across_other").options == ["euler"]
    assert made[1].id in [one.id for one in stored(lab().runs)]


def test_without_one_the_page_offers_to_make_it(open_page, made):
    keep(made[:1])
    lonely = made[0].comparison.with_(prompts=("a house in the snow",))
    alone = sdlab.compare(sdlab.load(device="cpu"), lonely)
    keep([alone])
    at = open_page("compare", id=alone.id, **{"compare.section": "Another model"})
    assert not at.exception and not errors(at)
    assert FLOW in at.button(key="compare.set_up_other").label


def test_the_counterpart_asks_for_the_same_at_the_same_evaluations(made):
    other = counterpart(made[0].comparison, FLOW)
    for name in ("prompts", "seeds", "budget", "align", "guidance_scale"):
        assert getattr(other, name) == getattr(made[0].comparison, name)
    assert other.model == FLOW and [(e.solver, e.curve) for e in other.entrants] == list(OWN[FLOW])
    assert counterpart(other, EMBEDDED).model == EMBEDDED


def test_the_chart_names_both_models_and_wants_its_columns(made):
    table = across(*made, "ddim", "euler")
    chart = compare_across.across(table, EMBEDDED, FLOW).to_dict()
    (data,) = chart["datasets"].values()
    assert {row["model"] for row in data} == {EMBEDDED, FLOW} and len(data) == 2
    with pytest.raises(ValueError, match="half"):
        compare_across.across(table.drop(columns="half"), EMBEDDED, FLOW)
