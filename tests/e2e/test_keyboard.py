"""The keys of every page: Ctrl+Enter and Enter run, Tab passes the "?" by, F1 opens it."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import run_id, settle

WHERE = "document.activeElement.ariaLabel || document.activeElement.innerText"


def field(page: Page, label: str):
    return page.get_by_label(label, exact=True)


def ran(page: Page, seen: list[str]) -> str:
    """Wait until the page shows another run, and return its line of facts."""
    page.wait_for_function(
        "seen => ![null, ...seen].includes(new URLSearchParams(location.search).get('run'))",
        arg=seen,
    )
    seen.append(run_id(page))
    settle(page)
    return page.get_by_test_id("stMain").inner_text()


def test_a_run_is_started_from_any_field_and_what_is_typed_counts(open_form):
    page, seen = open_form(steps=2), []
    field(page, "Prompt").fill("a penguin in the snow")
    page.keyboard.press("Control+Enter")
    ran(page, seen)
    expect(page).to_have_url(re.compile("experiment.prompt=a\\+penguin"))
    for label, value, key in (("Steps", "3", "Enter"), ("Seed", "11", "Control+Enter")):
        field(page, label).fill(value)
        page.keyboard.press(key)
        ran(page, seen)
    expect(page.get_by_text("3 steps · CFG 4 · seed 11")).to_be_visible()
    assert len(seen) == 3


def test_tab_passes_the_question_marks_by_and_f1_opens_them(open_form):
    page = open_form()
    field(page, "Prompt").focus()
    stops = []
    for _ in range(8):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(WHERE))
    assert not [stop for stop in stops if stop.startswith("Help")]
    # a button with a help of its own is one: the dice
    assert stops[:4] == ["Negative prompt", "Seed", "casino icon\ncasino", "Solver or scheduler"]
    field(page, "Steps").focus()
    page.keyboard.press("F1")
    expect(page.get_by_role("tooltip")).to_contain_text("from a noise level to the next")
    page.keyboard.press("Tab")
    expect(field(page, "Steps")).to_be_focused()
