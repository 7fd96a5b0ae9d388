"""A model in memory: its engine, its quick decoders, and what is known of it."""

import gc
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from dashboard.worker.model_view import describe, origin_of
from dashboard.worker.snapshots import ModelRequest

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image
    from torch import Tensor

    from sdlab.models.model import Model

    Means = tuple[str, Callable[[Tensor], Image.Image]]

FAST_DECODE_SECONDS = 0.15
MEASURE_AGAIN_SECONDS = 20.0  # after the first measurement; each further one waits twice as long


class HeldModel:
    """One model that the worker holds; belongs to the worker's thread.

    Args:
        model: The loaded model; its decoder is timed.
        request: How it was asked for; its access token is not kept.
        mark: Of ``disk_mark``, as it was loaded.

    Attributes:
        model: The model.
        engine: Runs experiments on it.
        view: What pages see of it.
        request: How it was asked for.
        mark: What its files looked like.
        decode_seconds: What decoding a picture of its usual size takes.
        catalogue: The table of every solver and scheduler for it; None until it is asked for.
    """

    def __init__(self, model: "Model", request: ModelRequest, mark: str = "") -> None:
        from sdlab.sampling.engine import Engine

        self.decode_seconds = _decode_seconds(model)
        self._measured, self._pause = time.monotonic(), MEASURE_AGAIN_SECONDS
        self.model = model
        self.engine = Engine(model, join=True)
        self.request = replace(request, token=None)
        self.mark = mark
        self.catalogue: pd.DataFrame | None = None
        decodes_fast = self.decode_seconds < FAST_DECODE_SECONDS
        if not decodes_fast:
            self._rough(_zeros(model))  # fitted now, not when it is first looked at
        self.view = describe(model, decodes_fast, origin_of(request.source, request.revision))

    @property
    def name(self) -> str:
        """By what it was loaded, as experiments name it."""
        return self.request.source

    def seconds_to_decode(self, width: int, height: int) -> float:
        """Return about how long decoding a picture takes, by its size in pixels."""
        usual = self.view.default_size[0] * self.view.default_size[1]
        return self.decode_seconds * max(1.0, width * height / usual)

    def picture(self, latents: "Tensor") -> "Image.Image":
        """Return a picture of this model's latents [1, C, h, w], by the best quick method."""
        if self.view.decodes_fast:
            return self.model.decode(latents)
        return self._rough(latents)

    def sketch(self, latents: "Tensor") -> "Image.Image":
        """Return a rough picture of this model's latents [1, C, h, w], by the quickest method."""
        from PIL import Image

        image = self._rough(latents)
        coarse = image.resize((latents.shape[3], latents.shape[2]), Image.Resampling.BOX)
        return coarse.resize(image.size, Image.Resampling.BICUBIC)

    def means(self) -> "list[Means]":
        """Return the ways to draw its latents, the quickest first, the best last."""
        ways: list[Means] = [("linear", self._rough)]
        if self.view.decodes_fast:
            ways.append(("decoded", self.model.decode))
        return ways

    def measure_again(self) -> bool:
        """Measure a decoder that looked slow again; return whether it is quick after all.

        A model that is loaded while the machine is busy looks slower than it is. Only to be called
        while nothing else computes.
        """
        if self.view.decodes_fast or time.monotonic() - self._measured < self._pause:
            return False
        self.decode_seconds = min(self.decode_seconds, _decode_seconds(self.model))
        self._measured, self._pause = time.monotonic(), 2 * self._pause
        if self.decode_seconds >= FAST_DECODE_SECONDS:
            return False
        self.view = replace(self.view, decodes_fast=True)
        return True

    def make_catalogue(self) -> None:
        """Make the table of every solver and scheduler for it."""
        import sdlab

        self.catalogue = sdlab.schedulers(self.model)

    def renew_engine(self) -> None:
        """Take a fresh engine in place of one that may be damaged."""
        from sdlab.sampling.engine import Engine

        self.engine.close()
        self.engine = Engine(self.model, join=True)

    def _rough(self, latents: "Tensor") -> "Image.Image":
        """Return the linear preview of latents; of a VAE that says too little, in false colours."""
        from sdlab.errors import ModelError
        from sdlab.latents.frames import false_colour

        try:
            return self.model.preview(latents)
        except ModelError:
            return false_colour(latents)


def free_memory() -> None:
    """Collect what models that are no longer held have left, and what their device cached."""
    gc.unfreeze()
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


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
