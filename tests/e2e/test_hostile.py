"""Hostile input through the browser: nothing breaks, nothing runs, something is said."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SECONDS, button, run_button, settle, type_prompt, wait_done

SCRIPT = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def healthy(page) -> None:
    settle(page)
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.title() != "owned"


def test_markup_in_a_prompt_stays_text(open_form):
    page = open_form(steps=2, seed=31)
    type_prompt(page, SCRIPT + " $x$ :material/home: [a](javascript:alert(1)) `b`")
    run_button(page).click()
    wait_done(page)
    healthy(page)
    expect(page.locator(".facts")).to_contain_text("<script>")


@pytest.mark.every
def test_odd_letters_run(open_form):
    page = open_form(steps=2, seed=32)
    type_prompt(page, "שלום \u202e🦜 ﷽ é\u0301 中文 " * 20)
    run_button(page).click()
    wait_done(page)
    healthy(page)


def test_a_bad_setting_in_the_url_is_explained(new_page):
    page = new_page("/experiment?experiment.seed=1e3")
    expect(page.get_by_role("alert").filter(has_text="whole number")).to_be_visible()
    expect(run_button(page)).to_be_disabled()
    label = run_button(page).get_by_text("Run", exact=True)
    assert "255, 255, 255" not in label.evaluate("label => getComputedStyle(label).color")
    healthy(page)


def test_values_out_of_range_in_the_url_fall_back(new_page):
    page = new_page("/experiment?experiment.cfg=1e999&run.axis=nonsense&run=..%2F..%2Fetc")
    expect(run_button(page)).to_be_enabled()
    healthy(page)


def test_the_zip_route_serves_runs_only(server, new_page):
    page = new_page("/")
    for path in ("..%2F..%2Fetc", "0" * 16, "%00", "a" * 400):
        answer = page.request.get(f"{server}/export/{path}.zip")
        assert "zip" not in answer.headers.get("content-type", ""), path
    assert page.request.get(f"{server}/export/{'0' * 16}.zip").status == 404


@pytest.mark.every
def test_a_broken_model_is_explained_and_the_old_one_serves_on(new_page, open_form, tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all")
    page = new_page("/models")
    page.get_by_label("Hub id, folder or .safetensors file", exact=True).fill(
        str(tmp_path / "broken.safetensors")
    )
    button(page, "Load").click()
    expect(page.get_by_text("could not be loaded")).to_be_visible(timeout=SECONDS)
    healthy(page)
    form = open_form(steps=2, seed=33)
    run_button(form).click()
    wait_done(form)
