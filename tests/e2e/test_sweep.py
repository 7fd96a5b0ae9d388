"""A sweep in a real browser: started, cancelled, opened again by its link, made whole."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import LONG, SECONDS, button


def address(*lines: str) -> str:
    return f"/sweep?sweep.by=Typed&sweep.typed={quote(chr(10).join(lines))}"


@pytest.mark.every
def test_start_cancel_reopen_and_finish(new_page):
    page = new_page(address("prompt=a rocket in the night", "num_steps=200", "seed=0-63"))
    expect(page.get_by_text("64 pictures")).to_be_visible(timeout=SECONDS)
    button(page, "Start the sweep").click()
    page.wait_for_url("**id=*")
    expect(page.get_by_text(re.compile(r"of 64 done.* evaluations"))).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("^Cancelled"))).to_be_visible()

    small = address("prompt=a rocket in the night", "num_steps=1-2", "seed=0-1")
    page = new_page(small)
    button(page, "Start the sweep").click()
    expect(page.get_by_text("4 of 4 done")).to_be_visible(timeout=LONG)
    again = new_page(f"/sweep?{page.url.partition('?')[2]}")  # another browser, by the link alone
    expect(again.get_by_role("button", name="Measure again")).to_be_visible()
    expect(again.get_by_text("95 % interval").first).to_be_visible()
    expect(again.locator(".tile img")).to_have_count(4)
    assert again.locator("[data-testid=stException]").count() == 0
