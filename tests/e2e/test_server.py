"""The server's life: it ends when asked to; the next one, below a path, knows what was left."""

import json
import re
import signal
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from dashboard.shell.headers import HEADERS
from tests.e2e.conftest import ROOT, SECONDS, run_button, start_server


@pytest.mark.every
def test_a_run_cut_off_by_the_servers_end_goes_on_at_the_next_start(browser, tmp_path):
    runs = tmp_path / "runs"
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    process, url = start_server(runs, tmp_path / "first.log")
    page.goto(f"{url}/experiment?experiment.steps=900")
    run_button(page).click(timeout=SECONDS)
    expect(page.get_by_text(re.compile(r"Evaluation \d+ of 900"))).to_be_visible(timeout=SECONDS)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    process, url = start_server(runs, tmp_path / "second.log", base="lab")
    try:
        answer = page.goto(f"{url}/runs")
        assert {name: answer.headers.get(name.lower()) for name in HEADERS} == HEADERS
        goes_on = page.get_by_text("1 run from before the server's restart goes on.")
        expect(goes_on).to_be_visible(timeout=SECONDS)
        page.get_by_role("button", name="Cancel it").click()
        expect(goes_on).not_to_be_visible(timeout=SECONDS)
        page.goto(f"{url}/experiment?experiment.steps=2")
        run_button(page).click(timeout=SECONDS)
        page.get_by_role("tab", name="Files").click(timeout=SECONDS)
        with page.expect_download(timeout=SECONDS) as waiting:
            page.get_by_role("link", name="Download all (zip)").click(timeout=SECONDS)
        assert waiting.value.path().read_bytes().startswith(b"PK")
    finally:
        process.terminate()
        process.wait(30)
        context.close()
    assert "Traceback" not in (tmp_path / "second.log").read_text()


@pytest.mark.every
def test_every_run_asked_for_is_there_once_though_servers_are_killed():
    script = [sys.executable, "benchmarks/kills.py", "--quick", "--json"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout.splitlines()[-1])
    assert rows["runs asked for"]["value"] > 0
    assert [name for name, row in rows.items() if row["holds"] is False] == []


def test_pages_ask_nobody_but_this_server(browser, server):
    context = browser.new_context()
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/", "/experiment", "/runs", "/models"):
        page.goto(server + path)
        page.get_by_role("heading").first.wait_for(timeout=SECONDS)
        page.wait_for_timeout(1000)
    context.close()
    local = (server, "data:", "blob:", server.replace("http", "ws"))
    assert [url for url in asked if not url.startswith(local)] == []
