"""Addresses that version 0.2.0 understood open as they did, and offer the same CSVs."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.elements.widgets.button import ButtonMixin

from dashboard.shell.routes import routes
from tests.dashboard.conftest import run_until, server_over
from tests.dashboard.forms import open_tab

DATA = Path(__file__).parents[1] / "data" / "version_0_2"
LINKS = json.loads((DATA / "links.json").read_text(encoding="utf-8"))
# A default is not in the address: these became defaults later.
NOW_DEFAULT = {"compare.align": "Evaluations", "schedules.by": "rule"}
# Tables that a route serves now, with further columns.
NOW_SERVED = {"runs.csv": "/export/runs.csv"}
NOW_CALLED = {"workbench.way": {"Points": "Draw"}}  # the old word is still taken

# These compute longest, and their pages' other links and tests are like them.
LONGEST = {"compare15", "ddim0", "ddim1", "ddim3", "noised_images1", "noised_images2"}


def of_links() -> Iterator:
    """Each link, named by its page and its number among that page's; the odd ones less often."""
    seen: Counter[str] = Counter()
    for link in LINKS:
        number = seen[link["page"]]
        seen[link["page"]] += 1
        name = f"{link['page']}{number}"
        seldom = name in LONGEST or number % 2 == 1
        yield pytest.param(link, id=name, marks=[pytest.mark.every] * seldom)


@pytest.fixture(scope="module")
def runs_folder(tmp_path_factory) -> Iterator[Path]:
    """The stored runs, in the place of those that other tests make."""
    folder = tmp_path_factory.mktemp("before") / "runs"
    shutil.copytree(DATA / "runs", folder)
    with server_over(folder):
        yield folder


@pytest.fixture
def offered(monkeypatch) -> dict[str, str]:
    """The first line of every CSV that a page has offered so far, by the name of its file."""
    found: dict[str, str] = {}
    button = ButtonMixin._download_button

    def noted(self, label, data, file_name=None, **more):
        if str(file_name).endswith(".csv"):
            data = data() if callable(data) else data
            found[file_name] = data.decode("utf-8-sig").splitlines()[0]
        return button(self, label, data, file_name, **more)

    monkeypatch.setattr(ButtonMixin, "_download_button", noted)
    return found


@pytest.mark.parametrize("link", of_links())
def test_a_link_opens_as_it_did(open_page, offered, link):
    at = open_page(link["page"], **link["params"])
    if link["page"] in ("run", "experiment") and link["csv"]:
        open_tab(at, "Tables")  # which all stood below each other
    for key in link["press"]:
        at.button(key=key).click().run()
    button = {name: head for name, head in link["csv"].items() if name not in NOW_SERVED}
    run_until(at, lambda at: set(button) <= set(offered))
    assert [said.value for said in (*at.exception, *at.error, *at.warning)] == []
    kept = {name: at.query_params[name] for name in link["params"] if name in at.query_params}
    for name in NOW_DEFAULT.keys() & link["kept"].keys() - kept.keys():
        kept[name] = NOW_DEFAULT[name]
        assert at.session_state[name] == NOW_DEFAULT[name]
    before = dict(link["kept"])
    for name in NOW_CALLED.keys() & before.keys():
        before[name] = NOW_CALLED[name].get(before[name], before[name])
    assert kept == before
    assert {name: offered.get(name) for name in button} == button  # pages may offer more
    for name in link["csv"].keys() & NOW_SERVED.keys():
        head, *rows = TestClient(Starlette(routes=routes())).get(NOW_SERVED[name]).text.splitlines()
        assert set(link["csv"][name].split(",")) <= set(head.lstrip("\ufeff").split(",")) and rows
