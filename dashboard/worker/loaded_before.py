"""Remembers which models were loaded and how, so that a server that starts anew can offer them.

One small JSON file beside the stored runs. Access tokens are never written.
"""

import json
import logging
import threading
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from dashboard.worker.snapshots import ModelRequest, ModelView
from sdlab.errors import StoreError
from sdlab.runs.atomic import write_file
from sdlab.runs.reading import read_file
from sdlab.shipped import SHIPPED

log = logging.getLogger(__name__)

KEPT = 100
LIMIT = 2**20  # bytes
_UNWRITTEN = frozenset({"token", "owner", "usual", "session"})


@dataclass(frozen=True)
class LoadedModel:
    """A model that was loaded.

    Attributes:
        request: How it was asked for.
        used: When it was last loaded, in Unix seconds.
        family: Such as "sdxl".
        pipeline: Its pipeline's class.
        memory_bytes: Bytes that its weights took.
    """

    request: ModelRequest
    used: float
    family: str
    pipeline: str
    memory_bytes: int


class LoadedBefore:
    """The models that this server has loaded, on disk.

    If the disk cannot be written, or holds nonsense, models are forgotten, but none fails to load.

    Args:
        path: Of the file; its folder is made when first needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._models = self._read()

    def all(self) -> tuple[LoadedModel, ...]:
        """Return the models, the last loaded first."""
        with self._lock:
            return self._models

    def request_of(self, name: str) -> ModelRequest:
        """Return how a model of that name was last loaded; plainly, if it was not."""
        found = [one.request for one in self.all() if one.request.source == name]
        return found[0] if found else ModelRequest(name)

    def bytes_of(self, request: ModelRequest) -> int | None:
        """Return what a model's weights took when it was loaded so before, or None."""
        asked = replace(request, token=None)
        return next((one.memory_bytes for one in self.all() if one.request == asked), None)

    def note(self, request: ModelRequest, view: ModelView) -> None:
        """Note that a model was loaded; what comes with sdlab is there anyhow."""
        if request.source in SHIPPED:
            return
        made = LoadedModel(
            replace(request, token=None),
            time.time(),
            view.family,
            view.pipeline,
            view.memory_bytes,
        )
        with self._lock:
            others = [one for one in self._read() if _place(one.request) != _place(request)]
            self._models = (made, *others)[:KEPT]
            self._write()

    def _read(self) -> tuple[LoadedModel, ...]:
        try:
            told = json.loads(read_file(self._path, LIMIT))
            models = [_model(one) for one in told]
        except FileNotFoundError:
            return ()
        except Exception as error:  # whatever somebody put there, the server starts
            log.warning("%s, the list of models loaded before, is skipped: %s", self._path, error)
            return ()
        return tuple(sorted(models, key=lambda one: -one.used))

    def _write(self) -> None:
        text = json.dumps([_told(one) for one in self._models], indent=1)
        try:
            write_file(self._path, lambda stream: stream.write(text.encode()))
        except StoreError as error:
            log.warning("cannot note the models loaded before: %s", error)


def _place(request: ModelRequest) -> tuple[str, str | None, str | None]:
    return request.source, request.revision, request.variant


def _told(model: LoadedModel) -> dict[str, Any]:
    told = asdict(model)
    asked = {name: value for name, value in told.pop("request").items() if name not in _UNWRITTEN}
    return {**told, "request": asked}


def _model(told: dict[str, Any]) -> LoadedModel:
    """Return a model as it was written.

    Raises:
        Exception: If it was not written by ``_told``.
    """
    allowed = {field.name for field in fields(ModelRequest)} - _UNWRITTEN
    asked = {name: value for name, value in told["request"].items() if name in allowed}
    texts = [value for name, value in asked.items() if name != "tiled"]
    if not all(value is None or isinstance(value, str) for value in texts):
        raise ValueError(f"it asks for {asked}")
    return LoadedModel(
        ModelRequest(**asked),
        float(told["used"]),
        str(told["family"]),
        str(told["pipeline"]),
        int(told["memory_bytes"]),
    )
