"""The engine: drives many runs at once, one network call a round.

Each run is a process that waits for an answer (``sdlab.solvers.protocol``). A round takes the run
that has waited longest, calls the network for it and sends it its answer. So a run may join or
leave at any evaluation, and none waits for ever.

A run is exact unless it is asked for with ``mix``: its bits are those of the run alone, for its
calls hold its own rows only, or those of others too where that is known to change no bit
(``exact_calls``). Runs with ``mix`` share calls with each
other, up to the cap, where their queries have the same shape. That is quicker, but a network sums
in another order where a call has more rows, so such runs agree within rounding only.

The engine belongs to one thread; ``Job.cancel`` and a job's attributes may be used from other
threads.
"""

import itertools
import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sdlab.denoisers.network import evaluate
from sdlab.errors import check_types
from sdlab.experiment.experiment import Experiment
from sdlab.models import memory
from sdlab.models.model import Model
from sdlab.pauses import paused
from sdlab.sampling.exact_calls import ExactCalls
from sdlab.sampling.job import Job
from sdlab.sampling.joint_calls import JointCalls
from sdlab.sampling.long_calls import LongCalls
from sdlab.sampling.pipeline_job import PipelineJob
from sdlab.sampling.plain_job import PlainJob
from sdlab.sampling.plan import plan
from sdlab.tracing.recorder import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sdlab.attention.hooks import Part
    from sdlab.runs.run import Run

logger = logging.getLogger(__name__)

# Beyond this many samples a call gains nothing, and cancelling takes long. On a CPU the caches set
# the limit: a sample in calls of 16, 32 and 64 took 0.76, 0.80 and 0.85 of its time in a call of 2
# (embedded U-Net, float32).
MAX_SAMPLES = 64
MAX_SAMPLES_CPU = 16


