"""What the server serves beside the pages: zips of runs and comparisons, streamed; pictures."""

from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from dashboard.shell.assets import base
from dashboard.shell.headers import FILE_HEADERS
from dashboard.shell.messages import sentence
from dashboard.shell.monitoring import monitoring_routes

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from zipstream import ZipStream

    from sdlab.runs.search import Search

BLOCK = 2**20
HELD = 0.5
_KEPT = {**FILE_HEADERS, "Cache-Control": "private, max-age=600"}
_MEDIA = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
_PATH = "/export/{run}.zip"
_COMPARISON = "/export/comparison/{comparison}.zip"
_SHEET = "/export/grid/{grid}.png"
_TABLE = "/export/runs.{kind}"
_TABLE_OF = "/export/runs/{name}.{kind}"
_PICTURE = "/picture/{run}.png"
_FRAMES = "/frames/{run}.webp"
_WORDS = "/attention/{run}.png"


def routes() -> "list[BaseRoute]":
    """Return the routes to mount beside Streamlit's own."""
    from starlette.routing import Route

    return [
        Route(base() + _PATH, _export),
        Route(base() + _COMPARISON, _export_comparison),
        Route(base() + _SHEET, _sheet),
        Route(base() + _TABLE, _table),
        Route(base() + _TABLE_OF, _table),
        Route(base() + _PICTURE, _picture),
        Route(base() + _FRAMES, _frames),
        Route(base() + _WORDS, _words),
        *monitoring_routes(),
    ]


def zip_url(run: str) -> str:
    """Return where the zip of a run is served."""
    return base() + _PATH.format(run=run)


def comparison_zip_url(comparison: str, runs: bool = False) -> str:
    """Return where the zip of a comparison is served, with or without its run folders."""
    return base() + _COMPARISON.format(comparison=comparison) + "?runs=1" * runs


def sheet_url(grid: str) -> str:
    """Return where the contact sheet of a grid is served, or of a sweep that fits on one."""
    return base() + _SHEET.format(grid=grid)


def runs_table_url(search: "Search", kind: str, name: str = "runs") -> str:
    """Return where a table of the runs that a search finds is served.

    Args:
        search: What is looked for.
        kind: "csv" or "parquet".
        name: One of ``sdlab.runs.tables.NAMES``.
    """
    path = (_TABLE if name == "runs" else _TABLE_OF).format(name=name, kind=kind)
    return f"{base()}{path}?{urlencode(search.pairs)}"


def picture_url(run: str, version: object = "") -> str:
    """Return where the picture of a run is served, or its latest preview.

    Args:
        run: The run's id.
        version: Changes when the picture does, so that the browser asks again.
    """
    return f"{base()}{_PICTURE.format(run=run)}?v={quote(str(version))}"


def frames_url(run: str, version: object = "") -> str:
    """Return where the sheet of a run's frames is served; ``version`` as in ``picture_url``."""
    return f"{base()}{_FRAMES.format(run=run)}?v={quote(str(version))}"


def words_url(run: str, version: object = "") -> str:
    """Return where the heat maps of a run's words are served; ``version`` as in ``picture_url``."""
    return f"{base()}{_WORDS.format(run=run)}?v={quote(str(version))}"


def page_url(path: str) -> str:
    """Return the address of a page, for links that Streamlit does not draw."""
    return f"{base()}/{path}"


def _export(request: "Request") -> "Response":
    from starlette.responses import PlainTextResponse

    from dashboard.shell.lab import lab
    from dashboard.worker.stored_runs import run_folder
    from sdlab.errors import StoreError
    from sdlab.runs.export import zip_of

    run = request.path_params["run"]
    try:
        archive = zip_of(run_folder(lab().runs, run))
    except StoreError:
        text = f"No run {run[:40]!r} is stored here."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)
    with suppress(StoreError):  # what is damaged comes as it is, without frames
        lab().frames.add_to(archive, run, lab().ask)
    return _download(archive, f"sdlab-{run}.zip")


def _export_comparison(request: "Request") -> "Response":
    from starlette.responses import PlainTextResponse

    from dashboard.shell.lab import lab
    from sdlab.comparing.export import zip_of
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
        archive = zip_of(result, lab().runs, runs=runs)
    except StoreError as error:
        text = f"{sentence(error)} The zip without runs can be had."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)
    kind = "comparison-runs" if runs else "comparison"
    return _download(archive, f"sdlab-{kind}-{name}.zip")


