"""The Glossary opens at the word of its address, and shows all others."""

from dashboard.shell.glossary import definition
from dashboard.shell.terms import TERMS
from tests.dashboard.forms import titles


def test_the_word_of_the_address_comes_first(open_page):
    at = open_page("glossary", term="x0_pred")
    assert titles(at) == ["Glossary"] and not at.exception
    assert [header.value for header in at.header] == ["x0_pred"]
    assert at.latex[0].value.strip("$\n ") == r"\hat x_0"
    shown = [markdown.value.replace("\\", "") for markdown in at.markdown]
    assert definition("x0_pred") in shown
    for term in TERMS:
        assert any(term.meaning in text and term.name in text for text in shown), term.name
    links = {link.proto.label for link in at.get("page_link")}
    assert links == {"One run", "Latents"}
