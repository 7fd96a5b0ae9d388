"""A job that a diffusers pipeline runs: its own call, as a process that asks for its network.

Each run has a pipeline object of its own over the model's parts, and a scheduler of its own. Alone
it gives what the pipeline gives when it is called by hand, bit for bit.
"""

import inspect
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sdlab.experiment.experiment import Experiment
from sdlab.models import pipelines
from sdlab.models.clip_skip import lending_level
from sdlab.models.model import Model
from sdlab.runs.run import Run
from sdlab.runs.trace import Trace
from sdlab.sampling.job import ENDS, Job
from sdlab.sampling.joining import alone_because, rows, structure
from sdlab.sampling.pipeline_call import fresh
from sdlab.sampling.pipeline_failure import explained
from sdlab.sampling.pipeline_process import Call, Process, pipeline_process
from sdlab.sampling.plan import Plan
from sdlab.text.pipeline_tokens import pipeline_tokens
from sdlab.text.reading import Reading, readings
from sdlab.tracing.call_reader import CallReader
from sdlab.tracing.overflow import noticing
from sdlab.tracing.pipeline import listen
from sdlab.tracing.recorder import Recorder, Timer

if TYPE_CHECKING:
    from sdlab.attention.hooks import Part


class PipelineJob(Job):
    """One experiment in the hands of the model's pipeline class, or of one of its siblings."""

    def __init__(self, model: Model, experiment: Experiment, plan: Plan) -> None:
        super().__init__(model, experiment, plan)
        self._process: Process | None = None
        self._call: Call | None = None
        self._parts: list[Part] = []
        self._reader: CallReader | None = None
        self._key: tuple[Any, ...] = ()
        self._expected = 0
        self._made: Any = None
        self._heard: list[Reading] = []
        self._timings: list[tuple[str, int | None, Timer, int | None]] = []

    @property
    def nfe(self) -> int:
        """Evaluations in all: expected, until its scheduler has laid out its steps."""
        return max(self._expected or self.plan.nfe, self.evaluation)

    @property
    def exclusive(self) -> bool:
        """Whether its pipeline changes the shared network while it runs."""
        assert self.plan.call is not None
        return alone_because(self.plan.call.cls) is not None

    @property
    def call(self) -> Call:
        """The network call that waits for an answer; only while running."""
        assert self._call is not None
        return self._call

    @property
    def rows(self) -> int:
        """Rows of the network call that waits."""
        return rows(self.call)

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """What calls must have in common to be joined."""
        return self._key

    @property
    def recording(self) -> Recorder | None:
        """What records it; None before its first evaluation, and once it is over."""
        return next(iter(self._reader.recorders), None) if self._reader else None

    def attention_parts(self, row: int) -> "list[Part]":
        """Return what the next network call is to record, given the job's first row in it."""
        shifted = ({half: row + own for half, own in part.rows.items()} for part in self._parts)
        return [part._replace(rows=rows) for part, rows in zip(self._parts, shifted, strict=True)]

    def start(self) -> None:
        """Make the run's own pipeline and call it, up to its first network call."""
        import torch

        self.started = time.monotonic()
        call = self.plan.call
        assert call is not None
        try:
            pipe = pipelines.over_parts(self.model.pipeline, call.cls, fresh(call))
            generator = torch.Generator().manual_seed(self.experiment.seed)
            given = call.given(self.experiment, generator)
            bound = inspect.signature(call.cls.__call__).bind(pipe, **given)
            bound.apply_defaults()
            arguments = bound.arguments
            record, run = self.experiment.record, self.experiment.id
            reader = CallReader(pipe, record, arguments, run=run, strict=False)
            listen(arguments, reader)
            self._reader = reader

            def called() -> Any:
                with reader.stepping(), noticing(pipe, reader.warnings):
                    return call.cls.__call__(*bound.args, **bound.kwargs)

            self._process = pipeline_process(called, seed=self.experiment.seed)
            self.state = "running"
            with readings(pipe) as self._heard, lending_level(pipe):
                reader.heard = self._heard
                self._go_on()
        except ENDS as error:
            self.fail(error)

    def take(self, output: Any, timer: Timer, rows: int) -> None:
        """Give the pipeline its network's answer, and let it go on to its next call.

        Args:
            output: What ``forward`` is to return.
            timer: Timed the call.
            rows: Of the whole call, other jobs' included.
        """
        assert self._reader is not None
        self._reader.after(output, timer, rows)
        self._go_on(output)

    def decode(self) -> None:
        """Make the tables and finish; the pipeline has decoded its picture itself."""
        try:
            self.result = self._finish()
            self._end("done")
        except Exception as error:
            self.fail(error)

    def _go_on(self, *answer: Any) -> None:
        """Run the pipeline up to its next network call, or to its end."""
        assert self._process is not None and self._reader is not None
        reader, timer = self._reader, self.new_timer()
        try:
            with timer:
                self._call = self._process.send(answer[0] if answer else None)
            self._parts = reader.before(self._call.network, self._call.arguments)
            self._key = (*structure(self._call), self.experiment.fast)
        except StopIteration as stop:
            self._made, self._call = stop.value, None
            self.state = "decoding"
        except ENDS as error:
            assert self.plan.call is not None
            self.fail(explained(error, self.model, self.experiment, self.plan.call.cls))
            return
        if not answer:
            self._timings.append(("encode", None, timer, None))
        elif self.state == "decoding":
            self._timings.append(("decode", None, timer, None))
        self.evaluation, self.x0_pred = reader.evaluations, reader.x0_pred
        self._expected = reader.expected

    def _close(self) -> None:
        if self._process is not None:
            self._process.close()
        self._process = self._call = self._made = self._reader = None
        self._parts, self._heard = [], []

    def _finish(self) -> Run:
        assert self._reader is not None
        reader, image, run = self._reader, _picture(self._made), self.experiment.id
        reader.finish()
        read = bool(reader.recorders)
        recorder = reader.recorders[0] if read else Recorder(run, self.experiment.record, 1)
        trace = reader.trace(0) if read else Trace([], [], {})
        first, *rest = self._timings
        recorder.timings = [first, *recorder.timings, *rest]
        tables = {
            "steps": recorder.steps(),
            "channels": recorder.channels(),
            "tokens": pipeline_tokens(self.model.pipeline, self.experiment, self._heard),
            "timings": recorder.timings_table(),
        }
        tensors = dict(reader.tensors(0)) if read else {}
        warnings = [*reader.warnings]
        with suppress(ValueError):  # not known: a warning says so
            tensors["latents"] = reader.latents[:1]
            warnings += self._not_finite(tables, tensors["latents"])
        size = {"width": image.width, "height": image.height}
        manifest = self._manifest(tables, list(recorder.kept), warnings, **size)
        return Run(self.experiment, image, trace, tables, tensors, manifest)


def _picture(made: Any) -> Any:
    """Return the first picture of what a pipeline returned.

    Raises:
        TypeError: If there is none in it.
    """
    from PIL import Image

    named = (getattr(made, name, None) for name in ("images", "frames", "image"))
    found = next((value for value in named if value is not None), made)
    while isinstance(found, (list, tuple)) and len(found):
        found = found[0]
    if not isinstance(found, Image.Image):
        raise TypeError(f"the pipeline made no picture, but a {type(found).__name__}.")
    return found
