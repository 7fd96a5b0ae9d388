"""What is said of a damaged store names no folder of the server."""

import json

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.shell.routes import comparison_zip_url, routes, runs_table_url, zip_url
from sdlab.runs.curves import FOLDER as CURVES
from sdlab.runs.grids import FOLDER as GRIDS
from sdlab.runs.index import index_of
from sdlab.runs.owners import PLACE
from sdlab.runs.parts import COMPARISONS
from sdlab.runs.search import Search
from sdlab.runs.sweep_parts import SWEEPS
from tests.dashboard.conftest import server_over

ID = "d" * 16


@pytest.fixture
def damaged(tmp_path):
    """A live store in which something of each kind is damaged."""
    with server_over(tmp_path / "a folder of the server") as store:
        for place in (store / ID, store / COMPARISONS / ID, store / ".trash" / ID):
            place.mkdir(parents=True)
            (place / "manifest.json").write_text("{")
        (store / SWEEPS / ID).mkdir(parents=True)
        (store / SWEEPS / ID / "sweep.json").write_text("{")
        for place in (store / GRIDS / f"{ID}.json", store / CURVES / "mine.json", store / PLACE):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps("damaged") * 99)
        yield store


def told(at):
    """All that a page shows, as text."""
    said = [*at.text, *at.error, *at.warning, *at.info, *at.caption, *at.markdown]
    return " ".join([str(one.value) for one in said] + [one.value.to_csv() for one in at.dataframe])


def test_pages_of_a_damaged_store_name_no_folder(damaged, open_page):
    index_of(damaged).refresh()
    said = []
    for page, state in (
        ("runs", {}),
        ("runs", {"runs.section": "Grids"}),
        ("runs", {"runs.section": "Trash"}),
        ("run", {"id": ID}),
    ):
        at = open_page(page, **state)
        assert not at.exception
        said.append(told(at))
        assert damaged.name not in said[-1], (page, state)
    assert all("cannot be read" in said[place] for place in (0, 2)) and "the store" in said[2]


def test_routes_of_a_damaged_store_name_no_folder(damaged):
    client = TestClient(Starlette(routes=routes()))
    for url in (
        comparison_zip_url(ID, runs=True),
        runs_table_url(Search(owner="anna"), "csv"),
        zip_url(ID),
    ):
        assert damaged.name not in client.get(url).text
