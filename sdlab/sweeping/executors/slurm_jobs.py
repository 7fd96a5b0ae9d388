"""The executor on a Slurm cluster: an array of jobs, each of which makes a part of the sweep.

submitit submits the jobs and says whether they are over; Slurm decides when each one starts. A job
writes what it has come to into a file beside its logs, in the sweep's folder, which all nodes must
share. Where a sweep is started again, that folder is removed first: jobs of an earlier start find
no place to report to, and store nothing more. What ends a job, such as a model that cannot be
loaded on its node, is why its runs failed; only if it ends every job it ends the sweep.
"""

import json
import logging
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import SdlabError
from sdlab.extras import extra
from sdlab.runs.atomic import write_file
from sdlab.runs.leavings import hidden
from sdlab.runs.reading import read_file
from sdlab.sampling.engine import MAX_SAMPLES, MAX_SAMPLES_CPU
from sdlab.sweeping.executors.crew import Event, Order, Share
from sdlab.sweeping.worker import Worker, reason

if TYPE_CHECKING:
    from sdlab.models.model import Model

logger = logging.getLogger(__name__)

FOLDER = "jobs"
LIMIT = 2**26
EVERY_CLUSTER = (
    "cpus_per_task", "gpus_per_node", "mem_gb", "name", "nodes", "tasks_per_node", "timeout_min"
)  # fmt: skip
"""Parameters that submitit knows without the name of a cluster before them."""
GRACE = 15.0
"""Seconds that a shared disk may take to show what a job wrote before it ended."""


@dataclass(frozen=True)
class Slurm:
    """A Slurm cluster.

    Attributes:
        jobs: In how many jobs a sweep is cut, at most one a batch.
        parameters: Of a job, by submitit's names, those of Slurm without "slurm_" before them:
            ``{"partition": "gpu", "gpus_per_node": 1, "timeout_min": 240}``.
        storage: URL of the object storage in which jobs put their runs; None for the folder of all
            runs.
        loading: How jobs load the model, beside how it was loaded here: arguments of
            ``sdlab.load``.
        cluster: "slurm", or "local" for processes of this machine instead of jobs.
        poll_seconds: Between two looks at what the jobs have come to.

    Raises:
        ValueError: If a number is out of range, or there is no such cluster.
    """

    jobs: int = 8
    parameters: Mapping[str, Any] = field(default_factory=dict)
    storage: str | None = None
    loading: Mapping[str, Any] = field(default_factory=dict)
    cluster: str = "slurm"
    poll_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {self.jobs}.")
        if self.cluster not in ("slurm", "local"):
            raise ValueError(f"cluster must be 'slurm' or 'local', got {self.cluster!r}.")

    @property
    def at_once(self) -> int:
        """A trial of a search for each job."""
        return self.jobs

    @contextmanager
    def crew(self, model: "Model", order: Order, folder: Path) -> "Iterator[SlurmCrew]":
        """Open the cluster; see ``Executor``.

        Raises:
            SdlabError: If submitit is not installed, or there is no Slurm here.
            ValueError: If submitit does not know a parameter.
        """
        submitit = extra("submitit", "slurm")
        if self.cluster == "slurm" and shutil.which("sbatch") is None:
            raise SdlabError(
                "sbatch is not found: this machine cannot submit to Slurm. Start the sweep on a"
                " login node, or with cluster=local in processes of this machine."
            )
        _end_earlier(folder / FOLDER)
        place = folder.absolute() / FOLDER / secrets.token_hex(6)
        executor = submitit.AutoExecutor(place, cluster=self.cluster)
        try:
            executor.update_parameters(**self._parameters())
        except (NameError, AssertionError) as error:
            raise ValueError(f"submitit refuses a parameter: {error}") from None
        with closing(SlurmCrew(executor, self, order, place)) as crew:
            yield crew

    def _parameters(self) -> dict[str, Any]:
        named = {"name": "sdlab", "timeout_min": 240, **self.parameters}
        return {
            name if name in EVERY_CLUSTER else f"slurm_{name}": value
            for name, value in named.items()
        }


