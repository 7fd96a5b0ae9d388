"""Two browsers at once: own runs side by side, one run shared, cancel by one of two."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SECONDS, run_button, run_id, wait_done


def counting(page, total: int):
    return page.get_by_text(re.compile(rf"Evaluation \d+ of {total}"))


@pytest.mark.every
def test_two_browsers_run_at_once(open_form, runs):
    first, second = open_form(steps=900, seed=21), open_form(steps=9, seed=22)
    run_button(first).click()
    expect(counting(first, 900)).to_be_visible()
    run_button(second).click()
    wait_done(second)
    expect(counting(first, 900)).to_be_visible()  # in turns: the short one did not wait
    expect(second.get_by_text("1 run going").first).to_be_visible()
    one, other = run_id(first), run_id(second)
    assert one != other
    assert json.loads((runs / other / "manifest.json").read_text())["shared_calls"] == 0
    first.get_by_role("button", name="Cancel").click()
    expect(first.get_by_text(re.compile("^Cancelled"))).to_be_visible()


@pytest.mark.every  # as the worker's tests, by itself, and the run page's
def test_the_same_experiment_is_computed_once_and_cancel_leaves_it_to_the_other(open_form):
    first, second = open_form(steps=900, seed=23), open_form(steps=900, seed=23)
    run_button(first).click()
    expect(counting(first, 900)).to_be_visible(timeout=SECONDS)
    run_button(second).click()
    expect(counting(second, 900)).to_be_visible(timeout=SECONDS)
    assert run_id(first) == run_id(second)
    expect(second.get_by_text("one other session waits")).to_be_visible(timeout=SECONDS)
    expect(second.get_by_text("1 run going").first).to_be_visible(timeout=SECONDS)
    first.get_by_role("button", name="Cancel").click()
    expect(first.get_by_text("it goes on without you")).to_be_visible(timeout=SECONDS)
    expect(first.get_by_role("button", name="Watch again")).to_be_visible(timeout=SECONDS)
    expect(counting(second, 900)).to_be_visible()
    second.get_by_role("button", name="Cancel").click()
    expect(second.get_by_text(re.compile("^Cancelled"))).to_be_visible(timeout=SECONDS)
    expect(first.get_by_text(re.compile("^Cancelled"))).to_be_visible(timeout=SECONDS)


@pytest.mark.every
def test_a_closed_browser_does_not_lose_the_run(open_form, new_page):
    page = open_form(steps=20, seed=24)
    run_button(page).click()
    run = run_id(page)
    page.context.close()
    again = new_page(f"/run?id={run}")
    wait_done(again)
