"""The Tokens page in a browser: type a prompt, see its pieces; hover, compare, download."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SECONDS, settle, type_prompt


@pytest.mark.every
def test_from_words_to_vectors(new_page):
    page = new_page("/tokens")
    expect(page.get_by_role("tab", name="How the positions look")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_role("listitem", name="id 23565")).to_be_visible()
    type_prompt(page, "a frog near a xylophonist")
    frog = page.get_by_role("listitem", name="position 2, id 11438")
    expect(frog).to_have_text("frog11438")
    assert "entry frog</w>" in frog.get_attribute("title")
    expect(page.locator(".pieces .unseen")).to_have_count(5)
    page.get_by_label("Another prompt").fill("a frog in the snow")
    page.get_by_label("Another prompt").press("Control+Enter")
    settle(page)
    expect(page.locator(".pieces")).to_have_count(2)
    expect(page.get_by_text("the first at position 3")).to_be_visible()
    page.get_by_role("tab", name="The vector of each position").click()
    expect(page.locator("[data-testid=stVegaLiteChart]").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Difference (CSV)").click()
    rows = open(download.value.path(), encoding="utf-8-sig").read().splitlines()
    assert rows[0].startswith("position,label,kind") and len(rows) == 78
    page.reload()
    settle(page)
    expect(page.get_by_role("listitem", name="position 3, id").first).to_be_visible()
