"""No address names anything but what is stored here, whatever stands in it; none ends in a 500."""

from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.report.routes import report_routes
from dashboard.shell.lab import lab
from dashboard.shell.routes import routes
from sdlab.errors import StoreError
from sdlab.runs.search import Search
from tests.dashboard.conftest import read

IDS = (
    *("..", "../x", "../../etc/passwd", "/etc/passwd", "\0", "a\0b", "0" * 16 + "\0", "%2e%2e"),
    *("0" * 15, "0" * 17, "0" * 16 + "\n", "A" * 16, "é" * 16, "٠" * 16, ".grids", "-h", ""),
    *(".trash", "a" * 5000, "\ud7ff", "<script>", "0" * 16),
)  # fmt: skip
ROUTES = (
    "/export/{}.zip",
    "/export/comparison/{}.zip",
    "/export/comparison/{}.zip?runs=1",
    "/export/grid/{}.png",
    "/picture/{}.png",
    "/frames/{}.webp",
    "/attention/{}.png",
    "/export/report.html?id={}",
    "/export/report.html?id={}&id=x",
    "/export/runs/{}.csv",
)
QUERIES = (
    *("text=%00", "solver=%00", "tag=%ED%A0%80", "since=0000-00-00", "until=9999-12-31x"),
    *("run=%00", "text=" + "+".join(map(str, range(200))), "order=%27", "order=run&order=x"),
    *("descending=x", "since=0001-01-01T00:00%2B14:00", "problem=x&problem=y"),
    *("limit=1", "comparison=%00"),
)  # fmt: skip
TAKEN = ("tag=%ED%A0%80", "descending=x", "problem=x&problem=y", "order=run&order=x")
"""Of what cannot be read the web server, or the search, makes something that can."""


@pytest.fixture
def client(runs_folder):
    (runs_folder / "0123456789abcdef.png").write_text("no run")
    return TestClient(Starlette(routes=[*report_routes(), *routes()]))


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_no_id_is_not_found(client, route):
    assert lab().runs
    for name in IDS:
        for written in {quote(name, safe=""), quote(name)}:
            answer = client.get(route.format(written), follow_redirects=False)
            assert answer.status_code in (404, 307), (name, answer.status_code)
            assert len(answer.content) < 1000


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_no_search_is_told(client, query):
    for table in ("runs.csv", "runs/steps.csv"):
        answer = client.get(f"/export/{table}?{query}")
        assert answer.status_code in (200, 404) and len(answer.content) < 5000
        assert answer.status_code == 404 or query in TAKEN


def test_thousands_of_tags_are_answered_at_once(client):
    answer = client.get("/export/runs.csv?" + "&".join(["tag=a"] * 5000))
    assert answer.status_code == 200 and len(answer.text.splitlines()) == 1


@pytest.mark.parametrize("page, field", [("run", "id"), ("compare", "id"), ("sweep", "id")])
def test_pages_say_that_nothing_is_stored_under_it(open_page, page, field):
    for name in ("../../etc/passwd", "a\0b", "a" * 5000):
        at = open_page(page, **{field: name})
        assert not at.exception
        told = "".join(map(read, (*at.error, *at.warning, *at.info)))
        assert told and "root:" not in told and len(told) < 3000


@pytest.mark.parametrize("text", ["\0", "9 " * 300, " ".join(map(str, range(101)))])
def test_a_search_that_is_none_is_told_on_the_page(open_page, text):
    at = open_page("runs", **{"runs.text": text})
    assert not at.exception


def test_a_search_says_what_it_is_not():
    with pytest.raises(ValueError, match="at most 100 words"):
        Search(text=" ".join(map(str, range(101))))
    with pytest.raises((ValueError, StoreError)):
        Search.of_pairs([("text", "\0")])
