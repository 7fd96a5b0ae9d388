"""What the server answers beside the pages: zips of runs and comparisons, streamed; pictures."""

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.headers import FILE_HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

Chunks = queue.Queue[bytes | Exception | None]

_PATH = "/export/{run}.zip"
_COMPARISON = "/export/comparison/{comparison}.zip"
_PICTURE = "/picture/{run}.png"


def routes() -> "list[BaseRoute]":
    """Return the routes to mount beside Streamlit's own."""
    from starlette.routing import Route

    return [
        Route(_base() + _PATH, _export),
        Route(_base() + _COMPARISON, _export_comparison),
        Route(_base() + _PICTURE, _picture),
    ]


def zip_url(run: str) -> str:
    """Return where the zip of a run is served."""
    return _base() + _PATH.format(run=run)


def comparison_zip_url(comparison: str, runs: bool = False) -> str:
    """Return where the zip of a comparison is served, with or without its run folders."""
    return _base() + _COMPARISON.format(comparison=comparison) + "?runs=1" * runs


def picture_url(run: str, version: object = "") -> str:
    """Return where the picture of a run is served, or its latest preview.

    Args:
        run: The run's id.
        version: Changes when the picture does, so that the browser asks again.
    """
    return f"{_base()}{_PICTURE.format(run=run)}?v={version}"


def page_url(path: str) -> str:
    """Return the address of a page, for links that Streamlit does not draw."""
    return f"{_base()}/{path}"


def _base() -> str:
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def _export(request: "Request") -> "Response":
    from starlette.responses import PlainTextResponse, StreamingResponse

    from dashboard.shell.lab import lab
    from dashboard.worker.stored_runs import run_folder
    from sdlab.errors import StoreError
    from sdlab.runs.run_folder import read_manifest

    run = request.path_params["run"]
    try:
        folder = run_folder(lab().runs, run)
        read_manifest(folder)
    except StoreError:
        text = f"No run {run[:40]!r} is stored here."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)
    headers = {
        **FILE_HEADERS,
        "Content-Disposition": f'attachment; filename="sdlab-{run}.zip"',
    }
    return StreamingResponse(stream_zip(folder), media_type="application/zip", headers=headers)


def _export_comparison(request: "Request") -> "Response":
    from starlette.responses import PlainTextResponse, StreamingResponse

    from dashboard.shell.lab import lab
    from sdlab.comparing import export
    from sdlab.comparing.result import open_result
    from sdlab.errors import StoreError

    name = request.path_params["comparison"]
    try:
        result = open_result(lab().runs, name)
    except StoreError:
        text = f"Comparison {name[:40]!r} is {_why(name)}."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)
    runs = request.query_params.get("runs") == "1"
    try:
        if runs:  # while the answer can still be another
            export.run_folders(result, lab().runs)
    except StoreError as error:
        text = f"{error} The zip without runs can be had."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)
    kind = "comparison-runs" if runs else "comparison"
    headers = {
        **FILE_HEADERS,
        "Content-Disposition": f'attachment; filename="sdlab-{kind}-{name}.zip"',
    }
    chunks = stream(lambda sink: export.write_zip(result, sink, root=lab().runs, runs=runs))
    return StreamingResponse(chunks, media_type="application/zip", headers=headers)


def _why(comparison: str) -> str:
    """Return in words why a comparison cannot be opened."""
    from dashboard.shell.lab import lab
    from sdlab.comparing.result import FOLDER
    from sdlab.runs import RUN_ID

    here = RUN_ID.fullmatch(comparison) and (lab().runs / FOLDER / comparison).exists()
    return "damaged; compare again on its page" if here else "not stored here"


def _picture(request: "Request") -> "Response":
    """Answer with a run's latest preview while it is on its way, or with its stored picture."""
    from starlette.responses import PlainTextResponse, Response

    from dashboard.shell.lab import lab
    from dashboard.worker.stored_runs import read_picture, run_folder
    from sdlab.errors import StoreError

    run = request.path_params["run"]
    view = lab().get(run)
    headers = {**FILE_HEADERS, "Cache-Control": "private, max-age=600"}
    if view is not None and view.state != "done" and view.preview:
        return Response(view.preview, media_type="image/png", headers=headers)
    try:
        picture = read_picture(run_folder(lab().runs, run))
        return Response(picture, media_type="image/png", headers=headers)
    except StoreError:
        text = f"No picture of {run[:40]!r} is here."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)


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
    from sdlab.runs.export import write_zip

    yield from stream(lambda sink: write_zip(folder, sink))


def stream(write: "Callable[[Any], None]") -> Iterator[bytes]:
    """Yield what ``write`` writes to the stream it is given, while it writes, in another thread.

    Raises:
        Exception: What the writing raised.
    """
    chunks: Chunks = queue.Queue(maxsize=16)
    gone = threading.Event()

    def produce() -> None:
        pipe = _Pipe(chunks, gone)
        try:
            write(pipe)
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