class SlurmCrew:
    """The jobs of a sweep; see ``Crew``.

    Args:
        executor: submitit's.
        asked: What jobs there are to be.
        order: What they make.
        place: The folder for their logs and reports.
    """

    def __init__(self, executor: Any, asked: Slurm, order: Order, place: Path) -> None:
        gpus = asked.parameters.get("gpus_per_node", 0)
        self.samples = MAX_SAMPLES if gpus else MAX_SAMPLES_CPU
        self._executor, self._asked, self._order, self._place = executor, asked, order, place
        self._jobs: dict[Share, _Submitted] = {}
        self._broken: list[tuple[Event, str]] = []  # jobs that an error ended, until one works
        self._works = False
        self._count = 0

    def divide(self, batches: Sequence[Share]) -> list[Share]:
        """Return as many shares as there are to be jobs, of about as many evaluations each."""
        total = sum(batch.done_after(1) for batch in batches)
        parts: list[list[Share]] = [[] for _ in range(self._asked.jobs)]
        done = 0
        for batch in batches:
            middle = done + batch.done_after(1) / 2
            parts[int(middle * len(parts) / total) if total else 0].append(batch)
            done += batch.done_after(1)
        return [_joined(part) for part in parts if part]

    def room(self, waiting: int) -> int:
        """Return that there is room for all: what waits does so in Slurm's queue."""
        return waiting

    def begin(self, shares: Sequence[Share]) -> None:
        """Submit a job for each share, all as one array."""
        cores = self._asked.parameters.get("cpus_per_task", 1)
        works = []
        for share in shares:
            self._count += 1
            works.append(ShareJob(self._order, share, self._place / f"{self._count}.json", cores))
        with self._executor.batch():
            jobs = [self._executor.submit(work) for work in works]
        for share, job, work in zip(shares, jobs, works, strict=True):
            self._jobs[share] = _Submitted(job, work.report)

    def events(self) -> Iterator[Event]:
        """Wait a while, and yield which jobs have got further, are over or lost."""
        time.sleep(self._asked.poll_seconds)
        losses = 0
        for share, job in list(self._jobs.items()):
            over = job.is_over()  # asked before the report is read, which is written before that
            report = job.read()
            done, errors = report.get("batches", 0), report.get("errors", {})
            problem = report.get("problem")
            self._works |= bool(done) or bool(report.get("over") and not problem)
            if report.get("over") or job.is_lost(over, self._grace):
                del self._jobs[share]
            elif not report:
                continue
            if problem:
                self._broken.append((_broken(share, done, errors, problem), problem))
                continue
            finished = bool(report.get("over"))
            lost = share not in self._jobs and not finished
            losses += lost
            yield Event(share, share.done_after(done), errors, over=finished, lost=lost)
        yield from self._those_broken(last=not self._jobs and not losses)

    def _those_broken(self, last: bool) -> Iterator[Event]:
        """Yield the shares whose jobs an error ended, once another is seen to work.

        Args:
            last: Whether no job is left that could.
        """
        if self._works:
            yield from (event for event, _ in self._broken)
            self._broken = []
        elif self._broken and last:
            raise SdlabError(f"Every job failed: {self._broken[0][1]} Their logs: {self._place}")

    def close(self) -> None:
        """Cancel the jobs that are not over."""
        for job in self._jobs.values():
            job.cancel()

    @property
    def _grace(self) -> float:
        return GRACE if self._asked.cluster == "slurm" else 0.0


@dataclass
class _Submitted:
    """A job under way: submitit's, and the file that it reports to."""

    job: Any
    report: Path
    over_since: float | None = None

    def is_over(self) -> bool:
        return bool(self.job.done())

    def is_lost(self, over: bool, grace: float) -> bool:
        """Return whether it has been over for longer than a report takes to be seen."""
        if over and self.over_since is None:
            self.over_since = time.monotonic()
        return self.over_since is not None and time.monotonic() - self.over_since >= grace

    def read(self) -> dict[str, Any]:
        try:
            found = json.loads(read_file(self.report, LIMIT))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def cancel(self) -> None:
        with suppress(Exception):  # it may be over, or Slurm away
            self.job.cancel(check=False)


@dataclass
class ShareJob:
    """What a job does: it makes a share and reports after each batch.

    Attributes:
        order: What is made.
        share: Which part.
        report: The file to write.
        cores: That it computes with on a CPU.
    """

    order: Order
    share: Share
    report: Path
    cores: int = 1

    def __call__(self) -> None:
        """Make the share."""
        batches, errors, problem = 0, dict[str, str](), ""
        try:
            worker = Worker(self.order, self.cores)
            for batches, errors in worker.making(self.share, self.report.parent.is_dir):
                self._write(batches, errors)
        except Exception as error:
            logger.exception("the job ends")
            problem = reason(error)
        self._write(batches, errors, problem, over=True)

    def checkpoint(self, *_: Any) -> Any:
        """Return what submitit queues when Slurm ends the job early: the same, which goes on."""
        return extra("submitit", "slurm").helpers.DelayedSubmission(self)

    def _write(
        self, batches: int, errors: Mapping[str, str], problem: str = "", over: bool = False
    ) -> None:
        facts = {"batches": batches, "errors": dict(errors), "problem": problem, "over": over}
        if self.report.parent.is_dir():  # else nobody reads it any more
            write_file(self.report, lambda stream: stream.write(json.dumps(facts).encode()))


def _end_earlier(jobs: Path) -> None:
    """Remove the folder of an earlier start's jobs, in one step as they see it."""
    with suppress(FileNotFoundError):
        gone = jobs.rename(hidden(jobs, "old"))
        shutil.rmtree(gone, ignore_errors=True)


def _broken(share: Share, batches: int, errors: Mapping[str, str], problem: str) -> Event:
    """Return what an error means for a share of which so many batches were made."""
    left = (run for batch in share.runs[batches:] for run in batch if run in share.missing)
    done = share.done_after(len(share.batches))
    return Event(share, done, {**dict.fromkeys(left, problem), **errors}, over=True)


def _joined(batches: Sequence[Share]) -> Share:
    """Return several shares as one."""
    return Share(
        tuple(batch for share in batches for batch in share.batches),
        frozenset(run for share in batches for run in share.missing),
        {run: count for share in batches for run, count in share.evaluations.items()},
    )
