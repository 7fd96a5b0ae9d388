"""The Workbench in a real browser: drag, double-click, keyboard, reload, upload, download."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import SECONDS, settle

LAST = "For tools that take a list of sigmas"  # in the last tab, behind the first
POINTS = "0 14, 0.5 2, 1 0.05"


def open_bench(new_page, **settings: str) -> Page:
    query = "&".join(f"workbench.{name}={value}" for name, value in settings.items())
    page = new_page(f"/workbench?{query}")
    expect(page.get_by_text(LAST)).to_be_attached(timeout=3 * SECONDS)
    settle(page)
    return page


def points(page: Page) -> list[list[float]]:
    expect(page.locator("circle.hit").first).to_be_visible(timeout=SECONDS)
    return json.loads(page.locator(".editor").get_attribute("data-points"))


def field(page: Page):
    return page.get_by_role("textbox", name="Points: u sigma")


def middle(page: Page, index: int) -> tuple[float, float]:
    """Return where a point's middle is; a rerun draws the points anew, so ask until it stands."""
    settle(page)
    point = page.locator("circle.hit").nth(index)
    for _ in range(100):
        box = point.bounding_box()
        if box is not None:
            return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.wait_for_timeout(100)
    raise AssertionError(f"point {index} is not drawn")


@pytest.mark.every
def test_points_are_dragged_added_removed_and_kept(new_page):
    page = open_bench(new_page, way="Points", points=POINTS, steps="8")
    assert points(page) == [[0, 14], [0.5, 2], [1, 0.05]]
    x, y = middle(page, 1)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 20, y + 20)
    page.mouse.move(x - 40, y + 40)
    page.mouse.up()
    expect(field(page)).not_to_have_value(POINTS)
    (_, _), (u, sigma), (_, _) = points(page)
    assert 0.3 < u < 0.5 and 0.3 < sigma < 2
    settle(page)  # a rerun between the two clicks would take the first one's place away
    box = page.locator("svg.plot").bounding_box()
    page.mouse.dblclick(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    expect(page.locator("circle.hit")).to_have_count(4)
    settle(page)
    page.mouse.dblclick(*middle(page, 1))
    expect(page.locator("circle.hit")).to_have_count(3)
    kept = points(page)
    between = rf"[^,\n]+[,\n]\s*{kept[1][0]:g}\s+{kept[1][1]:g}\s*[,\n][^,\n]+"  # of three
    heard = re.compile(rf"^{between}$")
    expect(field(page)).to_have_value(heard, timeout=SECONDS)  # the server has heard of it
    settle(page)
    page.reload()
    expect(page.get_by_text(LAST)).to_be_attached(timeout=SECONDS)
    assert points(page) == kept
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.every
def test_points_are_moved_by_keyboard_and_the_focus_stays(new_page):
    page = open_bench(new_page, way="Points", points=POINTS, steps="8")
    point = page.locator("circle.hit").nth(1)
    point.focus()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(field(page)).not_to_have_value(POINTS, timeout=SECONDS)
    settle(page)
    assert points(page)[1][0] == 0.51 and points(page)[1][1] < 2
    expect(page.locator("circle.hit").nth(1)).to_be_focused()
    page.keyboard.press("+")
    expect(page.locator("circle.hit")).to_have_count(4)
    page.keyboard.press("Delete")
    expect(page.locator("circle.hit")).to_have_count(3)
    page.locator("circle.hit").nth(0).focus()
    page.keyboard.press("Delete")
    expect(page.get_by_text("The ends stay")).to_be_visible()
    expect(page.locator("circle.hit")).to_have_count(3)


@pytest.mark.every
def test_a_table_is_uploaded_and_the_curve_downloaded(new_page):
    page = open_bench(new_page, way="Table")
    upload = page.locator("input[type=file]").first
    table = page.get_by_role("textbox", name="Sigmas, the last one 0")
    before = table.input_value()
    upload.set_input_files({"name": "a.csv", "mimeType": "text/csv", "buffer": b"14\nfast\n0"})
    expect(page.get_by_text("a.csv: Line 2 has 'fast', which is no number.")).to_be_visible()
    expect(table).to_have_value(before)
    upload.set_input_files({"name": "b.csv", "mimeType": "text/csv", "buffer": b"14;2.5;0.1;0"})
    expect(table).to_have_value("14\n2.5\n0.1\n0")
    settle(page)
    page.get_by_role("tab", name="Save and export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Curve (JSON)").click()
    values = json.loads(download.value.path().read_text())
    assert values["sigmas"] == [14.0, 2.5, 0.1, 0.0] and values["curve"] == "sigmas"
