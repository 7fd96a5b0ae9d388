"""Words are defined once, plainly, and found where they stand in a text."""

import json
import re

import pytest

from dashboard.shell.glossary import (
    MOST,
    by_name,
    definition,
    definitions,
    found_in,
    listed,
    term_url,
)
from dashboard.shell.navigation import entries
from dashboard.shell.terms import TERMS


def test_each_word_is_defined_once_in_at_most_three_sentences():
    assert len(by_name()) == len(TERMS) >= 40
    for term in TERMS:
        assert re.fullmatch(r"[A-Z0-9a-z].*\.", term.meaning), term.name
        assert len(re.findall(r"[.:](?= [A-Z])|\.$", term.meaning)) <= 3, term.name
        assert set(term.pages) <= set(entries()), term.name


@pytest.mark.parametrize("name", ["x_t", "eps", "sigma", "alpha_bar", "evaluation", "guidance"])
def test_what_is_shown_behind_fields_is_the_glossarys(name):
    term = next(term for term in TERMS if term.name == name)
    assert definition(name) == term.meaning
    assert by_name()[name] is term and term_url(term).endswith(f"/glossary?term={name}")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Noise level against x0_pred", ["sigma", "x0_pred"]),
        ("The spread of x_t by channel", ["spread"]),
        ("cross-attention of a word", ["cross-attention"]),
        ("Guidance rescale", ["guidance rescale"]),
        ("Every evaluation; evaluate", ["evaluation"]),
        ("Use vp and ve", []),
        ("In VP, not VE", ["VP", "VE"]),
        ("eps_pred, x0_pred and eta", ["eps", "x0_pred", "eta"]),
        ("theta is no eta_std", []),
        ("", []),
    ],
)
def test_words_are_found_in_their_order(text, names):
    assert [term.name for term in found_in(text)] == names


def test_definitions_are_few_and_none_where_no_word_stands():
    assert definitions("A sentence.", "") is None
    text = definitions("sigma, timestep", "SNR, alpha_bar, VP and VE")
    assert text.count("/glossary?term=") == MOST
    assert text.startswith("[**sigma**](/glossary?term=sigma): The noise level: how strong")


def test_a_name_of_two_words_is_quoted_in_the_address():
    assert term_url(by_name()["flow matching"]).endswith("/glossary?term=flow%20matching")


def test_a_definition_is_plain_markdown():
    (term,) = found_in("x_t")
    assert r"[**x\_t**]" in listed([term]) and r"sqrt(alpha\_bar)" in listed([term])


def test_the_terms_go_to_the_browser_as_data_that_can_leave_no_script():
    from dashboard.components.browser_files import script
    from dashboard.shell import hover

    assert hover._PLACE in script(hover.__file__)
    told = json.loads(hover._terms())
    assert {name for name, *_ in told} == {term.name for term in TERMS if term.words}
    assert "<" not in hover._terms()
