"""A source picture in a real browser: uploaded, in the link, found after a reload, removed."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect


def png(image) -> bytes:
    image.save(stream := io.BytesIO(), "PNG")
    return stream.getvalue()


@pytest.mark.every
def test_an_uploaded_picture_stays_in_the_link_beside_other_fields(new_page):
    page = new_page("/experiment")
    page.get_by_text("Pictures (img2img").click()
    steps = page.get_by_label("Steps", exact=True)
    steps.fill("7")
    steps.press("Tab")
    expect(page).to_have_url(re.compile("experiment.steps=7"))
    scene = png(Image.linear_gradient("L").resize((200, 100)).convert("RGB"))
    field = page.locator("input[type=file]").first
    field.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": scene})
    size = page.get_by_text("200 x 100 px, cropped and resized to 128 x 128 px.")
    expect(size).to_be_visible()
    expect(page).to_have_url(re.compile("experiment.image=[0-9a-f]{16}"))
    expect(page).to_have_url(re.compile("experiment.steps=7"))

    strength = page.get_by_role("slider", name="Strength")
    strength.press("ArrowRight")
    expect(page).to_have_url(re.compile("experiment.strength=0.61"))
    expect(page).to_have_url(re.compile("experiment.image=[0-9a-f]{16}"))
    page.reload()
    expect(size).to_be_visible()
    expect(page.get_by_role("slider", name="Strength")).to_have_value("0.61")
    expect(page.get_by_label("Steps", exact=True)).to_have_value("7")

    page.get_by_role("button", name="Remove the source picture").click()
    expect(size).to_be_hidden()
    expect(page).not_to_have_url(re.compile("experiment.image="))
    expect(page).to_have_url(re.compile("experiment.steps=7"))
