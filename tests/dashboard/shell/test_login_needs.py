"""What a server with login is told at its start, if its login could not work."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from streamlit import config
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_websocket import gather_user_info

from dashboard.serving import Serving, read_serving
from dashboard.shell import login_needs
from dashboard.shell.login_needs import KEYS, check_login
from sdlab.errors import SdlabError

SAMPLES = Path(__file__).parents[3] / "docs" / "serving"
WHOLE = {
    "redirect_uri": "https://lab.example.org/oauth2callback",
    "cookie_secret": "a secret of more than thirty-two letters",
    "client_id": "sdlab",
    "client_secret": "secret",
    "server_metadata_url": "https://id.example.org/.well-known/openid-configuration",
}


@pytest.fixture
def secrets(tmp_path):
    def told(**auth: str) -> None:
        lines = [f'{name} = "{value}"' for name, value in auth.items()]
        (tmp_path / "secrets.toml").write_text("\n".join(["[auth]", *lines]))
        secrets_singleton._reset()
        config.set_option("secrets.files", [str(tmp_path / "secrets.toml")])

    before = config.get_option("secrets.files")
    yield told
    config.set_option("secrets.files", before)
    secrets_singleton._reset()


def test_a_whole_login_starts(secrets):
    secrets(**WHOLE)
    check_login(Serving(login="oidc"))


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({}, "needs redirect_uri, cookie_secret, .* under \\[auth\\]"),
        ({**WHOLE, "client_secret": ""}, "needs client_secret under"),
        ({**WHOLE, "cookie_secret": "short"}, "fewer than 32 letters"),
    ],
)
def test_what_is_missing_is_named(secrets, auth, message):
    secrets(**auth)
    with pytest.raises(SdlabError, match=message):
        check_login(Serving(login="oidc"))


def test_the_missing_package_is_named(secrets, monkeypatch):
    secrets(**WHOLE)
    monkeypatch.setattr(login_needs, "find_spec", lambda name: None)
    with pytest.raises(SdlabError, match=r'pip install "sdlab\[serving\]"'):
        check_login(Serving(login="oidc"))


@pytest.mark.parametrize(("address", "warned"), [("127.0.0.1", 0), ("0.0.0.0", 1), (None, 1)])
def test_an_open_server_without_login_is_told_in_the_log(monkeypatch, caplog, address, warned):
    monkeypatch.setattr(login_needs.st, "get_option", lambda name: address)
    check_login(Serving())
    assert len(caplog.records) == warned


def test_a_session_belongs_to_whom_the_header_names():
    before = config.get_option("server.trustedUserHeaders")
    try:
        check_login(Serving(login="header", login_header="X-Name"))
        assert gather_user_info(Headers({"x-name": "anna"})) == {"visitor": "anna"}
    finally:
        config.set_option("server.trustedUserHeaders", before)


def test_the_sample_settings_are_valid():
    told = read_serving(SAMPLES / "serving.toml")
    assert told.login == "oidc" and told.operators
    auth = tomllib.loads((SAMPLES / "secrets.toml").read_text())["auth"]
    assert set(auth) == set(KEYS) and not auth["cookie_secret"]  # which each server makes


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="runs where systemd is installed")
def test_systemd_takes_the_sample_unit(tmp_path):
    unit = (SAMPLES / "sdlab.service").read_text()
    path = tmp_path / "sdlab.service"
    path.write_text(unit.replace("/opt/sdlab/.venv/bin/streamlit", "/bin/true"))
    command = ["systemd-analyze", "verify", str(path)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert not [line for line in found.stderr.splitlines() if "sdlab.service" in line]
