"""The gate: with login on, no route of the real server answers a stranger."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit import config
from streamlit.runtime import Runtime
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

import streamlit_app
from dashboard.serving import serving
from dashboard.shell.gate import BACK, HEALTH, LOGIN, SIGN_IN

ROOT = Path(__file__).parents[3]
ORIGIN = "https://lab.example.org"
SECRET = "a secret of more than thirty-two letters"
REMOTE, PROXY = ("198.51.100.7", 5000), ("127.0.0.1", 5000)
FORWARDED = ("198.51.100.7", 0)
"""What uvicorn makes of a request that a proxy on this machine passes on."""
STREAM = "/_stcore/stream"
OPEN = ("/picture/0123456789abcdef.png", "/_stcore/host-config", "/nothing")
PEOPLE = 'operators = ["anna@example.org"]\nallowed_people = ["*@example.org"]\n'
SECRETS = f"""
[auth]
redirect_uri = "{ORIGIN}/oauth2callback"
cookie_secret = "{SECRET}"
client_id = "sdlab"
client_secret = "secret"
server_metadata_url = "http://127.0.0.1:9/.well-known/openid-configuration"
"""


def cookie(secret: str = SECRET, **told) -> str:
    facts = {"origin": ORIGIN, "is_logged_in": True, "email": "anna@example.org", **told}
    value = create_signed_value(secret, "_streamlit_user", json.dumps(facts))
    return f"_streamlit_user={value.decode()}"


@pytest.fixture
def secrets(tmp_path) -> Iterator[None]:
    path = tmp_path / "secrets.toml"
    path.write_text(SECRETS)
    before = config.get_option("secrets.files")
    secrets_singleton._reset()
    config.set_option("secrets.files", [str(path)])
    yield
    config.set_option("secrets.files", before)
    secrets_singleton._reset()


@pytest.fixture
def app_with(tmp_path, monkeypatch, secrets):
    """Return the whole application, Streamlit's routes too, under an operator's settings."""

    def made(login: str) -> Starlette:
        path = tmp_path / "serving.toml"
        path.write_text(f'login = "{login}"\n{PEOPLE}')
        monkeypatch.setenv("SDLAB_SERVING", str(path))
        serving.cache_clear()
        monkeypatch.setattr(Runtime, "_instance", None)
        monkeypatch.setattr(streamlit_app.app, "_runtime", None)
        return streamlit_app.app._build_starlette_app()

    yield made
    serving.cache_clear()


def client(app, address=REMOTE) -> TestClient:
    return TestClient(app, client=address, follow_redirects=False)


def requests_of(app: Starlette) -> list[tuple[str, str]]:
    """Return a request for each route and method of an application, each page and some others."""
    found = []
    for route in app.routes:
        path = re.sub(r"\{(\w+)(:\w+)?\}", "0123456789abcdef", getattr(route, "path", "") or "/")
        methods = getattr(route, "methods", None)
        found += [(method, path) for method in sorted(methods or ("GET", "POST"))]
    pages = sorted((ROOT / "pages").glob("*.py"))
    found += [("GET", f"/{page.stem}") for page in pages]
    found += [("GET", path) for path in ("/", "//", "/nothing", "/../pyproject.toml", "/Media/x")]
    found += [("GET", path + "/") for path in (*LOGIN, *HEALTH)]
    return [request for request in found if request[1] not in LOGIN]


def refused(app, address=REMOTE, status=401, headers=None) -> int:
    """Check that all those requests are refused, and return how many they are."""
    asked = requests_of(app)
    with_headers = {"headers": headers or {}}
    browser = client(app, address)
    for method, path in asked:
        answer = browser.request(method, f"http://lab.example.org{path}", **with_headers)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text[:200])
        assert not any(name in answer.headers for name in ("etag", "content-disposition"))
        assert answer.headers["x-frame-options"] == "DENY"
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect(STREAM, **with_headers):
        pass
    return len(asked)


@pytest.mark.parametrize("login", ["oidc", "header"])
def test_every_route_of_the_server_refuses_who_is_not_signed_in(app_with, login):
    app = app_with(login)
    assert {"/picture/{run}.png", STREAM, "/export/report.html"} <= {
        r.path for r in app.routes[:-1]
    }
    assert refused(app, FORWARDED) >= 40


def test_without_login_none_of_it_is_refused(app_with):
    browser = client(app_with(""))
    assert {browser.get(path).status_code for path in OPEN[1:]} <= {200, 404}


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ("", 401, "Sign in"),
        (cookie("another secret of thirty-two letters"), 401, "Sign in"),
        (cookie(origin="https://elsewhere.example.org"), 401, "Sign in"),
        (cookie(is_logged_in=False), 401, "Sign in"),
        ("_streamlit_user=" + "A" * 40, 401, "Sign in"),
        ("_streamlit_user=\xff; ;=", 401, "Sign in"),
        (cookie().replace("_streamlit_user=", "_streamlit_user_tokens="), 401, "Sign in"),
        (cookie(email="eve@elsewhere.org"), 403, "eve@elsewhere.org may not come in"),
        (cookie(email="eve@example.org", email_verified=False), 403, "is not verified"),
        (cookie(email="eve@example.org", email_verified="false"), 403, "is not verified"),
        (cookie(email=None), 403, "no email"),
        (cookie(email="a\u202e@example.org"), 403, "no email"),
    ],
)
def test_a_cookie_that_is_not_its_own_or_anothers_lets_nobody_in(app_with, sent, status, said):
    answer = client(app_with("oidc")).get(OPEN[0], headers={"cookie": sent.encode("latin-1")})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


def test_who_is_signed_in_reaches_the_application(app_with):
    browser = client(app_with("oidc"), FORWARDED)
    answer = browser.get(OPEN[1], headers={"cookie": cookie(email="Anna@Example.org")})
    assert answer.status_code == 200


@pytest.mark.parametrize("address", [PROXY, FORWARDED, ("::ffff:127.0.0.1", 5000)])
def test_a_header_is_believed_of_the_proxy(app_with, address):
    answer = client(app_with("header"), address).get(
        OPEN[1], headers={"X-Forwarded-User": "anna@example.org"}
    )
    assert answer.status_code == 200


def test_a_header_is_not_believed_of_anybody_else(app_with):
    forged = {"X-Forwarded-User": "anna@example.org", "X-Forwarded-For": "127.0.0.1"}
    assert refused(app_with("header"), REMOTE, 403, forged) >= 40


def test_two_headers_name_nobody(app_with):
    twice = [("X-Forwarded-User", "eve@example.org"), ("X-Forwarded-User", "anna@example.org")]
    assert client(app_with("header"), PROXY).get(OPEN[1], headers=twice).status_code == 401


@pytest.mark.parametrize(("address", "status"), [(PROXY, 200), (REMOTE, 401), (FORWARDED, 401)])
def test_only_this_machine_asks_for_the_health_without_login(app_with, address, status):
    assert client(app_with("oidc"), address).get("/_stcore/script-health-check").status_code == 401
    found = client(app_with("oidc"), address).get(HEALTH[-1]).status_code
    assert (found == 401) == (status == 401)


def test_a_browser_is_led_to_the_login_and_back_to_its_page(app_with):
    browser = client(app_with("oidc"))
    window = {"accept": "text/html"}
    page = browser.get("/run?id=0123456789abcdef&x=%22", headers=window)
    assert (page.status_code, page.headers["cache-control"]) == (401, "no-store")
    assert f'<a href="{SIGN_IN}">Sign in</a>' in page.text
    on = browser.get(SIGN_IN)
    assert on.status_code == 302 and on.headers["location"].startswith("/auth/login?provider=")
    back = {"cookie": f"{cookie()}; {BACK}={browser.cookies[BACK]}"}
    answer = browser.get("/", headers=window | back)
    assert answer.headers["location"] == "/run?id=0123456789abcdef&x=%22"
    assert f'{BACK}=""' in answer.headers["set-cookie"]


@pytest.mark.parametrize("asked", ["https://elsewhere.org", "//elsewhere.org", "/%5Celsewhere.org"])
def test_nobody_is_led_elsewhere(app_with, asked):
    sent = {"cookie": f"{cookie()}; {BACK}={quote(asked, safe='%')}"}
    assert client(app_with("oidc")).get("/", headers=sent).headers["location"] == "/"


def test_a_stranger_is_shown_no_markup_of_their_own(app_with):
    sent = {"cookie": cookie(email="<script>@elsewhere.org"), "accept": "text/html"}
    text = client(app_with("oidc")).get("/", headers=sent).text
    assert "<script>" not in text and "&lt;script&gt;@elsewhere.org" in text
    assert f'<a href="{LOGIN[1]}">Sign out</a>' in text
