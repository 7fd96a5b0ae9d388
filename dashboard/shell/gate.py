"""The gate: with login on, nothing of the server answers anybody who is not signed in.

It stands before the application, so before every page, connection, file and route, also those that
somebody adds or that a new Streamlit brings: what is open is named here, all else is not. Open are
the addresses of the login itself, and to this machine the server's health.
"""

import html
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from dashboard.components.browser_files import style
from dashboard.serving import OIDC, Serving, serving
from dashboard.shell.assets import base
from dashboard.shell.headers import FILE_HEADERS
from dashboard.shell.sign_in import RefusedError, check_peer, is_among, who

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

SIGN_IN = "/sign-in"
LOGIN = ("/auth/login", "/auth/logout", "/oauth2callback")
"""Streamlit's own addresses, by which a browser goes to whoever knows its person, and back."""
HEALTH = ("/health", "/metrics", "/_stcore/health")
BACK = "sdlab_back"
"""The cookie that holds, while a person signs in, which page of this server was asked for."""
_KEPT_SECONDS = 600
_REFUSED = 1008
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>sdlab</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
{}<h1>sdlab</h1><p>{}</p>{}</html>
"""
_LINK = '<p><a href="{}">{}</a></p>'
_STYLED = {**FILE_HEADERS, "Content-Security-Policy": "default-src 'none'; style-src "
           "'unsafe-inline'; frame-ancestors 'none'", "Cache-Control": "no-store"}  # fmt: skip


class Gate:
    """Answers requests of strangers, and leaves all others to the application.

    Args:
        app: The application.
        settings: The server's; as its file has them unless told.
    """

    def __init__(self, app: "ASGIApp", settings: Serving | None = None) -> None:
        self._app = app
        self._settings = settings or serving()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        answer = self._answer(scope) if scope["type"] in ("http", "websocket") else None
        if answer is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _REFUSED})

    def _answer(self, scope: "Scope") -> "Response | None":
        """Return what a stranger is told; None of a request that the application answers."""
        from starlette.datastructures import Headers

        settings, path = self._settings, scope["path"]
        if not settings.login or _is_health(scope, settings):
            return None
        headers = Headers(scope=scope)
        try:
            check_peer(scope.get("client"), settings)
            if settings.login == OIDC:
                if path == base() + SIGN_IN:
                    return _to_login()
                if path in {base() + address for address in LOGIN}:
                    return None
            who(headers, settings)
        except RefusedError as error:
            return _refusal(scope, headers, error, settings)
        return _back(headers) if path == f"{base()}/" else None


def _is_health(scope: "Scope", settings: Serving) -> bool:
    """Return whether a request asks for the server's health, and may: not by a proxy."""
    address, port = scope.get("client") or ("", 0)
    asked = scope["path"] in {base() + path for path in HEALTH}
    return asked and bool(port) and is_among(address, settings.monitors)


def _to_login() -> "Response":
    """Lead a browser to the login; its address holds a token of two minutes."""
    from starlette.responses import RedirectResponse
    from streamlit.user_info import generate_login_redirect_url

    return RedirectResponse(generate_login_redirect_url("default"), 302, _STYLED)


def _refusal(
    scope: "Scope", headers: "Headers", error: RefusedError, settings: Serving
) -> "Response":
    """Return the page for a browser's window, a line of text for all else."""
    from starlette.responses import HTMLResponse, PlainTextResponse

    window = scope["type"] == "http" and scope["method"] == "GET"
    if not window or "text/html" not in headers.get("accept", ""):
        return PlainTextResponse(f"{error}\n", error.status, _STYLED)
    link = ""
    if settings.login == OIDC:
        way, called = (SIGN_IN, "Sign in") if error.status == 401 else (LOGIN[1], "Sign out")
        link = _LINK.format(html.escape(base() + way), called)
    text = _PAGE.format(style(__file__), html.escape(str(error)), link)
    page = HTMLResponse(text, error.status, _STYLED)
    if error.status == 401 and settings.login == OIDC:
        asked = scope["path"] + ("?" + scope["query_string"].decode("latin-1")).rstrip("?")
        page.set_cookie(
            BACK, quote(asked), _KEPT_SECONDS, path=base() or "/", httponly=True, samesite="lax"
        )
    return page


def _back(headers: "Headers") -> "Response | None":
    """Lead a browser that has just signed in to the page that it had asked for."""
    from starlette.requests import HTTPConnection
    from starlette.responses import RedirectResponse

    asked = unquote(HTTPConnection({"type": "http", "headers": headers.raw}).cookies.get(BACK, ""))
    if not asked:
        return None
    here = asked.startswith(f"{base()}/") and not asked.startswith(("//", "/\\"))
    answer = RedirectResponse(asked if here else f"{base()}/", 302, {"Cache-Control": "no-store"})
    answer.delete_cookie(BACK, path=base() or "/", httponly=True, samesite="lax")
    return answer
