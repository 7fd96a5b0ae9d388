"""The pages Latents and DDIM in a real browser: save and open a latents file, invert a picture."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.e2e.conftest import LONG, SECONDS, run_button, run_id, settle, wait_done


@pytest.mark.every
def test_latents_are_saved_opened_and_refused(new_page, tmp_path):
    page = new_page("/latents?latents.section=Experiments")
    save = page.get_by_role("button", name="Save latents (safetensors)")
    expect(save).to_be_visible(timeout=LONG)
    settle(page)
    with page.expect_download() as waiting:
        save.click()
    file = tmp_path / "mine.safetensors"
    file.write_bytes(waiting.value.path().read_bytes())
    assert waiting.value.suggested_filename == "latents.safetensors"
    page.get_by_text("Open a latents file").click()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("mine.safetensors is in use.")).to_be_visible(timeout=SECONDS)
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"PK\x03\x04" + bytes(100))
    page.locator("input[type=file]").set_input_files(bad)
    expect(page.get_by_text("is no safetensors file")).to_be_visible(timeout=SECONDS)
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.every
def test_a_run_becomes_a_film(open_form, new_page):
    page = open_form(steps=4, seed=21)
    run_button(page).click()
    wait_done(page)
    run = run_id(page)
    page = new_page(f"/latents?latents.from=Run&latents.run={run}&latents.section=Through+a+run")
    film = page.get_by_role("button", name="Film (WEBP)")
    expect(film).to_be_visible(timeout=LONG)
    expect(page.locator(".viewer[data-layer=x0_pred][data-drawn=yes]")).to_be_visible(
        timeout=SECONDS
    )
    settle(page)
    with page.expect_download() as waiting:
        film.click()
    with Image.open(io.BytesIO(waiting.value.path().read_bytes())) as movie:
        assert (movie.format, movie.n_frames, movie.size) == ("WEBP", 4, (128, 128))


@pytest.mark.every
def test_a_picture_goes_there_and_back(new_page):
    page = new_page("/ddim?ddim.section=There+and+back&ddim.back.method=EDICT&ddim.back.steps=2")
    start = page.get_by_role("button", name="Invert and regenerate")
    expect(start).to_be_visible(timeout=LONG)
    settle(page)
    start.click()
    expect(page.get_by_role("heading", name="Is the noise found Gaussian?")).to_be_visible(
        timeout=LONG
    )
    loss = page.locator("[data-testid=stMetric]", has_text="Relative RMSE")
    expect(loss).to_have_text(re.compile(r"\de-0[4-9]"), timeout=SECONDS)
    assert page.locator("[data-testid=stException]").count() == 0
