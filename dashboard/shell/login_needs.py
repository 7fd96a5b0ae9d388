"""What a login needs, looked at as the server starts: a mistake ends the start, not the safety."""

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import streamlit as st
from streamlit import config
from streamlit.auth_util import get_secrets_auth_section

from dashboard.serving import HEADER, OIDC, Serving
from dashboard.shell.sign_in import is_among
from sdlab.errors import SdlabError

log = logging.getLogger(__name__)

KEYS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
LEAST_LETTERS = 32
_MAKE = "python -c 'import secrets; print(secrets.token_hex())'"
_OPEN = (
    "This server listens on %s and lets everybody in who reaches it; docs/serving.md tells how to "
    "have people sign in."
)


def check_login(serving: Serving) -> None:
    """Let no server start whose login cannot work; log it if strangers can reach one without.

    Raises:
        SdlabError: If its package or its settings are missing.
    """
    if serving.login == OIDC:
        _check_oidc(get_secrets_auth_section() or {})
    if serving.login == HEADER:  # so that Streamlit lets nobody take up another's session
        config.set_option("server.trustedUserHeaders", {serving.login_header: "visitor"})
    if not serving.login and not listens_here():
        log.warning(_OPEN, _address())


def listens_here() -> bool:
    """Return whether the server listens on this machine alone, so that nobody else reaches it."""
    return _address() == "localhost" or is_among(_address(), ("127.0.0.0/8", "::1"))


def _address() -> str:
    return str(st.get_option("server.address") or "0.0.0.0")


def _check_oidc(auth: Mapping[str, Any]) -> None:
    if find_spec("authlib") is None:
        raise SdlabError('login = "oidc" needs Authlib: pip install "sdlab[serving]".')
    missing = [key for key in KEYS if not auth.get(key)]
    if missing:
        raise SdlabError(
            f'login = "oidc" needs {", ".join(missing)} under [auth] in .streamlit/secrets.toml; '
            "docs/serving.md shows one."
        )
    if len(str(auth["cookie_secret"])) < LEAST_LETTERS:
        raise SdlabError(
            f"cookie_secret in .streamlit/secrets.toml has fewer than {LEAST_LETTERS} letters, so "
            f"it could be guessed; make one with: {_MAKE}"
        )
