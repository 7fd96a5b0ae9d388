"""Streamlit's own files are the same as when Streamlit serves them, read in one piece."""

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from streamlit import file_util
from streamlit.web.server.starlette.starlette_static_routes import (
    create_streamlit_static_assets_routes,
)

from dashboard.shell import assets as module
from dashboard.shell.assets import WholeAssets, assets

INDEX = Path(file_util.get_static_dir()) / "index.html"


@pytest.fixture
def clients():
    routes = create_streamlit_static_assets_routes(None)
    whole = Starlette(routes=routes, middleware=[Middleware(WholeAssets)])
    return TestClient(whole), TestClient(Starlette(routes=routes))


def first_of_each_kind():
    return {path.suffix: address for address, path in sorted(assets().items())}.values()


def test_the_page_has_all_its_files_among_them():
    named = re.findall(r'(?:src|href)="\./(static/[^"]+)"', INDEX.read_text("utf-8"))
    assert len(named) > 10 and {f"/{name}" for name in named} <= set(assets())


@pytest.mark.parametrize("address", first_of_each_kind())
def test_a_file_is_as_streamlit_serves_it(clients, address):
    whole, streamlit = (client.get(address) for client in clients)
    assert whole.status_code == 200 and whole.content == streamlit.content
    for name in ("content-type", "content-length", "cache-control"):
        assert whole.headers[name] == streamlit.headers[name]
    assert "etag" not in whole.headers  # else it was Streamlit that answered


@pytest.mark.parametrize("address", ["/", "/glossary", "/static/js/none.js", "/static/%2e%2e/x"])
def test_all_else_is_left_to_the_application(clients, address):
    ours, streamlit = (client.get(address) for client in clients)
    assert (ours.status_code, ours.content) == (streamlit.status_code, streamlit.content)


def test_their_addresses_begin_as_the_servers_do(monkeypatch):
    monkeypatch.setattr(module.st, "get_option", {"server.baseUrlPath": "/lab/"}.get)
    assets.cache_clear()
    try:
        assert all(address.startswith("/lab/static/") for address in assets())
    finally:
        assets.cache_clear()