def _sheet(request: "Request") -> "Response":
    """Answer with the contact sheet of the stored pictures of a grid, or of a sweep that fits."""
    from starlette.responses import PlainTextResponse, Response

    from dashboard.shell.lab import lab
    from sdlab.errors import StoreError
    from sdlab.experiment.grid import Grid
    from sdlab.runs.contact_sheet import stored_sheet
    from sdlab.sweeping.sweep_folder import find_sweep

    name = request.path_params["grid"]
    try:
        found = find_sweep(lab().runs, name)
        grid = Grid(found.base, found.axes) if found else None
    except (StoreError, ValueError):  # damaged, or too large for a sheet
        grid = None
    if grid is None:
        text = f"No grid {name[:40]!r} is stored here."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)
    data, _ = stored_sheet(lab().runs, grid)
    shown = {"Content-Disposition": f'inline; filename="sdlab-grid-{name}.png"'}
    return Response(data, media_type="image/png", headers={**FILE_HEADERS, **shown})


def _table(request: "Request") -> "Response":
    """Answer with a table of the runs that a search finds."""
    from starlette.responses import PlainTextResponse, StreamingResponse

    from dashboard.shell.lab import lab
    from sdlab.errors import StoreError
    from sdlab.runs.index import index_of
    from sdlab.runs.search import Search
    from sdlab.runs.tables import OF_RUNS, USUAL, blocks_of

    name, kind = request.path_params.get("name", OF_RUNS), request.path_params["kind"]
    try:
        search = Search.of_pairs(request.query_params.multi_items())
        index = index_of(lab().runs)
        index.refresh()
        runs = index.find(search)
        blocks = blocks_of(name, runs, kind, () if name == OF_RUNS else USUAL)
    except (ValueError, StoreError) as error:
        return PlainTextResponse(sentence(error), status_code=404, headers=FILE_HEADERS)
    named = {"Content-Disposition": f'attachment; filename="sdlab-{name}.{kind}"'}
    return StreamingResponse(blocks, media_type=_MEDIA[kind], headers={**FILE_HEADERS, **named})


def _download(archive: "ZipStream", name: str) -> "Response":
    """Answer with a zip that is made while the browser downloads it."""
    from starlette.responses import StreamingResponse

    headers = {**FILE_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_blocks(archive), media_type="application/zip", headers=headers)


def _blocks(archive: "ZipStream") -> Iterator[bytes]:
    """Yield a zip in blocks of 1 MiB, as handing over each costs the server a switch of threads.

    The first bytes go at once, so that the browser shows the download, and where parts are slow to
    come none is held back longer than ``HELD`` seconds once the next is there.
    """
    held: list[bytes] = []
    due = 0.0
    for part in archive:
        held.append(part)
        if sum(map(len, held)) >= BLOCK or monotonic() >= due:
            yield b"".join(held)
            held.clear()
            due = monotonic() + HELD
    yield b"".join(held)


def _why(comparison: str) -> str:
    """Return why a comparison cannot be opened."""
    from dashboard.shell.lab import lab
    from sdlab.comparing.result import FOLDER
    from sdlab.runs import RUN_ID

    here = RUN_ID.fullmatch(comparison) and (lab().runs / FOLDER / comparison).exists()
    return "damaged; compare again on its page" if here else "not stored here"


def _picture(request: "Request") -> "Response":
    """Answer with a run's latest preview while it is running, or with its stored picture."""
    from starlette.responses import PlainTextResponse, Response

    from dashboard.shell.lab import lab
    from dashboard.worker.stored_runs import read_picture, run_folder
    from sdlab.errors import StoreError

    run = request.path_params["run"]
    view = lab().known_runs.get(run)
    headers = _KEPT
    if view is not None and view.state != "done" and view.preview:
        return Response(view.preview, media_type="image/png", headers=headers)
    try:
        picture = read_picture(run_folder(lab().runs, run))
        return Response(picture, media_type="image/png", headers=headers)
    except StoreError:
        text = f"No picture of {run[:40]!r} is here."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)


def _frames(request: "Request") -> "Response":
    """Answer with the sheet of a run's frames."""
    from starlette.responses import PlainTextResponse, Response

    from dashboard.shell.lab import lab
    from sdlab.runs import RUN_ID

    run = request.path_params["run"]
    sheet = lab().frames.sheet(run) if RUN_ID.fullmatch(run) else None
    if sheet is None:
        text = f"No frames of {run[:40]!r} are here."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)
    return Response(sheet.webp, media_type="image/webp", headers=_KEPT)


def _words(request: "Request") -> "Response":
    """Answer with the heat maps of a run's words."""
    from starlette.responses import PlainTextResponse, Response

    from dashboard.shell.lab import lab
    from dashboard.worker.stored_runs import stored_run
    from dashboard.worker.word_maps import word_sheet

    run = request.path_params["run"]
    found = stored_run(lab().runs, run)
    sheet = found and word_sheet(found.folder, found.manifest["experiment"]["model"])
    if sheet is None:
        text = f"No attention of {run[:40]!r} is here."
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)
    return Response(sheet, media_type="image/png", headers=_KEPT)
