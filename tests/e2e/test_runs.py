"""Runs ticked in a real browser: compared, marked, deleted, restored."""

import json
import re
import shutil

import pytest
from playwright.sync_api import expect

import sdlab
from sdlab.runs import TRASH
from sdlab.runs.marks import read_marks
from sdlab.runs.parts import COMPARISONS
from tests.e2e.conftest import SECONDS, button
from tests.runs.conftest import copy_of

pytestmark = [pytest.mark.slow, pytest.mark.every]
HEAD, ROW, BOX, PARTS = 40, 64, 18, 150
"""Pixels of the table's head, of a row, and from the left to a row's box and to its parts."""


@pytest.fixture(scope="module")
def three(runs):
    spec = sdlab.Experiment(prompt="an owl ticked", num_steps=1, width=64, height=64, seed=7)
    stored = sdlab.run(sdlab.load(device="cpu"), spec).save(runs)
    return [stored, *(copy_of(stored, seed=seed) for seed in (8, 9))]


def tick(page, *places, head=HEAD, row=ROW):
    """Tick rows by their places, the first is 0; what stands above the table changes meanwhile."""
    for count, place in enumerate(places, start=1):
        box = page.get_by_test_id("stDataFrame").first.bounding_box()
        page.mouse.click(box["x"] + BOX, box["y"] + head + row * place + row // 2)
        said = page.get_by_text(re.compile(rf"{count} ticked|Put back {count}"))
        expect(said.first).to_be_visible()
        page.wait_for_timeout(300)


def opened(new_page, section=""):
    page = new_page(f"/runs?runs.text=owl+ticked&runs.order=Seed&runs.section={section or 'Runs'}")
    expect(page.locator("[data-testid=stDataFrame] canvas").first).to_be_visible(timeout=SECONDS)
    return page


def test_ticked_runs_are_compared(new_page, three):
    page = opened(new_page)
    place = page.get_by_test_id("stDataFrame").first.bounding_box()
    tick(page, 0, 2)
    assert page.get_by_test_id("stDataFrame").first.bounding_box() == place
    expect(page.get_by_text("2 ticked")).to_be_visible()
    button(page, "Compare").click()
    expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    assert f"of={three[2].name}%2C{three[0].name}" in page.url
    expect(page.get_by_role("img", name=re.compile("Picture by seed"))).to_have_count(2)
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    button(page, "All runs").click()
    expect(page.get_by_text("3 runs")).to_be_visible()
    page = new_page(f"/runs?of={three[2].name},{three[0].name}")
    page.locator(".tile a.frame").first.click()
    page.wait_for_url("**/run?id=**")
    assert len(page.context.pages) == 1 and page.url.endswith(three[2].name)


def test_ticked_runs_are_marked(new_page, three):
    page = opened(new_page)
    tick(page, 1)
    button(page, "Tags and note").click()
    page.get_by_label("Tags to add").fill("good, for the paper")
    page.get_by_label("Note", exact=True).fill("the best")
    button(page, "Save").click()
    expect(page.get_by_text("0 ticked")).to_be_visible()
    marks = read_marks(three[1])
    assert (marks.tags, marks.note) == (("for the paper", "good"), "the best")
    tick(page, 1)
    button(page, "Star").click()
    expect(page.get_by_text("0 ticked")).to_be_visible()
    assert read_marks(three[1]).star


def test_ticked_runs_are_deleted_and_restored(new_page, three):
    page = opened(new_page)
    tick(page, 0, 1)
    button(page, "Delete").click()
    button(page, "Move to the trash").click()
    expect(page.get_by_text("1 run,")).to_be_visible()
    assert [folder.exists() for folder in three] == [True, False, False]
    assert (three[1].parent / TRASH / three[1].name).is_dir()
    page = opened(new_page, "Trash")
    tick(page, 0, 1, head=36, row=35)
    button(page, "Put back 2").click()
    expect(page.get_by_text("The trash is empty")).to_be_visible()
    assert all(folder.exists() for folder in three)


@pytest.fixture
def comparison(runs, three):
    """A stored comparison of two of the three runs."""
    folder = runs / COMPARISONS / ("c" * 16)
    folder.mkdir(parents=True)
    told = {"format": 1, "runs": [path.name for path in three[:2]]}
    (folder / "manifest.json").write_text(json.dumps(told))
    yield folder.name
    shutil.rmtree(folder)


def test_a_comparison_opens_in_the_table(new_page, comparison):
    page = opened(new_page)
    place = page.get_by_test_id("stDataFrame").first.bounding_box()
    page.mouse.click(place["x"] + PARTS, place["y"] + HEAD + ROW + ROW // 2)
    page.wait_for_url(f"**open={comparison}**")
    taller = "document.querySelector('[data-testid=stDataFrame]').clientHeight > arguments[0]"
    page.wait_for_function(taller.replace("arguments[0]", str(place["height"] + ROW)))
    page.wait_for_timeout(300)
    tick(page, 0, 2)
    page.mouse.click(place["x"] + PARTS, place["y"] + HEAD + ROW + ROW // 2)
    page.wait_for_url(lambda url: "open=" not in url)
    expect(page.get_by_text("2 ticked, 1 not shown here")).to_be_visible()


def test_pictures_are_ticked_in_the_gallery(new_page, three):
    page = opened(new_page)
    tick(page, 0)
    page.get_by_text("Gallery", exact=True).click()
    boxes = page.get_by_role("checkbox", name=re.compile("Tick Picture by"))
    expect(boxes).to_have_count(3)
    expect(boxes.first).to_be_checked()
    boxes.nth(1).check()
    boxes.nth(2).check()
    boxes.nth(1).uncheck()
    expect(page.get_by_text("2 ticked")).to_be_visible()
    button(page, "Compare").click()
    expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    assert f"of={three[2].name}%2C{three[0].name}" in page.url


def test_ticking_moves_nothing_on_a_narrow_page(new_page, three):
    page = opened(new_page)
    page.set_viewport_size({"width": 420, "height": 900})
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    before = table.bounding_box()
    tick(page, 0)
    assert table.bounding_box() == before
