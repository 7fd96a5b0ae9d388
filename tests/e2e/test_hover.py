"""The Glossary's words are told at the pointer, where each first stands on a page."""

from contextlib import suppress

from playwright.sync_api import TimeoutError

from dashboard.shell.glossary import by_name
from tests.e2e.conftest import settle

FIRST = """(name) => {
  const ranges = [...CSS.highlights.get('sdlab-term') ?? []];
  const found = ranges.find((range) => range.toString().toLowerCase() === name);
  if (!found) return null;
  found.startContainer.parentElement.scrollIntoView({block: 'center'});
  const {left, top, width, height} = found.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
}"""


def point_at(page, word):
    """Move the pointer to a word, again where the page has moved it meanwhile; return its words."""
    told = page.locator(".sdlab-meaning")
    for _ in range(40):
        page.wait_for_function(FIRST, arg=word)
        page.mouse.move(*page.evaluate(FIRST, word))
        with suppress(TimeoutError):
            told.wait_for(state="visible", timeout=3000)
            break
        page.mouse.move(2, 2)
    return told


def test_a_word_is_told_at_the_pointer_and_nowhere_else(new_page):
    page = new_page("/training")
    settle(page)
    for word in ("alpha_bar", "x0_pred", "sigma"):
        told = point_at(page, word)
        assert told.inner_text() == f"{word}: {by_name()[word].meaning}"
        page.mouse.move(2, 2)
        told.wait_for(state="hidden")
    assert page.evaluate("CSS.highlights.get('sdlab-term').size") > 3
