"""How the worker loads a model, while pages import what it imports and want a core."""

import gc
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dashboard.worker.snapshots import ModelRequest
from sdlab.models.loading_stages import Stage
from sdlab.shipped import EMBEDDED

if TYPE_CHECKING:
    from sdlab.models.model import Model

log = logging.getLogger(__name__)

PAUSE_AFTER_IMPORT_ERROR = 1.0


def loaded(
    request: ModelRequest,
    load: "Callable[..., Model] | None",
    tell: Callable[[Stage], None],
) -> "Model":
    """Return the model that a request asks for.

    Args:
        request: What to load, and how.
        load: As ``sdlab.load``; None for that one.
        tell: Called with each stage.

    Raises:
        Exception: What ``load`` raises.
    """
    if load is None:
        import sdlab

        _leave_a_core_for_the_pages()
        load = sdlab.load
    source = None if request.source == EMBEDDED else request.source
    return _twice(load)(source, on_progress=tell, **options_of(request))


@contextmanager
def no_collecting() -> Iterator[None]:
    """Look for no garbage meanwhile: what is imported and loaded stays, and is looked at often."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _twice(load: "Callable[..., Model]") -> "Callable[..., Model]":
    """Load, and once more if an import failed of a module that is there.

    Where a page's thread imports what the worker imports, each may wait for the other; Python then
    hands out a module that is half made. The other thread is through a moment later.
    """

    def load_twice(*given: Any, **options: Any) -> "Model":
        try:
            return load(*given, **options)
        except ModuleNotFoundError:
            raise  # nothing that waiting would bring
        except ImportError:
            log.warning("an import failed while a model was loaded: once more", exc_info=True)
            time.sleep(PAUSE_AFTER_IMPORT_ERROR)
            return load(*given, **options)

    return load_twice


def options_of(request: ModelRequest) -> dict[str, Any]:
    """Return the options of ``sdlab.load`` that a request holds."""
    names = ("device", "dtype", "revision", "variant", "token", "config", "offload", "tiled")
    return {name: getattr(request, name) for name in names if getattr(request, name)}


def _leave_a_core_for_the_pages() -> None:
    """Leave one core free for the pages, unless ``OMP_NUM_THREADS`` is set.

    With as many threads as cores, every script run of a page holds up all of torch's threads at
    their next barrier: on 2 busy cores a network call took 5 to 70 times as long.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
