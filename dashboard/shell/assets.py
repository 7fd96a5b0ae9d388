"""Serves each of Streamlit's own scripts, styles and fonts in one piece.

A browser that comes for the first time fetches sixty of them before anything is drawn, and as many
again for a page's fields and charts. Streamlit reads a file in pieces, by other threads, which wait
for the interpreter each time: milliseconds a file, and more while the model loads. Their names hold
a hash of what is in them, so they may be kept for ever, as Streamlit has it.
"""

from functools import cache
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit import file_util

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HEADERS = {"Cache-Control": "public, immutable, max-age=31536000"}


class WholeAssets:
    """Answers requests for those files, and leaves all others to the application.

    Args:
        app: The application.
    """

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        from starlette.responses import Response

        asks = scope["type"] == "http" and scope["method"] == "GET"
        path = assets().get(scope["path"]) if asks else None
        if path is None:
            await self._app(scope, receive, send)
            return
        kind, _ = guess_type(path.name)
        await Response(path.read_bytes(), headers=HEADERS, media_type=kind)(scope, receive, send)


@cache
def assets() -> dict[str, Path]:
    """Return Streamlit's files that have a hash in their names, by their addresses."""
    folder = Path(file_util.get_static_dir())
    files = (path for path in (folder / "static").rglob("*.*") if path.is_file())
    return {f"{base()}/{path.relative_to(folder).as_posix()}": path for path in files}


def base() -> str:
    """Return what all addresses of this server begin with: "" or "/lab"."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""
