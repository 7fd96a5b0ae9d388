"""Every route answers any address, method and header with a short refusal and tells nothing."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.report.routes import report_routes
from dashboard.shell.headers import middleware
from dashboard.shell.routes import routes
from tests.hostile.strategies import queries, texts, tried
from tests.hostile.told import tells

PATHS = sorted({route.path for route in (*routes(), *report_routes())})
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
HEADERS = ("Range", "Accept", "If-None-Match", "Cookie", "X-Forwarded-For", "Accept-Encoding")
LONGEST = 20_000
"""Bytes of an answer: nothing is stored whose answer would be longer."""


@st.composite
def requests_of(draw: st.DrawFn, path: str) -> tuple[str, str, dict[str, str]]:
    """Any request of a route."""
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + quote(draw(texts)[:2000], safe="") + rest.partition("}")[2]
    query = urlencode([(name[:500], text[:5000]) for name, text in draw(queries)])
    odd = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80)
    headers = {name: draw(odd) for name in draw(st.sets(st.sampled_from(HEADERS), max_size=2))}
    return draw(st.sampled_from(METHODS)), f"{path}?{query}", headers


@pytest.fixture(scope="module")
def client(runs_folder):
    app = Starlette(routes=[*report_routes(), *routes()], middleware=middleware())
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("examples", [4, pytest.param(60, marks=pytest.mark.every)])
def test_any_request_gets_a_short_answer(client, runs_folder, path, examples):
    def check(request):
        method, url, headers = request
        answer = client.request(method, url, headers=headers)
        assert answer.status_code < 500, answer.text
        assert len(answer.content) < LONGEST
        assert not tells(answer.text, runs_folder), answer.text

    tried(requests_of(path), check, examples)
