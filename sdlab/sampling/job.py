"""A job: one experiment while the engine runs it.

``PlainJob`` runs Stable Diffusion 1.x and 2.x from words with sdlab's own loop, ``PipelineJob``
whatever else diffusers has a pipeline for, with that pipeline's own. The engine sees no difference:
a job waits for a network's answer, says how many rows its call has and with which others it may
share it, and takes the answer.
"""

import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.errors import MemoryLimitError, SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.models import memory
from sdlab.models.guidance import reads_scale
from sdlab.models.model import Model
from sdlab.runs.run import Run
from sdlab.sampling.plan import Plan
from sdlab.shipped import SHIPPED
from sdlab.tracing.recorder import Recorder, Timer

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from sdlab.attention.hooks import Part

    Tables = dict[str, pd.DataFrame]

OVER = ("done", "failed", "cancelled")
ENDS = (Exception, SystemExit)  # what a plug-in sampler may raise to end its own run
MOST_WORDS = 20
"""Unknown words that a warning names before it only counts them."""


class Job(ABC):
    """One experiment in the engine.

    Attributes:
        state: "queued", "running", "decoding", "done", "failed" or "cancelled".
        evaluation: Evaluations done.
        error: The error that it failed with.
        result: The run, once done.
        x0_pred: The newest prediction of the clean latents, [1, C, h, w], or None.
        started: When it was started, ``time.monotonic`` seconds, or None.
        ended: When it ended.
        served: Larger for jobs served later; the engine's fairness.
        mix: Whether it may share network calls; else it is exact, as if it were alone. May change
            while it runs.
        seconds: What the network took for its latest evaluation, its share of a joint call; None
            before the first.
        apart: Whether no other run's rows are in its calls, even where that would change no bit.
        shared: Evaluations that were made in a network call together with other runs.
    """

    def __init__(self, model: Model, experiment: Experiment, plan: Plan) -> None:
        self.model = model
        self.experiment = experiment
        self.plan = plan
        self.state = "queued"
        self.evaluation = 0
        self.error: Exception | None = None
        self.result: Run | None = None
        self.x0_pred: Tensor | None = None
        self.started: float | None = None
        self.ended: float | None = None
        self.served = 0
        self.cancelling = False
        self.mix = False
        self.apart = False
        self.seconds: float | None = None
        self.shared = 0

    @property
    def nfe(self) -> int:
        """Evaluations in all."""
        return self.plan.nfe

    @property
    def over(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state in OVER

    @property
    def recorded_bytes(self) -> int:
        """Bytes of its record that are already held."""
        return self.plan.record_bytes * self.evaluation // max(1, self.nfe)

    @property
    def exclusive(self) -> bool:
        """Whether no other job of the model may be under way while it is."""
        return False

    @property
    @abstractmethod
    def rows(self) -> int:
        """Rows that it adds to the next network call; only while running."""

    @property
    @abstractmethod
    def batch_key(self) -> tuple[Any, ...]:
        """What jobs must have in common to share a call; only while running."""

    @property
    @abstractmethod
    def recording(self) -> "Recorder | None":
        """What records it; None before its first evaluation, and once it is over."""

    def so_far(self) -> "Tables":
        """Return the tables ``steps`` and ``channels`` of the evaluations done, if there are any.

        How far an evaluation moves is known, and in the tables, only once the next is done.
        """
        recorder = self.recording
        if recorder is None or not recorder.queries:
            return {}
        return {"steps": recorder.steps(), "channels": recorder.channels()}

    @abstractmethod
    def attention_parts(self, row: int) -> "list[Part]":
        """Return what the next network call is to record, given the job's first row in it."""

    @abstractmethod
    def start(self) -> None:
        """Prepare everything up to the first network call."""

    @abstractmethod
    def take(self, output: Any, timer: Timer, rows: int) -> None:
        """Take the network's answer and go on to the next call.

        Args:
            output: The answer to this job's own rows.
            timer: Timed the call.
            rows: Of the whole call, other jobs' included.
        """

    @abstractmethod
    def decode(self) -> None:
        """Make picture and tables of the final latents and finish."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of what the run holds."""

    def cancel(self) -> None:
        """End the job at the next evaluation; callable from any thread."""
        self.cancelling = True

    def new_timer(self) -> Timer:
        """Return a timer for the model's device."""
        return Timer(self.model.device)

    def fail(self, error: BaseException) -> None:
        """End the job with an error; if memory ran out, it says what to lower."""
        if not isinstance(error, Exception):
            error = self._refused(error)
        if memory.is_out_of_memory(error):
            memory.release(error)
            error = self._memory_error(error)
        self.error = error
        self._end("failed")

    def stop(self) -> None:
        """End the job because it was cancelled."""
        self._end("cancelled")

    def _end(self, state: str) -> None:
        self._close()
        self.ended = time.monotonic()
        self.state = state

    def _refused(self, error: BaseException) -> SdlabError:
        failure = SdlabError(
            f"The sampler {self.experiment.solver} asked the program to end"
            f" ({type(error).__name__}: {error}); only its own run ends. Let it raise a ValueError."
        )
        failure.__cause__ = error
        return failure

    def _memory_error(self, error: Exception) -> MemoryLimitError:
        width, height = (side * self.model.vae_factor for side in self.plan.shape[:0:-1])
        failure = MemoryLimitError(
            f"Out of memory on {self.model.device} at {width}x{height} pixels. Lower width or"
            " height, record fewer tensors, or load the model in float16."
        )
        failure.__cause__ = error
        return failure

    def _unknown_words(self) -> list[str]:
        """Return a warning that names the prompt's words that the embedded model does not know."""
        if self.model.name not in SHIPPED:
            return []
        from sdlab.embedded import unknown_words

        words = unknown_words(self.experiment.prompt)
        if not words:
            return []
        more = f" and {len(words) - MOST_WORDS} more" if len(words) > MOST_WORDS else ""
        named = ", ".join(words[:MOST_WORDS]) + more
        return [f"The embedded model does not know these words of the prompt: {named}."]

    def _of_the_prompts(self) -> list[str]:
        """Return warnings about the prompts: what is ignored, not parsed, or not known."""
        from sdlab.text.notes import ignored_negative, ignored_scale, unparsed_note

        asked, guided = self.experiment, self.plan.guided
        by_true_cfg = "true_cfg_scale" in self.model.inputs
        out = [ignored_negative(asked.negative_prompt, asked.guidance_scale, guided, by_true_cfg)]
        if not reads_scale(self.model):
            out.append(ignored_scale(asked.guidance_scale, Experiment().guidance_scale))
        out += unparsed_note(asked.prompt)
        out += unparsed_note(asked.negative_prompt, "negative prompt") if guided else []
        return [*filter(None, out), *self._unknown_words()]

    def _changed_options(self) -> list[str]:
        """Return a warning for each option that the scheduler itself changed."""
        scheduler = self.plan.scheduler
        if scheduler is None:
            return []
        return [
            f"{type(scheduler).__name__} runs with {name}={scheduler.config[name]!r}, not"
            f" {value!r}: it does not work with the latter here."
            for name, value in dict(self.experiment.solver_options).items()
            if not isinstance(value, tuple) and scheduler.config.get(name, value) != value
        ]

    def _not_finite(self, tables: "Tables", latents: "Tensor") -> list[str]:
        """Return a warning if the final latents are not finite."""
        if latents.isfinite().all():
            return []
        steps = tables["steps"]
        bad = steps[~np.isfinite(steps["x0_pred_mean"])]["evaluation"]
        known = self.experiment.record.statistics and len(bad)
        where = f" since evaluation {bad.iloc[0]}" if known else ""
        return [f"The latents are not finite{where}."]

    def _manifest(
        self, tables: "Tables", kept: list[int], warnings: list[str], **facts: Any
    ) -> dict[str, Any]:
        from sdlab.runs.manifest import manifest

        timings, samples = tables["timings"], tables["steps"]["samples"]
        return manifest(
            self.model,
            self.experiment,
            created=datetime.now(UTC),
            nfe=len(samples),
            largest_call=int(samples.max()) if len(samples) else 0,
            shared_calls=self.shared,
            total_ms=float(timings["ms"].sum()),
            kept=kept,
            warnings=[*warnings, *self._changed_options(), *self._of_the_prompts()],
            **facts,
        )
