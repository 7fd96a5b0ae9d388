"""The main job in a real browser: type, run, watch, cancel, scrub, download, share."""

import io
import re
import zipfile

import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.e2e.conftest import SECONDS, run_button, run_id, settle, type_prompt, wait_done


def frame(page) -> str:
    return page.locator(".viewer canvas.frame").evaluate("c => c.toDataURL()")


def drawn(page, layer: str):
    """The viewer, once it shows a layer."""
    page.locator(f".viewer button[data-layer='{layer}']").click()
    viewer = page.locator(f".viewer[data-layer='{layer}']")
    expect(viewer).to_have_attribute("data-drawn", "yes", timeout=SECONDS)
    return viewer


def test_type_run_watch_cancel_and_see_the_picture(open_form):
    page = open_form(steps=900)
    type_prompt(page, "a rocket in the night")
    run_button(page).click()
    progress = page.get_by_text(re.compile(r"Evaluation \d+ of 900 · [\d.]+ steps/s · .* left"))
    expect(progress).to_be_visible()
    expect(page.get_by_alt_text(re.compile("Preview of x0_pred"))).to_be_visible()
    expect(page.get_by_text("1 run going").first).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("^Cancelled"))).to_be_visible()
    expect(page.get_by_role("button", name="Run again", exact=True)).to_be_visible()
    expect(page.get_by_text("idle")).to_be_visible()

    page = open_form(steps=4)
    type_prompt(page, "a rocket in the night")
    run_button(page).click()
    wait_done(page)
    picture = page.get_by_alt_text("The picture of: a rocket in the night")
    expect(picture).to_be_visible()
    assert picture.evaluate("i => [i.naturalWidth, i.clientWidth >= 512]") == [128, True]
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.every
def test_scrubbing_asks_the_server_nothing(open_form):
    page = open_form(steps=8, seed=12)
    run_button(page).click()
    wait_done(page)
    drawn(page, "x0_pred")
    expect(page.get_by_text("Frames are decoded by the VAE.")).to_be_visible(timeout=SECONDS)
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    page.reload()
    wait_done(page)
    viewer = drawn(page, "x_t")
    settle(page)
    seen = set()
    for layer in ("x_t", "x0_pred", "eps_pred", "Latents"):
        drawn(page, layer)
        page.get_by_label("Evaluation", exact=True).focus()
        page.keyboard.press("End")
        viewer = page.locator(".viewer")
        expect(viewer).to_have_attribute("data-frame", "7")
        seen.add(frame(page))
        page.keyboard.press("Home")
        expect(viewer).to_have_attribute("data-frame", "0")
        expect(page.locator(".viewer .where")).to_contain_text("evaluation 0 ·")
        seen.add(frame(page))
    assert len(seen) == 8
    page.wait_for_url("**step=0**")
    before = len(sent)
    assert before > 0, "the page's socket was not heard"
    viewer.evaluate("""(root) => {
        const range = root.querySelector(".range");
        for (let i = 0; i < 80; i++) {
            range.value = i % 8;
            range.dispatchEvent(new Event("input"));
        }
    }""")
    page.wait_for_timeout(300)
    assert len(sent) - before <= 2, "only the sidebar may ask in between"


@pytest.mark.every
def test_the_address_has_the_step_and_a_frame_can_be_saved(open_form, new_page):
    page = open_form(steps=6, seed=17)
    run_button(page).click()
    wait_done(page)
    expect(page.get_by_text("Frames are decoded by the VAE.")).to_be_visible(timeout=SECONDS)
    drawn(page, "x_t")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**step=1**")
    run = run_id(page)
    page = new_page(f"/run?id={run}&layer=x_t&step=1")
    viewer = page.locator(".viewer[data-layer=x_t][data-frame='1'][data-drawn=yes]")
    expect(viewer).to_be_visible(timeout=SECONDS)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".copy-link .said")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"id={run}" in copied and "layer=x_t" in copied and "step=1" in copied
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save this frame").click()
    assert waiting.value.suggested_filename == f"{run}-x_t-1.png"
    with Image.open(waiting.value.path()) as saved:
        assert (saved.format, saved.size) == ("PNG", (128, 128))
    drawn(page, "x0_pred")
    expect(page.locator(".viewer .note")).to_contain_text("Blurred, as a mean is")
    page.locator(".viewer .note a").click()
    expect(page.get_by_role("tab", name="Causes", selected=True)).to_be_in_viewport()
    expect(page.get_by_text(re.compile("^Noise level sigma"))).to_be_visible()


