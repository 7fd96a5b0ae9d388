"""Who sends a request: a cookie of Streamlit's own login, or a header set by a proxy, says it.

Both ways are off unless the operator's settings name one. A cookie is signed with the secret of
``secrets.toml``, so nobody can write one. A header can be written by anybody: it is read only of
requests that come from a proxy by its address.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from dashboard.serving import HEADER, OIDC, Serving
from sdlab.errors import SdlabError
from sdlab.runs.owners import EVERYBODY

if TYPE_CHECKING:
    from starlette.datastructures import Headers

LOOPBACK = "127.0.0.1"
MOST_LETTERS = 200
_NOT = (False, "false", "False")
"""How providers write that an address is not verified; some send it as text."""


@dataclass(frozen=True)
class Visitor:
    """A person at a page.

    Attributes:
        id: What owners are told apart by; "" without login.
        name: To be shown; "" without login.
        operator: Whether other people's work may be changed, and the server's.
    """

    id: str = ""
    name: str = ""
    operator: bool = True


class RefusedError(SdlabError):
    """A request that nobody who may come in has sent.

    Attributes:
        status: HTTP's: 401 of somebody who has to sign in, 403 of somebody who may not come in.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def who(headers: "Headers", serving: Serving) -> Visitor:
    """Return who sent a request.

    Args:
        headers: Of the request; ``check_peer`` has let it in where a header says who it is.
        serving: The server's settings.

    Raises:
        RefusedError: If nobody is signed in, or one who may not come in.
    """
    if not serving.login:
        return Visitor()
    ask = _by_cookie if serving.login == OIDC else _by_header
    name, id = ask(headers, serving)
    if serving.allowed_people and not _among(id, serving.allowed_people):
        raise RefusedError(
            403, f"{id} may not come in here; the server's operator decides who may."
        )
    return Visitor(id, name, is_operator(id, serving))


def check_peer(client: tuple[str, int] | None, serving: Serving) -> None:
    """Let requests in only from the proxy, where it is the proxy that says who sends them.

    Raises:
        RefusedError: If one comes from elsewhere.
    """
    if serving.login == HEADER and not is_among(peer(client), serving.trusted_proxies):
        raise RefusedError(403, "Requests are taken from this server's proxy only.")


def peer(client: tuple[str, int] | None) -> str:
    """Return the address that a request was sent from, by a proxy or a browser.

    Where a proxy on this machine says for whom it asks, uvicorn puts that address in the place of
    the proxy's, with port 0, which no connection has.
    """
    address, port = client or ("", 0)
    return address if port or not address else LOOPBACK


def is_among(address: str, networks: Collection[str]) -> bool:
    """Return whether an address is one of some, or in one of some networks."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in ip_network(network, strict=False) for network in networks)


def _by_cookie(headers: "Headers", serving: Serving) -> tuple[str, str]:
    """Return name and id of whom Streamlit's login has signed in."""
    told = _cookie_of(headers)
    if not told.get("is_logged_in"):
        raise RefusedError(401, "Sign in to use this server.")
    id = _plain(told.get(serving.login_claim))
    if not id:
        raise RefusedError(
            403, f"Your account has no {serving.login_claim}, by which people are known here."
        )
    if serving.login_claim == "email" and told.get("email_verified") in _NOT:
        raise RefusedError(403, f"{id} is not verified; verify it where you have your account.")
    return _plain(told.get("name"), lower=False) or id, id


def _by_header(headers: "Headers", serving: Serving) -> tuple[str, str]:
    """Return name and id of whom the proxy says that it has signed in."""
    found = headers.getlist(serving.login_header)
    id = _plain(found[0]) if len(found) == 1 else ""
    if not id:
        raise RefusedError(
            401, f"Sign in at this server's proxy: it names nobody in {serving.login_header}."
        )
    return id, id


def _plain(told: object, lower: bool = True) -> str:
    """Return what names a person, letters of one case; "" of what cannot."""
    text = re.sub(r",\s+", ",", told.strip()) if isinstance(told, str) else ""
    whole = text.isprintable() and len(text) <= MOST_LETTERS and text != EVERYBODY
    return (text.lower() if lower else text) if whole else ""


def is_operator(id: str, serving: Serving) -> bool:
    """Return whether somebody may change other people's work; without login everybody may."""
    return not serving.login or bool(id) and _among(id, serving.operators)


def _among(id: str, patterns: Collection[str]) -> bool:
    return any(fnmatch(id, pattern.lower()) for pattern in patterns)


def _cookie_of(headers: "Headers") -> Mapping[str, Any]:
    """Return what the cookie of Streamlit's login says; nothing of one that is not its own."""
    from starlette.requests import HTTPConnection
    from streamlit.auth_util import get_cookie_with_chunks, get_origin_from_redirect_uri
    from streamlit.web.server.server_util import get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

    cookies = HTTPConnection({"type": "http", "headers": headers.raw}).cookies
    secret = get_cookie_secret()

    def one(name: str) -> bytes | None:
        found = cookies.get(name, "").encode("latin-1", errors="ignore")
        return decode_signed_value(secret, name, found)

    try:
        told = json.loads(get_cookie_with_chunks(one, USER_COOKIE_NAME) or b"{}")
    except ValueError:
        return {}
    own = isinstance(told, dict) and told.get("origin") == get_origin_from_redirect_uri()
    return told if own else {}
