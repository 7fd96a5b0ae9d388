"""The recipes of docs/serving, run: TLS and a proxy before the server, people who sign in."""

import json
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from sdlab.runs.owners import all_owners
from tests.e2e.conftest import ROOT, SECONDS, free_port, run_button, start_server

SAMPLES = ROOT / "docs" / "serving"
ANNA, EVE = "anna@example.org", "eve@elsewhere.org"
STRICT = "max-age=31536000"
pytestmark = pytest.mark.every


@pytest.fixture
def begun() -> Iterator[Callable[..., subprocess.Popen]]:
    """Start programs, and end them after the test."""
    running = []

    def begin(*command: str, **variables: str) -> subprocess.Popen:
        pipe = subprocess.DEVNULL
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **variables}
        running.append(subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe))
        return running[-1]

    yield begin
    for process in reversed(running):
        process.terminate()
        process.wait(30)


@pytest.fixture
def provider(begun) -> str:
    """A provider of accounts on this machine, which believes whatever name it is told."""
    pytest.importorskip("oidc_provider_mock", reason="runs where requirements-every is installed")
    port = str(free_port())
    people = [json.dumps({"sub": who, "email": who, "name": "Anna B."}) for who in (ANNA, EVE)]
    told = [word for person in people for word in ("--user-claims", person)]
    begun(sys.executable, "-m", "oidc_provider_mock", "--port", port, *told)
    url = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
    answers(url)
    return url


def answers(url: str, status: int = 200, **headers: str) -> dict[str, str]:
    """Wait until a server answers with a status, and return its headers."""
    trusting = ssl._create_unverified_context()
    end = time.monotonic() + SECONDS / 1000
    while True:
        try:
            request = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(request, timeout=30, context=trusting) as answer:
                found = answer
        except urllib.error.HTTPError as error:
            found = error
        except OSError:
            assert time.monotonic() < end, url
            time.sleep(0.1)
            continue
        assert found.status == status, (url, found.status)
        return {name.lower(): value for name, value in found.headers.items()}


def serve(folder: Path, login: str, provider: str = "", port: int = 0):
    """Start the dashboard with the sample settings."""
    settings = (SAMPLES / "serving.toml").read_text().replace('"oidc"', f'"{login}"')
    (folder / "serving.toml").write_text(settings.replace("*@example.org", "anna*"))
    secrets = (
        (SAMPLES / "secrets.toml").read_text().replace('secret = ""', f'secret = "{"s" * 40}"')
    )
    secrets = secrets.replace("https://lab.example.org", f"https://localhost:{port}")
    metadata = "https://id.example.org/.well-known/openid-configuration"
    (folder / "secrets.toml").write_text(secrets.replace(metadata, provider))
    start = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    start += ["--secrets.files", str(folder / "secrets.toml")]
    serving = str(folder / "serving.toml")
    return start_server(folder / "runs", folder / "log", start=start, SDLAB_SERVING=serving)


def caddy(begun, folder: Path, sample: str, port: int, url: str, **variables: str) -> str:
    """Start Caddy on a sample file as it is; return the address of the site."""
    program = shutil.which("caddy") or pytest.skip("needs Caddy: apt-get install caddy")
    wrapper = folder / "Caddyfile"
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
    wrapper.write_text(f"{options}import {SAMPLES / sample}\n")
    site = f"https://localhost:{port}"
    upstream = url.removeprefix("http://")
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    told = {"SDLAB_SITE": site, "SDLAB_UPSTREAM": upstream, **home, **variables}
    begun(program, "run", "--config", str(wrapper), "--adapter", "caddyfile", **told)
    return site


def nginx(begun, folder: Path, port: int, url: str) -> str:
    """Start nginx on the sample file, with a certificate, port and address of its own."""
    program = shutil.which("nginx") or pytest.skip("needs nginx: apt-get install nginx-light")
    key, certificate = folder / "lab.key", folder / "lab.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    text = (SAMPLES / "nginx.conf").read_text()
    for before, after in (
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("lab.example.org", "localhost"),
        ("/etc/ssl/lab.pem", str(certificate)),
        ("/etc/ssl/lab.key", str(key)),
        ("http://127.0.0.1:8501", url),
    ):
        assert before in text
        text = text.replace(before, after)
    paths = "".join(
        f"{kind}_temp_path {folder / kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"pid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\n"
    whole += f"access_log off;\n{paths}{text}}}\n"
    (folder / "nginx.conf").write_text(whole)
    begun(program, "-c", str(folder / "nginx.conf"), "-g", "daemon off;", "-p", str(folder))
    return f"https://localhost:{port}"


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_people_sign_in_with_their_account_behind_a_proxy(
    browser, begun, provider, tmp_path, proxy
):
    port = free_port()
    process, url = serve(tmp_path, "oidc", provider, port)
    if proxy == "caddy":
        site = caddy(begun, tmp_path, "Caddyfile", port, url)
    else:
        site = nginx(begun, tmp_path, port, url)
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(SECONDS)
    page = context.new_page()
    try:
        assert answers(site, 401)["strict-transport-security"] == STRICT
        for path in ("/picture/0123456789abcdef.png", "/_stcore/health", "/export/runs.csv"):
            answers(f"{site}{path}", 401)
        page.goto(f"{site}/experiment?experiment.steps=2")
        page.get_by_role("link", name="Sign in").click()
        page.get_by_role("button", name=EVE).click()
        expect(page.get_by_text(f"{EVE} may not come in here")).to_be_visible()
        page.context.clear_cookies()
        page.goto(f"{site}/experiment?experiment.steps=2")
        page.get_by_role("link", name="Sign in").click()
        page.get_by_role("button", name=ANNA).click()
        page.wait_for_url(f"{site}/experiment?experiment.steps=2*")
        expect(page.get_by_text("Anna B. · operator")).to_be_visible()
        run_button(page).click()
        page.get_by_role("tab", name="Files").wait_for()
        assert set(all_owners(tmp_path / "runs", "run").values()) == {(ANNA,)}
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_function("() => !location.href.includes('experiment')")
        page.goto(f"{site}/runs")
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    finally:
        context.close()
        process.terminate()
        process.wait(30)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_proxy_that_knows_its_people_says_who_it_is(browser, begun, tmp_path):
    port = free_port()
    process, url = serve(tmp_path, "header")
    words = ["caddy", "hash-password", "--plaintext", "a good password"]
    if not shutil.which("caddy"):
        pytest.skip("needs Caddy: apt-get install caddy")
    hashed = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    site = caddy(begun, tmp_path, "Caddyfile.header", port, url, SDLAB_ANNA=hashed)
    forged = {"X-Forwarded-User": "olga"}
    told = {"username": "anna", "password": "a good password"}
    context = browser.new_context(
        ignore_https_errors=True, http_credentials=told, extra_http_headers=forged
    )
    context.set_default_timeout(SECONDS)
    page = context.new_page()
    try:
        answers(site, 401, **forged)
        answers(url, 401)  # past the proxy, from its own machine, and naming nobody
        page.goto(f"{site}/experiment?experiment.steps=2")
        expect(page.locator(".st-key-signed_in")).to_contain_text("anna")
        run_button(page).click()
        page.get_by_role("tab", name="Files").wait_for()
        assert set(all_owners(tmp_path / "runs", "run").values()) == {("anna",)}
    finally:
        context.close()
        process.terminate()
        process.wait(30)
    assert "Traceback" not in (tmp_path / "log").read_text()