@pytest.mark.every
def test_downloads_hold_what_they_say(open_form, runs):
    page = open_form(steps=4, seed=13, prompt="%3DHYPERLINK(1)%20a%20cat")
    run_button(page).click()
    wait_done(page)
    run = run_id(page)
    settle(page)
    page.get_by_role("tab", name="Tables").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).first.click()
    steps = pd.read_csv(waiting.value.path())
    assert waiting.value.suggested_filename == f"{run}-steps.csv"
    stored = pd.read_parquet(runs / run / "steps.parquet")
    pd.testing.assert_frame_equal(steps, stored, check_dtype=False, rtol=1e-12)

    page.get_by_role("tab", name="Tokens").click()
    with page.expect_download() as waiting:
        page.get_by_role("tabpanel", name="Tokens").get_by_role(
            "button", name="CSV", exact=True
        ).click()
    words = pd.read_csv(waiting.value.path())["word"].dropna()
    assert not words.str.startswith(("=", "+", "-", "@")).any()

    page.get_by_role("tab", name="Files").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download all (zip)").click()
    data = waiting.value.path().read_bytes()
    assert waiting.value.suggested_filename == f"sdlab-{run}.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = {name.rpartition("/")[2] for name in archive.namelist()}
        assert {"manifest.json", "image.png", "tensors.safetensors", "steps.csv"} <= names
        inside = next(n for n in archive.namelist() if n.endswith("image.png"))
        assert archive.read(inside) == (runs / run / "image.png").read_bytes()


def test_reload_in_mid_run_goes_on(open_form):
    page = open_form(steps=900, seed=14)
    run_button(page).click()
    count = page.get_by_text(re.compile(r"Evaluation \d+ of 900"))
    expect(count).to_be_visible(timeout=SECONDS)
    page.reload()
    expect(count).to_be_visible(timeout=SECONDS)
    before = int(re.search(r"Evaluation (\d+)", count.inner_text()).group(1))
    assert before > 0
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("^Cancelled"))).to_be_visible(timeout=SECONDS)


@pytest.mark.every
def test_the_url_brings_back_the_settings(open_form):
    page = open_form(steps=7, seed=18446744073709551615, cfg="2.5", solver="heun", prompt="a%20sun")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("18446744073709551615")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a sun")
    run_button(page).click()
    wait_done(page)
    expect(page.get_by_text("heun · 7 steps, 13 evaluations")).to_be_visible()


@pytest.mark.every
def test_typed_text_survives_the_end_of_a_run(open_form):
    page = open_form(steps=25, seed=15)
    run_button(page).click()
    page.get_by_text(re.compile(r"Evaluation \d+ of 25")).wait_for()
    field = page.get_by_label("Prompt", exact=True)
    field.focus()
    page.keyboard.press("Control+End")
    page.keyboard.type(" and more to come")
    wait_done(page)
    settle(page)
    expect(field).to_have_value("a parrot on a beach and more to come")


@pytest.mark.every
def test_page_switch_and_back_keeps_the_run(open_form):
    page = open_form(steps=900, seed=16)
    run_button(page).click()
    page.get_by_text(re.compile(r"Evaluation \d+ of 900")).wait_for()
    page.get_by_role("link", name="Models").first.click()
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    page.get_by_role("link", name="Experiment").first.click()
    expect(page.get_by_text(re.compile(r"Evaluation \d+ of 900"))).to_be_visible(timeout=SECONDS)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("^Cancelled"))).to_be_visible(timeout=SECONDS)


@pytest.mark.every
def test_from_a_run_onwards(open_form):
    page = open_form(steps=3, seed=31, negative="rain")
    run_button(page).click()
    wait_done(page)
    run = run_id(page)
    steps = page.get_by_role("spinbutton", name="Steps")
    steps.fill("9")
    steps.press("Tab")
    page.wait_for_url("**experiment.steps=9**")
    page.get_by_role("button", name="Change and run again").click()
    page.wait_for_url("**experiment.steps=3**")
    expect(steps).to_have_value("3")
    run_button(page).click()
    expect(page.get_by_text("From the store")).to_be_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".copy-link .said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").endswith(f"/run?id={run}")
    page.get_by_role("button", name="Compare with DPM++ 2M (dpmpp_2m)").click()
    expect(page.get_by_text("can be compared fairly")).to_be_visible()
    page.get_by_text("Curve, size, reference, fast mode").click()
    assert page.get_by_role("textbox", name="Negative prompt").input_value() == "rain"
    assert page.get_by_label("Seeds", exact=True).input_value() == "31"
