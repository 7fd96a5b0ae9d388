"""The model that the worker holds (never two in memory), and what is known of it.

Heavy imports are inside the methods, so that the first page is shown before torch is imported.
"""

import gc
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dashboard.worker.model_view import describe, origin_of
from dashboard.worker.snapshots import ModelRequest, ModelView
from sdlab.models.loading_stages import LoadingCancelled, Stage
from sdlab.shipped import EMBEDDED, SHIPPED

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image
    from torch import Tensor

    from sdlab.models.model import Model
    from sdlab.sampling.engine import Engine

log = logging.getLogger(__name__)

FAST_DECODE_SECONDS = 0.15
MEASURE_AGAIN_SECONDS = 20.0  # after the first measurement; each further one waits twice as long
PAUSE_AFTER_IMPORT_ERROR = 1.0


class HeldModel:
    """Holds at most one model.

    Args:
        sentence: Returns what to tell a person about an exception.
        load: As ``sdlab.load``; that one by default.
        noted: Called with how a model was asked for and its view, once it is in memory.

    Attributes:
        loading: The name of the model being loaded, or of the next that will be; "" if none is.
        load_error: Why the last load failed, in a sentence; "" if it did not.
        load_cancelled: Whether that was because it was cancelled.
        stage: Where the load in progress is; None if none is.
        unwanted: Whether the load in progress is to end at its next stage.
    """

    def __init__(
        self,
        sentence: Callable[[BaseException], str],
        load: Callable[..., "Model"] | None = None,
        noted: Callable[[ModelRequest, ModelView], None] = lambda request, view: None,
    ) -> None:
        self._sentence = sentence
        self._load = load
        self._noted = noted
        self.loading = EMBEDDED
        self.load_error = ""
        self.load_cancelled = False
        self.stage: Stage | None = None
        self.unwanted = False
        self._began = False  # a load that failed leaves something in memory too
        self._collected = True
        self.model: Model | None = None
        self.engine: Engine | None = None
        self.view: ModelView | None = None
        self.decode_seconds = 0.0
        self._measured = self._pause = 0.0
        self.catalogue: pd.DataFrame | None = None
        self.requests = {name: ModelRequest(name) for name in SHIPPED}

    def request_for(self, name: str) -> ModelRequest:
        """Return how the model of that name is loaded."""
        return self.requests.get(name, ModelRequest(name))

    def know(self, request: ModelRequest) -> None:
        """Note how a model was loaded before, unless that is known already."""
        self.requests.setdefault(request.source, request)

    def trouble(self, request: ModelRequest) -> str:
        """Return why a model cannot be loaded, as far as its configs show, or ""."""
        if self._load is not None:
            return ""
        from sdlab.models.load import check

        try:
            check(request.source, **_options(request))
        except Exception as error:
            return self.sentence_of(request, error)
        return ""

    def sentence_of(self, request: ModelRequest, error: BaseException) -> str:
        """Return in a sentence why a model could not be loaded; the error may name it already."""
        if isinstance(error, LoadingCancelled):
            return f"Loading {request.source} was cancelled."
        said = self._sentence(error)
        what = "The model" if request.source in said else request.source
        return f"{what} could not be loaded: {said}"

    def at_hand(self) -> "tuple[Model | None, str, str]":
        """Return the model in memory, its hash, and why there is none."""
        view = self.view
        return (self.model, view.hash, "") if view else (None, "", self.load_error)

    def holds(self, name: str) -> bool:
        """Return whether the model in memory has that name."""
        return self.view is not None and self.view.name == name

    def swap(self, request: ModelRequest) -> None:
        """Release the model in memory, then load another.

        Raises:
            Exception: What ``sdlab.load`` raises; there is no model then.
            LoadingCancelled: If it became unwanted; there is no model then either.
        """
        self._tell(Stage("releasing"))
        self.release()
        self._began = True
        source = None if request.source == EMBEDDED else request.source
        try:
            with _no_collecting():
                load = self._load
                if load is None:
                    import sdlab

                    _leave_a_core_for_the_pages()
                    load = sdlab.load
                model = _twice(load)(source, on_progress=self._tell, **_options(request))
                self._tell(Stage("measuring"))
                self._take(model, request)
        finally:
            self.stage = None

    def release(self) -> None:
        """Release the model in memory and what its device cached."""
        if not self._began:
            return  # collecting takes long, and there is nothing of ours to collect
        self.model = self.engine = self.view = None
        gc.unfreeze()
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def picture(self, latents: "Tensor") -> "Image.Image":
        """Return a picture of this model's latents [1, C, h, w], by the best quick method."""
        assert self.model is not None and self.view is not None
        if self.view.decodes_fast:
            return self.model.decode(latents)
        return self._rough(latents)

    def sketch(self, latents: "Tensor") -> "Image.Image":
        """Return a rough picture of this model's latents [1, C, h, w], by the quickest method."""
        from PIL import Image

        assert self.model is not None
        image = self._rough(latents)
        coarse = image.resize((latents.shape[3], latents.shape[2]), Image.Resampling.BOX)
        return coarse.resize(image.size, Image.Resampling.BICUBIC)

    def means(self, model_hash: str) -> "list[tuple[str, Callable[[Tensor], Image.Image]]]":
        """Return the ways to draw a model's latents, the quickest first, the best last.

        Args:
            model_hash: Of the model that made them; another decoder would draw them wrongly.
        """
        from sdlab.latents.frames import false_colour

        if self.model is None or self.view is None or self.view.hash != model_hash:
            return [("false colour", false_colour)]
        ways: list[tuple[str, Callable[[Tensor], Image.Image]]] = [("linear", self._rough)]
        if self.view.decodes_fast:
            ways.append(("decoded", self.model.decode))
        return ways

    def measure_again(self) -> bool:
        """Measure a decoder that looked slow again; return whether it is quick after all.

        A model that is loaded while the machine is busy looks slower than it is. Only to be called
        while nothing else computes.
        """
        if self.model is None or self.view is None or self.view.decodes_fast:
            return False
        if time.monotonic() - self._measured < self._pause:
            return False
        self.decode_seconds = min(self.decode_seconds, _decode_seconds(self.model))
        self._measured, self._pause = time.monotonic(), 2 * self._pause
        if self.decode_seconds >= FAST_DECODE_SECONDS:
            return False
        self.view = replace(self.view, decodes_fast=True)
        return True

    def collect(self) -> None:
        """Collect what loading left over, once; takes a quarter of a second of everybody's."""
        if not self._collected:
            self._collected = True
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    def make_catalogue(self) -> None:
        """Make the table of every solver and scheduler for the model in memory."""
        import sdlab

        self.catalogue = sdlab.schedulers(self.model)

    def _rough(self, latents: "Tensor") -> "Image.Image":
        """Return the linear preview of latents; of a VAE that says too little, in false colours."""
        from sdlab.errors import ModelError
        from sdlab.latents.frames import false_colour

        assert self.model is not None
        try:
            return self.model.preview(latents)
        except ModelError:
            return false_colour(latents)

    def _tell(self, stage: Stage) -> None:
        """Note where the load is, or end it.

        Raises:
            LoadingCancelled: If it is unwanted.
        """
        self.stage = stage
        if self.unwanted:
            self.unwanted = False
            raise LoadingCancelled

    def _take(self, model: "Model", request: ModelRequest) -> None:
        from sdlab.sampling.engine import Engine

        self.decode_seconds = _decode_seconds(model)
        self._measured, self._pause = time.monotonic(), MEASURE_AGAIN_SECONDS
        decodes_fast = self.decode_seconds < FAST_DECODE_SECONDS
        self.engine = Engine(model)
        self.model = model
        if not decodes_fast:
            self._rough(_zeros(model))  # fitted now, not when it is first looked at
        if self.catalogue is not None:
            self.make_catalogue()
        self.requests[model.name] = request
        origin = origin_of(request.source, request.revision)
        self.view = describe(model, decodes_fast, origin)  # last: from now on pages see the model
        self._noted(request, self.view)
        gc.freeze()
        self._collected = False


@contextmanager
def _no_collecting() -> Iterator[None]:
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

    def loaded(*given: Any, **options: Any) -> "Model":
        try:
            return load(*given, **options)
        except ModuleNotFoundError:
            raise  # nothing that waiting would bring
        except ImportError:
            log.warning("an import failed while a model was loaded: once more", exc_info=True)
            time.sleep(PAUSE_AFTER_IMPORT_ERROR)
            return load(*given, **options)

    return loaded


def _options(request: ModelRequest) -> dict[str, Any]:
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


def _decode_seconds(model: "Model") -> float:
    from sdlab.errors import ModelError

    zeros, seconds = _zeros(model), []
    for _ in range(3):
        start = time.thread_time()  # a busy machine must not make a quick decoder look slow
        try:
            model.decode(zeros)
        except ModelError:  # its VAE does not say how
            return math.inf
        seconds.append(time.thread_time() - start)
        if seconds[0] > 20 * FAST_DECODE_SECONDS:
            break
    return min(seconds)


def _zeros(model: "Model") -> "Tensor":
    import torch

    width, height = model.default_size
    factor = model.vae_factor
    return torch.zeros(1, model.latent_channels, height // factor, width // factor)
