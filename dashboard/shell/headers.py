"""Security headers of every response of the server.

Streamlit's page contains an inline script and adds others, so scripts cannot be restricted. But no
other site may put the page into a frame and take its clicks, no file is treated as another type
than it is sent as, no plug-in runs, and no other site learns the address, which holds the prompt.
"""

from typing import TYPE_CHECKING

from dashboard.shell.assets import WholeAssets

if TYPE_CHECKING:
    from starlette.middleware import Middleware
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "frame-ancestors 'self'; object-src 'none'; base-uri 'self'",
}
FILE_HEADERS = {
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of what is a file to look at or to keep, not a page."""


def middleware() -> "list[Middleware]":
    """Return what to wrap the server's application in, from the outside in."""
    from starlette.middleware import Middleware

    from dashboard.shell.gate import Gate

    return [Middleware(_WithHeaders), Middleware(Gate), Middleware(WholeAssets)]


class _WithHeaders:
    """Adds ``HEADERS`` to each answer that has not its own of that name."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        from starlette.datastructures import MutableHeaders

        async def send_with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
