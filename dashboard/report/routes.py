"""What the server serves of reports: each is written by a process of its own while it waits."""

import asyncio
import html
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from weakref import WeakValueDictionary

from dashboard.report import MOST_RUNS
from dashboard.serving import serving
from dashboard.shell.assets import base
from dashboard.shell.headers import FILE_HEADERS
from dashboard.shell.messages import without_places
from dashboard.shell.sign_in import peer, who

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

log = logging.getLogger(__name__)

SECONDS = 600.0
NICER = 10
"""By so much a report is nicer than the server, which makes runs meanwhile."""
_TURNS = asyncio.Semaphore(4)  # each report takes a core for seconds
_OWN: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""Held for a person while a report is made for them; there as long as somebody waits for it."""
_PATH = "/export/report.html"
_TROUBLE = "<!doctype html><meta charset=utf-8><title>No report</title><p>{}</p>\n"


def report_routes() -> "list[BaseRoute]":
    """Return the route to mount beside Streamlit's own."""
    from starlette.routing import Route

    return [Route(base() + _PATH, _report)]


def report_url(*ids: str) -> str:
    """Return where the report of a run, comparison, sweep or grid is served, or of several runs."""
    return f"{base()}{_PATH}?{urlencode([('id', name) for name in ids])}"


def _report(request: "Request") -> "Response":
    """Answer with a report; the download begins at once, and its bytes come when it is made."""
    from starlette.responses import PlainTextResponse, StreamingResponse

    from dashboard.shell.lab import lab
    from dashboard.worker.stored_runs import stored_run
    from sdlab.errors import brief
    from sdlab.runs import RUN_ID

    ids = list(dict.fromkeys(request.query_params.getlist("id")))
    if len(ids) > MOST_RUNS:
        text = f"A report is of at most {MOST_RUNS:,} runs, and {len(ids):,} are named. Name fewer."
        return PlainTextResponse(text, status_code=400, headers=FILE_HEADERS)
    whole = all(RUN_ID.fullmatch(name) for name in ids)
    if not ids or not whole or len(ids) == 1 and not _is_stored(lab().runs, ids[0]):
        text = brief(f"Nothing is stored here under {', '.join(ids)[:40]!r}.")
        return PlainTextResponse(text, status_code=404, headers=FILE_HEADERS)
    script = ""
    if len(ids) == 1 and (run := stored_run(lab().runs, ids[0])) is not None:
        script = _script(run.manifest)
    name = f"sdlab-{ids[0][:16] if len(ids) == 1 else f'{len(ids)}-runs'}.html"
    named = {"Content-Disposition": f'attachment; filename="{name}"'}
    blocks = written(lab().runs, ids, script, _person(request))
    return StreamingResponse(blocks, media_type="text/html", headers={**FILE_HEADERS, **named})


def _person(request: "Request") -> str:
    """Return who asks; without a login whoever is at one machine is one person."""
    return who(request.headers, serving()).id or peer(request.scope.get("client"))


async def written(
    root: Path, ids: Sequence[str], script: str = "", person: str = ""
) -> AsyncIterator[bytes]:
    """Yield a report that another process makes; if it cannot, a page that says why.

    One person's are made one after the other, so that they do not hold up others'. Whoever waits
    may be gone before: where this is cancelled, the process is ended.

    Args:
        root: The folder of all runs.
        ids: As ``making.report`` takes them.
        script: Likewise.
        person: Who waits for it.
    """
    own = _OWN.setdefault(person, asyncio.Lock())
    command = [sys.executable, "-m", "dashboard.report", str(root), *ids]
    try:
        async with own, _TURNS:
            code, page, told = await _run(command, script.encode())
    except subprocess.TimeoutExpired:
        yield _TROUBLE.format("The report took too long to make; name fewer runs.").encode()
        return
    if not code:
        yield page
        return
    if code != 2:
        log.error("the report of %s failed: %s", ids, told)
        told = "The report could not be made; the server's log says why."
    yield _TROUBLE.format(html.escape(without_places(told))).encode()


async def _run(command: Sequence[str], sent: bytes) -> tuple[int, bytes, str]:
    """Return how a command ended, what it wrote and what it said; ended with who waits for it.

    The server's own work goes before it.
    """
    pipe, place = subprocess.PIPE, Path(__file__).parents[2]  # where ``dashboard`` is
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=place)
    try:
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + NICER)
        out, said = await asyncio.to_thread(process.communicate, sent, SECONDS)
        return process.returncode, out, said.decode(errors="replace").strip()
    finally:
        process.kill()


def _is_stored(root: Path, name: str) -> bool:
    from dashboard.report.making import find
    from sdlab.errors import StoreError

    try:
        return bool(find(root, name))
    except StoreError:
        return False


def _script(manifest: dict[str, Any]) -> str:
    """Return a run as a script of diffusers; "" if its model is not in memory, or none can."""
    from dashboard.shell.lab import lab
    from dashboard.worker.task import BusyError
    from sdlab.errors import SdlabError
    from sdlab.experiment.experiment import Experiment

    model = lab().status().model
    facts, asked = manifest["model"], manifest["experiment"]
    if model is None or facts["hash"] != model.hash:
        return ""
    try:
        experiment = Experiment.from_dict(asked)
        return lab().ask(partial(_written, experiment=experiment), model.hash, timeout=5.0)
    except (ValueError, SdlabError, BusyError):
        return ""


def _written(model: "Model", experiment: "Experiment") -> str:
    from sdlab.reproducing.script import diffusers_script

    return diffusers_script(model, experiment)
