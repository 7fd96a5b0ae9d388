"""The Attention page in a real browser: maps are scrubbed without the server; a click asks it."""

import re
from urllib.parse import quote

import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SECONDS, run_id, settle

QUERY = "attention.steps=5&attention.prompt=a+red+car+on+a+beach"


def frame(page) -> str:
    return page.locator(".heat").get_attribute("data-frame")


@pytest.mark.every
def test_maps_are_scrubbed_and_asked(new_page):
    sent = []
    page = new_page("/")
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    page.goto(page.url.rstrip("/") + f"/attention?{QUERY}")
    page.get_by_role("button", name="Run and record").click()
    maps = page.locator(".heat canvas").first
    expect(maps).to_be_visible(timeout=SECONDS)
    settle(page)
    # The mean stands after the five evaluations.
    expect(page.locator(".heat")).to_have_attribute("data-frame", "5")

    assert sent, "the page's socket was not heard"
    before = len(sent)
    page.get_by_label("mean", exact=True).uncheck()
    page.get_by_role("slider", name="Evaluation", exact=True).fill("3")
    assert frame(page) == "3"
    expect(page.locator(".heat .where")).to_contain_text("evaluation 3")
    assert len(sent) - before <= 4, "only the two rests and the sidebar may ask in between"
    page.wait_for_url("**step=3**")

    box = page.locator(".heat .layers").first
    box.click(position={"x": 60, "y": 60})
    expect(page.get_by_text("from the left")).to_be_visible(timeout=SECONDS)
    page.wait_for_url("**at=0.**")
    expect(page.locator(".heat .here").first).to_contain_text("here")
    expect(page.get_by_role("img", name="Where this place looks")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Words at this place (CSV)").click()
    ranked = pd.read_csv(download.value.path())
    assert {"red", "car", "beach", "start"} <= set(ranked["word"])
    words = ranked[ranked["kind"] == "word"]["share"]
    assert words.is_monotonic_decreasing and abs(ranked["share"].sum() - 1) < 0.01
    expect(page.get_by_text("evaluation 3, one of 5")).to_be_visible()
    page.get_by_role("slider", name="Evaluation", exact=True).fill("1")
    expect(page.get_by_text("evaluation 1, one of 5")).to_be_visible(timeout=SECONDS)
    assert ranked["x"].between(0.05, 0.6).all() and ranked["y"].between(0.05, 0.6).all()

    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    text = download.value.path().read_text("utf-8-sig")
    assert text.startswith("run,step,evaluation") and "car" in text

    run = run_id(page)
    page = new_page(f"/run?id={run}&layer=Attention&step=3&word=beach")
    viewer = page.locator(".viewer[data-layer=Attention][data-frame='3'][data-drawn=yes]")
    expect(viewer).to_be_visible(timeout=SECONDS)
    word = page.get_by_label("Word", exact=True)
    expect(word).to_have_value("beach")
    canvas = viewer.locator("canvas.frame")
    of_beach = canvas.evaluate("c => c.toDataURL()")
    word.select_option("car")
    assert canvas.evaluate("c => c.toDataURL()") != of_beach
    expect(canvas).to_have_attribute("aria-label", re.compile("^Attention to car, evaluation 3"))
    page.wait_for_url("**word=car**")


@pytest.mark.every  # as test_hostile.py of what other pages are told
def test_what_the_address_brings_is_shown_letter_by_letter(new_page):
    text = "**b** ![x](http://127.0.0.1:1/x.png) :material/home: $x$ _i_ &lt;"
    page = new_page(f"/attention?{QUERY}&attention.phrase={quote(text)}")
    page.get_by_role("button", name="Run and record").click()
    alert = page.get_by_role("alert").filter(has_text="The prompt has no word")
    expect(alert).to_be_visible(timeout=SECONDS)
    assert repr(text) in alert.inner_text().replace("\u2060", "")
    assert alert.locator("img, a, strong, em, .katex").count() == 0
