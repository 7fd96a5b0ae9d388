"""A job of Stable Diffusion 1.x and 2.x from words: the engine drives the solver itself."""

import time
from typing import TYPE_CHECKING, Any

from sdlab.denoisers.network import NetworkOutput, Sample, predictions
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.runs.run import Run
from sdlab.sampling.job import ENDS, Job
from sdlab.sampling.plan import Plan
from sdlab.solvers.protocol import Answer, Process, Query
from sdlab.tracing.recorder import Recorder, Timer

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.attention.hooks import Part


class PlainJob(Job):
    """One experiment whose solver, guidance and decoding are the engine's own.

    Attributes:
        recorder: Records it.
    """

    def __init__(self, model: Model, experiment: Experiment, plan: Plan) -> None:
        super().__init__(model, experiment, plan)
        self.recorder = Recorder(experiment.id, experiment.record, plan.nfe, self._collector())
        self._embeds: tuple[Tensor, Tensor | None] | None = None
        self._process: Process | None = None
        self._query: Query | None = None
        self._latents: Tensor | None = None

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
    def rows(self) -> int:
        """Samples that it adds to a network call: 2 with guidance, else 1."""
        return self.sample.rows

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """What queries must share to share a call."""
        assert self._embeds is not None
        return (*self.query.x_t.shape[1:], *self._embeds[0].shape[1:], self.experiment.fast)

    @property
    def recording(self) -> Recorder:
        """What records it."""
        return self.recorder

    def attention_parts(self, row: int) -> "list[Part]":
        """Return what the next network call is to record, given the job's first row in it."""
        collector = self.recorder.attention
        if collector is None or not collector.wants(self.query.step):
            return []
        from sdlab.attention.hooks import Part

        rows = {"cond": row + self.sample.rows - 1}
        if self.sample.rows == 2 and "uncond" in collector.record.kept_halves:
            rows["uncond"] = row
        return [Part(collector, rows)]

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
            assert self.plan.course is not None
            self._process = self.plan.course.make_process(start, generator)
            with torch.no_grad():
                self._query = next(self._process)
            self.state = "running"
        except ENDS as error:
            self.fail(error)

    def take(self, output: NetworkOutput, timer: Timer, rows: int) -> None:
        """Record the network's answer and let the solver go on to its next query.

        Args:
            output: The network's outputs for this job.
            timer: Timed the call.
            rows: Of the whole call, other jobs' included.
        """
        self.recorder.time("network", timer, call=rows)
        query, schedule = self.query, self.plan.schedule

        def predicted(out: "Tensor") -> "tuple[Tensor, Tensor]":
            return predictions(schedule, query.x_t, query.sigma, out)

        x0_pred, eps = predicted(output.guided)
        if output.uncond is None:
            pair: tuple[Tensor, Tensor | None] = (eps, None)
        else:
            pair = (predicted(output.cond)[1], predicted(output.uncond)[1])
        self._go_on(Answer(output.guided, x0_pred), output, pair)

    def _go_on(
        self, answer: Answer, output: NetworkOutput, eps: "tuple[Tensor, Tensor | None]"
    ) -> None:
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

    def _collector(self) -> Any:
        planned, record = self.plan.attention, self.experiment.record.attention
        if planned is None or record is None:
            return None
        from sdlab.attention.collector import Collector

        return Collector(record, planned.layers, planned.counts, self.experiment.num_steps)

    def _close(self) -> None:
        if self._process is not None:
            self._process.close()
        self._process = self._query = self._latents = self._embeds = None

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
        warnings = [*notes, *self._not_finite(tables, latents)]
        if recorder.attention is not None and recorder.attention.truncated:
            warnings.append("The attention maps reached max_bytes; later evaluations lack them.")
        manifest = self._manifest(tables, list(recorder.kept), warnings)
        return Run(self.experiment, image, trace, tables, tensors, manifest)
