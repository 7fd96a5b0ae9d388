"""A job: one experiment while the engine runs it."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.denoisers.network import NetworkOutput, Sample, uses_guidance
from sdlab.errors import MemoryLimitError, SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.models import memory
from sdlab.models.model import Model
from sdlab.runs.run import Run
from sdlab.sampling.plan import Plan
from sdlab.shipped import EMBEDDED
from sdlab.solvers.protocol import Answer, Process, Query
from sdlab.tracing.recorder import Recorder, Timer

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.attention.hooks import Part

OVER = ("done", "failed", "cancelled")
ENDS = (Exception, SystemExit)  # what a plug-in sampler may raise to end its own run
MOST_WORDS = 20
"""Unknown words that a warning names before it only counts them."""


class Job:
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
        shared: Evaluations that were made in a network call together with other runs.
        recorder: Records it.
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
        self.recorder = Recorder(experiment.id, experiment.record, plan.nfe, self._collector())
        self.cancelling = False
        self.shared = 0
        self._embeds: tuple[Tensor, Tensor | None] | None = None
        self._process: Process | None = None
        self._query: Query | None = None
        self._latents: Tensor | None = None

    @property
    def nfe(self) -> int:
        """Evaluations in all."""
        return self.plan.nfe

    @property
    def over(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state in OVER

    @property
    def query(self) -> Query:
        """The query that waits for an answer; only while running."""
        assert self._query is not None
        return self._query

    @property
    def sample(self) -> Sample:
        """The job's part of the next network call; only while running."""
        assert self._embeds is not None
        cond, uncond = self._embeds
        x = self.experiment
        query = self.query
        guidance = (x.guidance_scale, x.guidance_rescale)
        return Sample(query.x_t, query.timestep, cond, uncond, *guidance, x.fast)

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """What queries must share to share a call."""
        assert self._embeds is not None
        return (*self.query.x_t.shape[1:], *self._embeds[0].shape[1:], self.experiment.fast)

    @property
    def recorded_bytes(self) -> int:
        """Bytes of its record that are already held."""
        return self.plan.record_bytes * self.evaluation // max(1, self.nfe)

    def attention_part(self, row: int) -> "Part | None":
        """Return what the next network call is to record, given the job's first row in it."""
        collector = self.recorder.attention
        if collector is None or not collector.wants(self.query.step):
            return None
        from sdlab.attention.hooks import Part

        rows = {"cond": row + self.sample.rows - 1}
        if self.sample.rows == 2 and "uncond" in collector.record.kept_halves:
            rows["uncond"] = row
        return Part(collector, rows)

    def cancel(self) -> None:
        """End the job at the next evaluation; callable from any thread."""
        self.cancelling = True

    def new_timer(self) -> Timer:
        """Return a timer for the model's device."""
        return Timer(self.model.device)

    def start(self) -> None:
        """Encode the prompts, draw the start noise and get the solver's first query."""
        import torch
        from diffusers.utils.torch_utils import randn_tensor

        self.started = time.monotonic()
        model, x = self.model, self.experiment
        try:
            with self.new_timer() as timer:
                negative = x.negative_prompt if self.plan.guided else None
                self._embeds = model.encode_prompt(x.prompt, negative)
            self.recorder.time("encode", timer)
            generator = torch.Generator().manual_seed(x.seed)
            start = randn_tensor(
                (1, *self.plan.shape),
                generator=generator,
                device=model.device,
                dtype=self._embeds[0].dtype,
            )
            self._process = self.plan.course.make_process(start, generator)
            with torch.no_grad():
                self._query = next(self._process)
            self.state = "running"
        except ENDS as error:
            self.fail(error)

    def answer(
        self, answer: Answer, output: NetworkOutput, eps: "tuple[Tensor, Tensor | None]"
    ) -> None:
        """Record an evaluation and let the solver go on to its next query."""
        import torch

        assert self._process is not None
        try:
            timer = self.new_timer()
            self.recorder.time("solver", timer)
            with torch.no_grad():
                self.recorder.add(self.query, output, answer.x0_pred, eps)
                self.x0_pred = answer.x0_pred
                self.evaluation += 1
                try:
                    with timer:  # one answer a round, so not by ``sdlab.work.drive``
                        self._query = self._process.send(answer)
                except StopIteration as stop:
                    self._latents = stop.value
                    self._query = None
                    self.state = "decoding"
        except ENDS as error:
            self.fail(error)

    def decode(self) -> None:
        """Decode the final latents, make the tables and finish."""
        assert self._latents is not None
        try:
            with self.new_timer() as timer:
                image, notes = self.model.decode_with_notes(self._latents)
            self.recorder.time("decode", timer)
            self.result = self._finish(self._latents, image, notes)
            self._end("done")
        except Exception as error:
            self.fail(error)

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

    def _collector(self) -> Any:
        planned, record = self.plan.attention, self.experiment.record.attention
        if planned is None or record is None:
            return None
        from sdlab.attention.collector import Collector

        return Collector(record, planned.layers, planned.counts, self.experiment.num_steps)

    def _end(self, state: str) -> None:
        if self._process is not None:
            self._process.close()
        self._process = self._query = self._latents = self._embeds = None
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

    def _finish(self, latents: "Tensor", image: Any, notes: list[str]) -> Run:
        from sdlab.text.tokens import run_tokens

        recorder = self.recorder
        tokens = run_tokens(self.model.pipeline.tokenizer, self.experiment)
        halves = {"cond": "prompt", "uncond": "negative"}
        own = {half: tokens[tokens["prompt"] == which] for half, which in halves.items()}
        trace, recorded = recorder.finish(latents, own)
        tensors = {**recorded, "latents": latents.detach().to("cpu", copy=True)}
        tables = {
            "steps": recorder.steps(),
            "channels": recorder.channels(),
            "tokens": tokens,
            "timings": recorder.timings_table(),
        }
        return Run(
            self.experiment, image, trace, tables, tensors, self._manifest(tables, tensors, notes)
        )

    def _unknown_words(self) -> list[str]:
        """Return a warning that names the prompt's words that the embedded model does not know."""
        if self.model.name != EMBEDDED:
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
        from sdlab.text.notes import ignored_negative, unparsed_note

        asked = self.experiment
        guided = uses_guidance(self.model, asked.guidance_scale)
        out = [ignored_negative(asked.negative_prompt, asked.guidance_scale, guided)]
        out += unparsed_note(asked.prompt)
        out += unparsed_note(asked.negative_prompt, "negative prompt") if guided else []
        return [*filter(None, out), *self._unknown_words()]

    def _changed_options(self) -> list[str]:
        """Return a warning for each option that the scheduler itself changed."""
        scheduler = self.plan.course.scheduler
        if scheduler is None:
            return []
        return [
            f"{type(scheduler).__name__} runs with {name}={scheduler.config[name]!r}, not"
            f" {value!r}: it does not work with the latter here."
            for name, value in dict(self.experiment.solver_options).items()
            if not isinstance(value, tuple) and scheduler.config.get(name, value) != value
        ]

    def _manifest(
        self, tables: dict[str, Any], tensors: "dict[str, Tensor]", notes: list[str]
    ) -> dict[str, Any]:
        from sdlab.runs.manifest import manifest

        steps = tables["steps"]
        warnings = [*notes]
        if not tensors["latents"].isfinite().all():
            bad = steps[~np.isfinite(steps["x0_pred_mean"])]["evaluation"]
            known = self.experiment.record.statistics and len(bad)
            where = f" since evaluation {bad.iloc[0]}" if known else ""
            warnings.append(f"The latents are not finite{where}.")
        if self.recorder.attention is not None and self.recorder.attention.truncated:
            warnings.append("The attention maps reached max_bytes; later evaluations lack them.")
        warnings += self._changed_options()
        warnings += self._of_the_prompts()
        return manifest(
            self.model,
            self.experiment,
            created=datetime.now(UTC),
            nfe=len(steps),
            largest_call=int(steps["samples"].max()),
            shared_calls=self.shared,
            total_ms=float(tables["timings"].drop_duplicates(["stage", "evaluation"])["ms"].sum()),
            kept=list(self.recorder.kept),
            warnings=warnings,
        )
