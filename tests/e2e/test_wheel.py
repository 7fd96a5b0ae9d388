"""The wheel is a dashboard: built, installed elsewhere, started by ``sdlab dashboard``, seen."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.shell.navigation import entries
from tests.e2e.conftest import ROOT, SECONDS, run_button, settle, start_server

# What a clone has that no package is made of, and what is only there after work in it.
TOP = {"tests", "docs", "benchmarks", "runs", "build", "dist", "node_modules"}
ANYWHERE = ("*.egg-info", "__pycache__", ".*_cache", ".venv", ".git", ".hypothesis")


def left_out(folder: str, names: list[str]) -> set[str]:
    anywhere = shutil.ignore_patterns(*ANYWHERE)(folder, names)
    return anywhere | TOP if Path(folder) == ROOT else anywhere


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, place / "source", ignore=left_out)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "-w", str(place), "."], cwd=place / "source", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return next(place.glob("sdlab-*.whl"))


def test_the_wheel_holds_what_the_repository_does(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    folders = {"pages": "dashboard/entry/pages", "sdlab": "sdlab", "dashboard": "dashboard"}
    wanted = {
        f"{under}/{path.relative_to(ROOT / top).as_posix()}"
        for top, under in folders.items()
        for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    start = {"dashboard/entry/streamlit_app.py", "dashboard/entry/.streamlit/config.toml"}
    assert held == wanted | start


@pytest.mark.every
def test_the_installed_dashboard_starts_away_from_the_repository(wheel, browser, tmp_path):
    target, away = tmp_path / "site", tmp_path / "away"
    away.mkdir()
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    path = {"PYTHONPATH": str(target)}  # before the repository, if that is installed as it stands
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import dashboard, sdlab; print(dashboard.__file__)"],
        cwd=away, env={**os.environ, **path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()) == target / "dashboard" / "__init__.py"
    process, url = start_server(
        tmp_path / "runs",
        tmp_path / "log",
        start=(sys.executable, "-P", "-m", "sdlab.cli", "dashboard"),
        folder=away,
        **path,
    )
    context = browser.new_context(color_scheme="light")
    try:
        page = context.new_page()
        page.set_default_timeout(SECONDS)
        page.goto(url)
        title = page.get_by_role("heading", name="sdlab, the laboratory for diffusion models")
        expect(title).to_be_visible(timeout=SECONDS)
        assert page.title() == "sdlab"
        assert "/media/" in page.locator("link[rel*=icon]").first.get_attribute("href")
        page.goto(f"{url}/experiment")
        button = run_button(page)
        expect(button).to_be_enabled(timeout=SECONDS)
        settle(page)
        titles = [entry.title for entry in entries().values()]
        expect(page.get_by_test_id("stSidebarNavLink")).to_have_text(
            [re.compile(t) for t in titles]
        )
        theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
        red, green, blue = bytes.fromhex(theme["light"]["primaryColor"][1:])
        expect(button).to_have_css("background-color", f"rgb({red}, {green}, {blue})")
    finally:
        process.terminate()
        process.wait(30)
        context.close()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert (tmp_path / "runs").is_dir()
