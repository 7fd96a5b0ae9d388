"""``with sdlab.trace(pipe) as t:`` around calls of a diffusers pipeline, their results unchanged.

While the block runs, the pipeline's object has a subclass that reads the arguments of each call.
During a call its scheduler has one that reads each step, and its networks have hooks. All are
removed again, also by an exception. ``call_reader`` has how a call is read.
"""

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

from sdlab.attention.views import HeatmapOptions
from sdlab.errors import ModelError, check_keywords, check_types
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.record import Record
from sdlab.models import pipelines
from sdlab.tracing.call_reader import CallReader
from sdlab.tracing.overflow import noticing
from sdlab.tracing.traced_call import TracedCall

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

    from sdlab.attention.maps import AttentionMaps
    from sdlab.attention.views import Word
    from sdlab.runs.trace import Trace

CALLBACK = "callback_on_step_end"


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
        """What of the call was not read or is wrong with its pictures, one sentence each."""
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
        """Return where in a picture a word is read, float32 [h, w]; see ``Run.heatmap``."""
        check_keywords(self.heatmap, choice, HeatmapOptions.__annotations__)
        return self.maps(image).heatmap(word, **choice)


@contextmanager
def trace(pipe: Any, record: Record | None = None) -> Iterator[PipelineTrace]:
    """Record what a diffusers pipeline does inside the block; its results stay bit-identical.

    Args:
        pipe: Any diffusers pipeline with a scheduler and a denoising network; or a loaded model.
            What cannot be read of its calls is left out, and ``warnings`` says what and why.
        record: What to keep; by default the attention of ``AttentionRecord()`` and statistics.

    Raises:
        ModelError: If it is no such pipeline, or, in its call, if the attention of its U-Net cannot
            be read; the message says why and, where it can, what to switch off.
        ValueError: In a call, if the record names an attention layer that is not there.
        MemoryLimitError: At a call's first evaluation, if its record cannot fit.
        TypeError: If ``record`` is no ``Record``.
    """
    check_types(trace, record=(record, (Record, type(None))))
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
        listen(bound.arguments, traced)
        with noticing(self, traced.warnings), traced.watching():
            return plain(*bound.args, **bound.kwargs)

    names = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(cls.__name__, (cls,), {**names, "__call__": call})


def listen(arguments: dict[str, Any], reader: CallReader) -> None:
    """Have a pipeline report its latents after every step to a reader, if it can.

    Args:
        arguments: The call's arguments by name, with defaults; changed in place. The caller's own
            callback goes on hearing what it would.
        reader: Of the call.
    """
    if CALLBACK in arguments:
        _listen(arguments, reader)
    elif "callback_steps" in arguments and "parallel" not in arguments:
        _listen_as_of_old(arguments, reader)


def _listen(arguments: dict[str, Any], traced: CallReader) -> None:
    """Have the pipeline report its latents after every step, to the caller's own callback too."""
    theirs = arguments.get(CALLBACK)
    names = arguments.get(f"{CALLBACK}_tensor_inputs") or ["latents"]
    names = list(getattr(theirs, "tensor_inputs", names))

    def callback(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents = tensors["latents"]
        if theirs is None:
            traced.hear(latents)
            return {}
        asked = {name: tensors[name] for name in names}
        answer: dict[str, Any] = theirs(pipe, step, timestep, asked)
        traced.hear(answer.get("latents", latents))
        return answer

    arguments[CALLBACK] = callback
    arguments[f"{CALLBACK}_tensor_inputs"] = list(dict.fromkeys([*names, "latents"]))


def _listen_as_of_old(arguments: dict[str, Any], traced: CallReader) -> None:
    """The same for a pipeline with diffusers' older callback, called every few steps.

    Not for Paradigms (``parallel``), which fails at its last step if there is one.
    """
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
    if not hasattr(pipe, "components") or not callable(pipe):
        raise ModelError(f"{name} cannot be traced: it is no diffusers pipeline.")
    if not hasattr(getattr(pipe, "scheduler", None), "step"):
        raise ModelError(f"{name} cannot be traced: it has no scheduler whose steps can be read.")
    pipelines.networks(pipe)
