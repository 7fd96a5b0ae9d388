"""Noised images in a real browser: scrub, compare, upload what is no picture, go on."""

import io
import re
import struct
import zlib

import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.e2e.conftest import SECONDS, settle

QUICK = "noised.steps=4&noised.space=Pixels"


def drawn(page):
    film = page.locator(".scrubber")
    expect(film).to_have_attribute("data-drawn", "yes", timeout=3 * SECONDS)
    settle(page)
    return film


def bomb() -> bytes:
    """A PNG of 100 megapixels in a few hundred bytes."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(200)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def upload(page, name: str, data: bytes) -> None:
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": data}
    )


@pytest.mark.every
def test_sample_scheduler_hostile_upload_and_on(new_page):
    page = new_page(f"/noised_images?{QUICK}")
    drawn(page)
    expect(page.locator(".scrubber figcaption").nth(1)).to_have_text("B: dpmpp_2m, karras")

    solver = page.get_by_role("combobox", name="Schedule B: solver or scheduler")
    solver.fill("heun")
    solver.press("Enter")
    expect(page.locator(".scrubber figcaption").nth(1)).to_have_text("B: heun", timeout=SECONDS)
    page.wait_for_url("**noised.b_solver=heun**")

    page.get_by_role("radio", name="Upload").click()
    expect(page.get_by_text("a link to this page does not include it")).to_be_visible()
    for name, data, message in (
        ("page.png", b"<!doctype html><script>alert(1)</script>", "a web page (HTML)"),
        ("bomb.png", bomb(), "10,000 x 10,000 = 100,000,000 pixels; at most 32,000,000"),
    ):
        upload(page, name, data)
        alert = page.get_by_role("alert").filter(has_text=message)
        expect(alert).to_be_visible(timeout=SECONDS)
        expect(alert).to_contain_text(f"{name}: The ")
    assert page.locator("[data-testid=stException]").count() == 0

    good = io.BytesIO()
    Image.new("RGBA", (40, 20), (0, 128, 0, 128)).save(good, "PNG")
    upload(page, "good.png", good.getvalue())
    expect(page.get_by_text("Transparent parts laid on white.")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_text("resized from 40 x 20 to 128 x 128 px")).to_be_visible()
    drawn(page)

    page.get_by_role("link", name="Home").first.click()
    expect(page.get_by_role("heading", name="sdlab", exact=False).first).to_be_visible()
    page.get_by_role("link", name="Noised images").first.click()
    expect(page.get_by_text("Transparent parts laid on white.")).to_be_visible(timeout=SECONDS)


@pytest.mark.every
def test_scrubbing_the_strip_asks_the_server_nothing(new_page):
    sent = []
    page = new_page("/")
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    page.goto(page.url.rstrip("/") + f"/noised_images?{QUICK}")
    film = drawn(page)
    expect(page.get_by_text("Why do they differ?")).to_be_visible(timeout=SECONDS)
    settle(page)
    assert sent, "the page's socket was not heard"
    before = len(sent)
    page.get_by_role("button", name="Step 1 of 4").click()
    expect(film).to_have_attribute("data-frame", "1")
    expect(page.locator(".scrubber .detail").first).to_have_text(
        re.compile(r"sigma [\d.]+ · SNR -?[\d.]+ dB · PSNR [\d.]+ dB")
    )
    page.get_by_label("Step", exact=True).focus()
    page.keyboard.press("End")
    expect(film).to_have_attribute("data-frame", "4")
    expect(page.locator(".scrubber .detail").first).to_contain_text("no noise")
    page.wait_for_timeout(300)
    assert len(sent) - before <= 2, "only the sidebar may ask in between"

    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    table = pd.read_csv(waiting.value.path())
    assert list(table["step"]) == [0, 1, 2, 3, 4] * 2 and (table["snr_db"].diff()[1:5] > 0).all()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Strip (PNG)").click()
    strip = Image.open(waiting.value.path())
    assert strip.format == "PNG" and strip.width == 5 * 134 + 6
