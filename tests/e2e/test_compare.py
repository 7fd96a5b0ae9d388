"""Compare in a real browser: choose, run, fail, download, reopen, cancel, join."""

import io
import zipfile

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import LONG, SECONDS, button, settle


def open_compare(new_page, **choices: str | list[str]) -> Page:
    choices = {"seeds": "0", "align": "Steps", **choices}
    pairs = [(k, v) for k, vs in choices.items() for v in ([vs] if isinstance(vs, str) else vs)]
    page = new_page("/compare?" + "&".join(f"compare.{k}={v}" for k, v in pairs))
    expect(go_button(page)).to_be_enabled(timeout=LONG)
    settle(page)
    return page


def go_button(page: Page):
    return button(page, "Compare")


def tile(page: Page, name: str):
    return page.locator(".tile").filter(has=page.get_by_text(name, exact=True))


def wait_verdict(page: Page) -> None:
    expect(page.get_by_role("heading", name="Measurements")).to_be_visible(timeout=LONG)
    settle(page)


def test_from_the_choice_to_the_zip_with_a_sampler_that_falls_over(new_page, browser, server):
    page = open_compare(
        new_page, samplers=["euler", "heun", "breaks"], budget="5", more="", reference="4"
    )
    go_button(page).click()
    expect(page.locator(".tile")).to_have_count(4, timeout=SECONDS)
    wait_verdict(page)
    expect(tile(page, "breaks")).to_contain_text("the bridge is out at step 3", timeout=SECONDS)
    expect(tile(page, "breaks").locator("img")).to_be_hidden()
    for name in ("euler", "heun"):
        picture = tile(page, name).locator("img")
        expect(picture).to_be_visible(timeout=SECONDS)
        assert f"Picture by {name} of: a parrot on a beach" == picture.get_attribute("alt")
        assert picture.evaluate("i => i.naturalWidth") == 128
    expect(page.get_by_text("1 failed")).to_be_visible(timeout=SECONDS)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download all (zip)").click()
    with zipfile.ZipFile(io.BytesIO(waiting.value.path().read_bytes())) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        table = next(n for n in names if n.endswith("runs.parquet"))
        runs = pd.read_parquet(io.BytesIO(archive.read(table)))
        assert sorted(runs["state"]) == ["done", "done", "failed"]
        assert sum(name.endswith(".png") for name in names) >= 2
    with page.expect_download() as waiting:
        page.get_by_role("link", name="With every run (zip)").click()
    with zipfile.ZipFile(io.BytesIO(waiting.value.path().read_bytes())) as archive:
        done = runs["run"][runs["state"] == "done"]
        assert {f"runs/{run}/tensors.safetensors" for run in done} < set(archive.namelist())
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").first.click()
    assert b"entrant" in waiting.value.path().read_bytes()[:40]
    one = page.evaluate("new URLSearchParams(location.search).get('id')")
    again = new_page(f"/compare?id={one}")  # another browser, by the address alone
    wait_verdict(again)
    expect(again.locator(".tile")).to_have_count(4, timeout=SECONDS)
    again.get_by_text("Samplers, pictures, budgets").click()
    again.wait_for_url("**compare.samplers=breaks**")  # opened, the form follows what is shown
    expect(go_button(again)).to_be_enabled(timeout=SECONDS)
    settle(again)
    again.get_by_role("slider", name="Between").press("ArrowRight")
    assert again.locator(".wipe").evaluate("w => w.style.getPropertyValue('--at')") == "50.1%"
    for shown in (page, again):
        assert shown.locator("[data-testid=stException]").count() == 0


@pytest.mark.every
def test_a_second_browser_joins_and_cancel_keeps_what_is_done(new_page):
    page = open_compare(
        new_page, samplers=["euler", "heun"], budget="4", more="", reference="1000", seeds="3"
    )
    go_button(page).click()
    expect(tile(page, "euler")).to_have_attribute("data-state", "done", timeout=LONG)
    expect(tile(page, "heun")).to_have_attribute("data-state", "done", timeout=LONG)
    one = page.evaluate("new URLSearchParams(location.search).get('id')")
    other = new_page(f"/compare?id={one}")
    expect(tile(other, "reference")).to_have_attribute("data-state", "running", timeout=LONG)
    expect(other.get_by_text("evaluations · ")).to_be_visible(timeout=SECONDS)
    preview = tile(other, "reference").locator('img[alt^="Preview by"]')
    expect(preview).to_be_visible(timeout=LONG)
    page.wait_for_timeout(1000)  # both have been seen to watch
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Watch again")).to_be_visible(timeout=SECONDS)
    other.get_by_role("button", name="Cancel").click()
    wait_verdict(other)
    expect(tile(other, "heun").locator("img")).to_be_visible(timeout=SECONDS)
    expect(other.get_by_text("so nothing can be ranked yet")).to_be_visible(timeout=SECONDS)
    wait_verdict(page)
    for shown in (page, other):
        assert shown.locator("[data-testid=stException]").count() == 0
