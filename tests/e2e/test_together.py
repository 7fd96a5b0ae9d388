"""Two browsers at once: own runs side by side, one run shared, cancel by one of two."""

import re

from playwright.sync_api import expect

from tests.e2e.conftest import SECONDS, run_button, run_id, wait_done


def counting(page, total: int):
    return page.get_by_text(re.compile(rf"Evaluation \d+ of {total}"))


def test_two_browsers_run_at_once(open_form):
    first, second = open_form(steps=160, seed=21), open_form(steps=150, seed=22)
    run_button(first).click()
    run_button(second).click()
    expect(counting(first, 160)).to_be_visible(timeout=SECONDS)
    expect(counting(second, 150)).to_be_visible(timeout=SECONDS)
    expect(first.get_by_text("2 runs going")).to_be_visible(timeout=SECONDS)
    wait_done(first)
    wait_done(second)
    assert run_id(first) != run_id(second)


def test_the_same_experiment_is_computed_once_and_cancel_leaves_it_to_the_other(open_form):
    first, second = open_form(steps=500, seed=23), open_form(steps=500, seed=23)
    run_button(first).click()
    expect(counting(first, 500)).to_be_visible(timeout=SECONDS)
    run_button(second).click()
    expect(counting(second, 500)).to_be_visible(timeout=SECONDS)
    assert run_id(first) == run_id(second)
    expect(second.get_by_text("one other session waits")).to_be_visible(timeout=SECONDS)
    expect(second.get_by_text("1 run going")).to_be_visible(timeout=SECONDS)
    first.get_by_role("button", name="Cancel").click()
    expect(first.get_by_text("it goes on without you")).to_be_visible(timeout=SECONDS)
    expect(first.get_by_role("button", name="Watch again")).to_be_visible(timeout=SECONDS)
    expect(counting(second, 500)).to_be_visible()
    second.get_by_role("button", name="Cancel").click()
    expect(second.get_by_text(re.compile("^Cancelled"))).to_be_visible(timeout=SECONDS)
    expect(first.get_by_text(re.compile("^Cancelled"))).to_be_visible(timeout=SECONDS)


def test_a_closed_browser_does_not_lose_the_run(open_form, new_page):
    page = open_form(steps=200, seed=24)
    run_button(page).click()
    expect(counting(page, 200)).to_be_visible(timeout=SECONDS)
    run = run_id(page)
    page.context.close()
    again = new_page(f"/run?id={run}")
    wait_done(again)
