"""What the server answers beside the pages: a whole run as a zip, streamed."""

import queue
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

Chunks = queue.Queue[bytes | Exception | None]

_PATH = "/export/{run}.zip"
_ID = re.compile(r"[0-9a-f]{16}")


def routes() -> "list[BaseRoute]":
    """Return the routes to mount beside Streamlit's own."""
    from starlette.routing import Route

    return [Route(_base() + _PATH, _export)]


def zip_url(run: str) -> str:
    """Return where the zip of a run is served."""
    return _base() + _PATH.format(run=run)


def _base() -> str:
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


async def _export(request: "Request") -> "Response":
    from starlette.responses import PlainTextResponse, StreamingResponse

    from dashboard.lab import lab

    run = request.path_params["run"]
    folder = lab().runs / run
    if not _ID.fullmatch(run) or not (folder / "manifest.json").is_file():
        return PlainTextResponse(f"No run {run[:40]!r} is stored here.", status_code=404)
    headers = {"Content-Disposition": f'attachment; filename="sdlab-{run}.zip"'}
    return StreamingResponse(stream_zip(folder), media_type="application/zip", headers=headers)


class _Pipe:
    """A file that can only be written, whose bytes come out at the other end."""

    def __init__(self, chunks: "Chunks", gone: threading.Event) -> None:
        self._chunks = chunks
        self._gone = gone
        self._position = 0

    def write(self, data: bytes) -> int:
        while not self._gone.is_set():
            try:
                self._chunks.put(bytes(data), timeout=1)
                self._position += len(data)
                return len(data)
            except queue.Full:
                continue
        raise BrokenPipeError("the browser has gone")

    def tell(self) -> int:
        return self._position

    def flush(self) -> None: ...

    def seekable(self) -> bool:
        return False


def stream_zip(folder: Path) -> Iterator[bytes]:
    """Yield the zip of a run folder while it is being written, a few blocks in memory at most.

    Raises:
        Exception: What the writing raised; the browser sees a broken download.
    """
    from sdlab.store.export import write_zip

    chunks: Chunks = queue.Queue(maxsize=16)
    gone = threading.Event()

    def produce() -> None:
        pipe = _Pipe(chunks, gone)
        try:
            write_zip(folder, pipe)
            end: Exception | None = None
        except Exception as error:
            end = error
        while not gone.is_set():
            try:
                chunks.put(end, timeout=1)
                return
            except queue.Full:
                continue

    threading.Thread(target=produce, name="sdlab-zip", daemon=True).start()
    try:
        while (chunk := chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk
    finally:
        gone.set()
