"""``with sdlab.trace(pipe) as t:`` around calls of a diffusers pipeline, their results unchanged.

While the block runs, the pipeline's object has a subclass that reads the arguments of each call
(only they say which row of a batch is which picture), and its U-Net has hooks. Both are removed
when the block is left, also by an exception. A batch is [uncond, ...; cond, ...] with guidance, the
pictures of one prompt side by side, and the conditional half alone without.
"""

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

from sdlab.attention.views import HeatmapOptions
from sdlab.errors import ModelError, check_keywords
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.record import Record
from sdlab.tracing.overflow import noticing
from sdlab.tracing.traced_call import TracedCall, derived

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

    from sdlab.attention.maps import AttentionMaps
    from sdlab.attention.views import Word
    from sdlab.runs.trace import Trace

CALLBACK = "callback_on_step_end"
READ = "This recorder reads the Stable Diffusion 1.x, 2.x and XL pipelines."


class PipelineTrace:
    """What was recorded of a pipeline's calls; its properties are of the last one.

    Attributes:
        record: What is kept.
        calls: Every call made in the block, in order.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.calls: list[TracedCall] = []

    @property
    def call(self) -> TracedCall:
        """The last call.

        Raises:
            ValueError: If there was none.
        """
        if not self.calls:
            raise ValueError("Nothing was traced: call the pipeline inside the with block.")
        return self.calls[-1]

    @property
    def steps(self) -> "pd.DataFrame":
        """One row a picture and evaluation: the ``steps`` table with ``image`` in place of run."""
        return self.call.table("steps")

    @property
    def attention(self) -> "pd.DataFrame":
        """One row a picture, evaluation, layer, head and token: the ``attention`` table."""
        return self.call.table("attention")

    @property
    def tokens(self) -> "pd.DataFrame":
        """One row a picture and token of its prompt."""
        return self.call.table("tokens")

    @property
    def latents(self) -> "Tensor":
        """Final latents of all pictures, [B, C, h, w], on the CPU."""
        return self.call.latents

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the call's pictures, one sentence each; empty if nothing is."""
        return self.call.warnings

    def maps(self, image: int = 0) -> "AttentionMaps":
        """Return the attention maps of one picture of the batch.

        Raises:
            ValueError: If there is no such picture, or attention was not recorded.
        """
        return self.trace(image).attention

    def trace(self, image: int = 0) -> "Trace":
        """Return the tensors and maps kept of one picture of the batch.

        Raises:
            ValueError: If there is no such picture.
        """
        return self.call.trace(image)

    def heatmap(
        self, word: "Word", image: int = 0, **choice: Unpack[HeatmapOptions]
    ) -> "np.ndarray":
        """Return where in a picture a word acts, float32 [h, w]; see ``Run.heatmap``."""
        check_keywords(self.heatmap, choice, HeatmapOptions.__annotations__)
        return self.maps(image).heatmap(word, **choice)


@contextmanager
def trace(pipe: Any, record: Record | None = None) -> Iterator[PipelineTrace]:
    """Record what a diffusers pipeline does inside the block; its results stay bit-identical.

    Args:
        pipe: A Stable Diffusion 1.x, 2.x or XL pipeline: text-to-image, img2img, inpaint, depth,
            upscaling, with a ControlNet, an adapter or GLIGEN; or a loaded model.
        record: What to keep; by default the attention of ``AttentionRecord()`` and statistics.

    Raises:
        ModelError: If the pipeline's attention cannot be read, or, in its call, if it lays out its
            batch, evaluates or guides in a way that is not read; the message says why and, where
            it can, what to switch off. Nothing of such a call is kept.
        ValueError: If the record names an attention layer that is not there.
        MemoryLimitError: At a call's first evaluation, if its record cannot fit.
    """
    pipe = getattr(pipe, "pipeline", pipe)
    _check_pipeline(pipe)
    found = PipelineTrace(record or Record(tensors=(), attention=AttentionRecord()))
    own_class = type(pipe)
    pipe.__class__ = _traced_class(own_class, found)
    try:
        yield found
    finally:
        pipe.__class__ = own_class


def _traced_class(cls: type, found: PipelineTrace) -> type:
    """Return a class like ``cls`` whose calls are recorded."""
    plain = cls.__call__
    signature = inspect.signature(plain)

    @functools.wraps(plain)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        traced = TracedCall(self, found.record, bound.arguments)
        found.calls.append(traced)
        if CALLBACK in signature.parameters:
            _listen(bound.arguments, traced)
        elif {"callback", "callback_steps"} <= set(signature.parameters):
            _listen_as_of_old(bound.arguments, traced)
        with traced.watching(), noticing(self) as traced.warnings:
            return plain(*bound.args, **bound.kwargs)

    return derived(cls, __call__=call)


def _listen(arguments: dict[str, Any], traced: TracedCall) -> None:
    """Have the pipeline report its latents after every step, to the caller's own callback too."""
    theirs = arguments.get(CALLBACK)
    names = arguments.get(f"{CALLBACK}_tensor_inputs") or ["latents"]
    names = list(getattr(theirs, "tensor_inputs", names))

    def callback(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents = tensors["latents"]
        if theirs is None:
            traced.hear(latents)
            return tensors
        asked = {name: tensors[name] for name in names}
        answer: dict[str, Any] = theirs(pipe, step, timestep, asked)
        traced.hear(answer.get("latents", latents))
        return answer

    arguments[CALLBACK] = callback
    arguments[f"{CALLBACK}_tensor_inputs"] = list(dict.fromkeys([*names, "latents"]))


def _listen_as_of_old(arguments: dict[str, Any], traced: TracedCall) -> None:
    """The same for a pipeline with diffusers' older callback, called every few steps."""
    theirs, every = arguments["callback"], arguments["callback_steps"]
    if not isinstance(every, int) or every < 1:
        return  # the pipeline refuses it, in its own words

    def callback(step: int, timestep: Any, latents: Any) -> None:
        traced.hear(latents)
        if theirs is not None and (traced.evaluations - 1) % every == 0:
            theirs(step, timestep, latents)

    arguments["callback"], arguments["callback_steps"] = callback, 1


def _check_pipeline(pipe: Any) -> None:
    name = type(pipe).__name__
    if "InstructPix2Pix" in name:
        raise ModelError(
            f"{name} lays each picture out in three rows (text, picture, neither) and guides by"
            f" two scales, which this recorder does not read. {READ}"
        )
    if name.endswith("InpaintPipelineLegacy"):
        raise ModelError(
            f"{name} changes its latents once more after its last step and tells nobody; take"
            " StableDiffusionInpaintPipeline, which this recorder reads."
        )
    unet = getattr(pipe, "unet", None)
    unet = getattr(unet, "_orig_mod", unet)
    if type(unet).__name__ != "UNet2DConditionModel" or not name.startswith("StableDiffusion"):
        raise ModelError(f"{name} cannot be traced. {READ}")