class Engine:
    """Runs experiments on one model.

    Args:
        model: The loaded model.
        mix: Whether runs share network calls, unless ``submit`` says otherwise. False gives each
            run its own calls, whose results are bit-identical to the run alone; shared ones agree
            within float32 rounding.
        join: Whether runs that do not mix share calls where that is known to change none of their
            bits (see ``exact_calls``): not for a network that keeps something from call to call.
        max_samples: Most samples in one call (a CFG pair is two); None for as many as speed the
            device up and fit into memory.

    Raises:
        ValueError: If ``max_samples`` is below 2.
        TypeError: If ``model`` is no ``Model``.

    Attributes:
        jobs: Those that are not over.
        order: Whose turn comes first: the job of which it returns least; of equal ones the one
            that has waited longest.
        together: Whether two jobs may be in one call, if their calls fit.
        long: The calls in whose midst others may go first; none, unless its ``pause`` is set.
        latest: Whose turn it was in the last round.
        begins: Called with the jobs whose call, or decoding, comes next; or whose words are read.
    """

    def __init__(
        self,
        model: Model,
        *,
        mix: bool = False,
        join: bool = False,
        max_samples: int | None = None,
    ) -> None:
        check_types(Engine, model=(model, Model))
        if max_samples is not None and max_samples < 2:
            raise ValueError(f"max_samples must be at least 2, got {max_samples}.")
        self.model = model
        self.mix = mix
        self._max_samples = max_samples or most_samples(model)
        self._caps: dict[tuple[Any, ...], int] = {}  # by batch key, where memory ran out
        self._clock = itertools.count(1)
        self._joint = JointCalls(model)
        self._exact = ExactCalls(model) if join else None
        self.long = LongCalls(model)
        self.order: Callable[[Job], Any] = _decoding_first
        self.together: Callable[[Job, Job], bool] = lambda one, other: True
        self.latest: tuple[Job, ...] = ()
        self.begins: Callable[[Sequence[Job]], object] = tuple
        self.jobs: list[Job] = []

    def submit(self, experiment: Experiment, *, mix: bool | None = None) -> Job:
        """Check an experiment, queue it and return its job; it starts with the next round.

        Args:
            experiment: What to run.
            mix: Whether it shares network calls with others that do; None as the engine does.

        Raises:
            ValueError: If the experiment is not valid for this model.
            MemoryLimitError: If it cannot fit into memory.
            TypeError: If it is no ``Experiment``.
        """
        check_types(Engine.submit, experiment=(experiment, Experiment))
        planned = plan(self.model, experiment)
        job: Job
        if planned.call is None:
            job = PlainJob(self.model, experiment, planned)
        else:
            self._joint.hold()
            job = PipelineJob(self.model, experiment, planned)
        job.mix = self.mix if mix is None else mix
        self.jobs.append(job)
        return job

    def round(self) -> bool:
        """Do one round and return whether any job is left.

        A round is one decoding, if a run is ready for it, or else one network call. Failures go
        to the job they belong to and are not raised.
        """
        self._sweep()
        self._admit()
        batch = self._gather()
        self.latest = tuple(batch)
        if batch:
            first = batch[0]
            self.begins(batch)
            work = first.decode if first.state == "decoding" else partial(self._serve, batch)
            self.long.make(first, work, alone=len(batch) == 1)
        self._sweep()
        return bool(self.jobs)

    def close(self) -> None:
        """Unwind the calls that have paused; nothing else can be done with the engine after."""
        self.long.close()

    def _sweep(self) -> None:
        for job in self.jobs:
            if job.cancelling and not job.over:
                self.long.give_up(job)
                job.stop()
        self.jobs = [job for job in self.jobs if not job.over]
        if not any(isinstance(job, PipelineJob) for job in self.jobs):
            self._joint.release()
        going = {job.batch_key for job in self.jobs if job.state == "running"}
        self._caps = {key: cap for key, cap in self._caps.items() if key in going}

    def _admit(self) -> None:
        """Start queued jobs, in order, while their records fit beside those in flight."""
        for job in [job for job in self.jobs if job.state == "queued"]:
            if not self._fits(job):
                return
            self.begins([job])
            job.start()

    def next_to_start(self) -> Job | None:
        """Return the queued job that starts with the next round; None if there is no room."""
        first = next((job for job in self.jobs if job.state == "queued"), None)
        return first if first is not None and self._fits(first) else None

    def _fits(self, job: Job) -> bool:
        """Return whether a queued job may be in flight beside those that are."""
        in_flight = [other for other in self.jobs if other.state in ("running", "decoding")]
        if not in_flight:
            return True
        if job.exclusive or any(other.exclusive for other in in_flight):
            return False
        need = self._unrecorded() + job.plan.record_bytes + job.plan.activation_bytes
        return need <= memory.available_bytes(self.model.device) * memory.USABLE

    def _gather(self) -> list[Job]:
        """Return the jobs of the next call: the one whose turn it is, and those that fit with it.

        A run that is to be decoded is one by itself.
        """
        waiting = sorted(
            (job for job in self.jobs if self.may_serve(job)),
            key=lambda job: (self.order(job), job.served),
        )
        if not waiting:
            return []
        first, rest = waiting[0], [job for job in waiting[1:] if not self._is_apart(job)]
        if self._is_apart(first):
            return [first]
        if self._shares(first):
            return self._with(first, [job for job in rest if self._shares(job)])
        if self._exact is None or not self._exact.may_join(first):
            return [first]
        batch = self._with(first, [job for job in rest if self._exact.may_join(job)])
        return batch if self._exact.fits(batch) else [first]

    def _is_apart(self, job: Job) -> bool:
        return job.apart or self.long.has_paused(job)

    def _with(self, first: Job, others: list[Job]) -> list[Job]:
        """Return a job and those of others that fit into its call."""
        cap = self._cap(first)
        batch, rows = [first], first.rows
        for job in others:
            fits = job.batch_key == first.batch_key and rows + job.rows <= cap
            if fits and self.together(first, job):
                batch.append(job)
                rows += job.rows
        return batch

    def may_serve(self, job: Job) -> bool:
        """Return whether a job's turn may come now."""
        return job.state in ("running", "decoding") and self.long.may_begin(job)

    def _shares(self, job: Job) -> bool:
        """Return whether a job's next call is shared, and its rows depend on no others."""
        if not job.mix or job.state != "running":
            return False
        return not isinstance(job, PipelineJob) or self._joint.may_share(job.call.network)

    def _cap(self, job: Job) -> int:
        per_sample = memory.sample_bytes(self.model, job.plan.shape)
        free = memory.available_bytes(self.model.device) * memory.USABLE - self._unrecorded()
        limit = self._caps.get(job.batch_key, self._max_samples)
        return max(2, min(limit, int(free // per_sample)))

    def _unrecorded(self) -> int:
        """Return the bytes that the runs in flight have yet to record."""
        going = [job for job in self.jobs if job.state in ("running", "decoding")]
        return sum(job.plan.record_bytes - job.recorded_bytes for job in going)

    def _serve(self, batch: list[Job]) -> None:
        """Call the network for a batch; if that fails, find the run that made it fail."""
        timer, started = batch[0].new_timer(), perf_counter() - paused()
        rows = sum(job.rows for job in batch)
        failure: Exception | None = None
        try:
            outputs = self._outputs(batch, timer)
        except Exception as error:
            failure = error
        if failure is not None:  # outside of the except, whose frames hold the call's tensors
            self._recover(batch, failure)
            return
        seconds = (perf_counter() - paused() - started) / len(batch)
        for job, output in zip(batch, outputs, strict=True):
            job.seconds = seconds
            job.served = next(self._clock)
            job.shared += job.mix and len(batch) > 1
            if len(batch) > 1:
                self.begins([job])
            try:
                job.take(output, timer, rows)
            except Exception as error:
                job.fail(error)

    def _outputs(self, batch: "Sequence[Job]", timer: Timer) -> list[Any]:
        """Return the network's answer to each job of a batch, from one call of it."""
        if isinstance(batch[0], PlainJob):
            samples = [job.sample for job in batch if isinstance(job, PlainJob)]
            with timer, self._watching(batch):
                if self._exact is not None and len(batch) > 1 and not batch[0].mix:
                    return self._exact.evaluate(samples)
                return evaluate(self.model, samples)
        calls = [job.call for job in batch if isinstance(job, PipelineJob)]
        fast = batch[0].experiment.fast
        self._joint.check(calls, fast)
        with timer:
            return self._joint.outputs(calls, fast, _attention_parts(batch))

    def _watching(self, batch: "Sequence[Job]") -> AbstractContextManager[None]:
        """Return the context that records the attention of those jobs that ask for it."""
        parts = _attention_parts(batch)
        if not parts:
            return nullcontext()
        from sdlab.attention.hooks import recording

        return recording(self.model.network, parts)

    def _recover(self, batch: list[Job], error: Exception) -> None:
        """Fail a run that is alone; split a shared call, with a lower cap if memory ran out.

        Calls that cannot be joined after all are split until those are left that can.
        """
        if memory.is_out_of_memory(error) and self.long.finish():
            memory.release(error)
            self._serve(batch)
            return
        if len(batch) == 1:
            batch[0].fail(error)
            return
        if memory.is_out_of_memory(error):
            memory.release(error)
            cap = max(2, sum(job.rows for job in batch) // 2)
            self._caps[batch[0].batch_key] = cap
            logger.warning("Out of memory: calls of this size now hold at most %d samples", cap)
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            self._serve(part)


def _decoding_first(job: Job) -> bool:
    return job.state != "decoding"


def most_samples(model: Model) -> int:
    """Return how many samples a network call of this model holds at most, memory permitting."""
    return MAX_SAMPLES_CPU if model.device.type == "cpu" else MAX_SAMPLES


def run(
    model: Model,
    experiment: Experiment,
    on_progress: "Callable[[Job], None] | None" = None,
) -> "Run":
    """Run one experiment alone and return it; bit-identical to the plain diffusers pipeline.

    Args:
        model: The loaded model.
        experiment: What to run.
        on_progress: Called with the job after every evaluation.

    Raises:
        ValueError: If the experiment is not valid for this model.
        SdlabError: If memory runs out, before or while it runs.
        TypeError: If an argument is of another type, as when two are swapped.
    """
    check_types(run, model=(model, Model), experiment=(experiment, Experiment))
    finished: Run
    (finished,) = run_many(model, [experiment], on_progress, mix=False)
    return finished


def run_many(
    model: Model,
    experiments: "Sequence[Experiment]",
    on_progress: "Callable[[Job], None] | None" = None,
    *,
    mix: bool = True,
    return_exceptions: bool = False,
) -> "list[Any]":
    """Run experiments in shared network calls and return their runs in order.

    Args:
        model: The loaded model.
        experiments: Any number; all are checked before the first one starts.
        on_progress: Called with a job after each of its evaluations.
        mix: False gives each run its own calls (see ``Engine``).
        return_exceptions: Whether a failed run's exception is returned in its place in the list,
            instead of being raised and the finished runs lost (as in ``asyncio.gather``).

    Raises:
        ValueError: If an experiment is not valid for this model.
        TypeError: If an argument is of another type, as when two are swapped.
        Exception: The first failed run's own error, once every other run has finished. Its note
            names the run.
    """
    check_types(run_many, model=(model, Model), experiments=(experiments, Iterable))
    engine = Engine(model, mix=mix)
    jobs = [engine.submit(experiment) for experiment in experiments]
    seen = dict.fromkeys(jobs, 0)
    going = bool(jobs)
    while going:
        going = engine.round()
        for job in jobs:
            if on_progress and job.evaluation != seen[job]:
                seen[job] = job.evaluation
                on_progress(job)
    for job in jobs:
        if job.error is not None and not return_exceptions:
            job.error.add_note(f"in run {job.experiment.id} ({job.experiment.solver})")
            raise job.error
    return [job.error or job.result for job in jobs]


def _attention_parts(batch: "Sequence[Job]") -> "list[Part]":
    """Return what to record of a batch's attention, rows counted from the batch's first."""
    parts, row = [], 0
    for job in batch:
        parts += job.attention_parts(row)
        row += job.rows
    return parts
