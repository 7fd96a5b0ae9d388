"""The Models page in a real browser: folders of other families are loaded, told and drawn with."""

import pytest
from playwright.sync_api import expect

from tests import flow
from tests.e2e.conftest import LONG, SECONDS, button, settle
from tests.tracing import pipelines


def load(page, source):
    field = page.get_by_role("textbox", name="Hub id, folder or .safetensors file")
    expect(field).to_be_visible(timeout=LONG)
    settle(page)
    field.fill(str(source))
    field.press("Tab")
    button(page, "Load").click()


@pytest.fixture
def models_page(new_page):
    """The Models page; the embedded model is in memory again after."""
    page = new_page("/models")
    yield page
    back = page.get_by_role("button", name="To the embedded U-Net")
    expect(back).to_be_visible(timeout=LONG)
    back.click()
    expect(page.get_by_test_id("stText").get_by_text("embedded", exact=True)).to_be_visible(
        timeout=LONG
    )


@pytest.mark.every
@pytest.mark.parametrize(
    "make, family, noise, draws",
    [
        (
            lambda: pipelines.xl()[0],
            "Stable Diffusion XL",
            "variance preserving",
            "from words, after a picture and inside a mask",
        ),
        pytest.param(  # which the page's own tests load too
            flow.sd3,
            "Stable Diffusion 3",
            "flow matching",
            "from words and after a picture",
            marks=pytest.mark.every,
        ),
    ],
)
def test_a_folder_of_another_family_is_loaded(models_page, tmp_path, make, family, noise, draws):
    page, pipe = models_page, make()
    pipe.save_pretrained(tmp_path)
    load(page, tmp_path)
    facts = page.locator(".st-key-models_facts")
    for told in (str(tmp_path), family, noise, type(pipe).__name__):
        expect(facts.get_by_text(told, exact=True)).to_be_visible(timeout=LONG)
    expect(facts.get_by_text(f"Draws {draws}.")).to_be_visible(timeout=SECONDS)
    for page_name in ("Experiment with this model", "Its noise schedule"):
        expect(facts.get_by_role("link", name=page_name)).to_be_visible(timeout=SECONDS)
    facts.get_by_text("parts", exact=False).last.click()
    expect(facts.get_by_test_id("stDataFrame")).to_be_visible(timeout=SECONDS)
    assert page.locator("[data-testid=stException]").count() == 0
