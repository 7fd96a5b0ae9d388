"""Holds people to the server's limits: of their runs, what is stored or being made is free."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dashboard.worker.limits import LimitError, Limits
from dashboard.worker.run_task import RunTask
from dashboard.worker.runs_in_flight import RunsInFlight
from dashboard.worker.sessions import person_of
from dashboard.worker.task import Priority
from dashboard.worker.tasks import Tasks
from sdlab.experiment.experiment import Experiment

MIB = 2**20


@dataclass(eq=False)
class PeopleLimits:
    """What each person may still have; may be called from any thread.

    Attributes:
        limits: The same for everybody but operators, who have none.
        tasks: Of the worker.
        flight: Knows what is stored, and the models in memory.
        operator: Tells of an id whether it is an operator's.
    """

    limits: Limits
    tasks: Tasks
    flight: RunsInFlight
    operator: Callable[[str], bool]

    def over(
        self,
        experiments: Sequence[Experiment],
        owner: str = "",
        session: str = "",
        queued: bool = True,
    ) -> str:
        """Return in a sentence why somebody may not have these runs now; "" if they may.

        What is stored, or being made already, does not count. Operators have no limits.

        Args:
            experiments: The runs.
            owner: Who asks; "" is nobody in particular.
            session: The browser session that asks.
            queued: Whether they would wait in the queue, as a sweep's do not.
        """
        if owner and self.operator(owner):
            return ""
        for experiment in experiments:
            held = self.flight.held.named(experiment.model)
            size = held.view.default_size if held else None
            if told := self.limits.too_large(experiment, size):
                return told
        if self.limits.queued_runs is None or not queued:
            return ""
        live = {task.id for task in self.tasks.all(Priority.RUN) if task.live}
        own = sum(self._is_of(run, person_of(owner, session)) for run in live)
        new = [one for one in experiments if one.id not in live]
        if own + len(new) > self.limits.queued_runs:
            new = [one for one in new if not self.flight.made(one, mix=True)]
        return self.limits.too_many(len(new), own) if new else ""

    def check(
        self,
        experiments: Sequence[Experiment],
        owner: str = "",
        session: str = "",
        queued: bool = True,
    ) -> None:
        """Refuse runs that are more than somebody may have, before the first is asked for.

        Raises:
            LimitError: If they are, as ``over`` says.
        """
        if told := self.over(experiments, owner, session, queued):
            raise LimitError(told)

    def check_size(self, task: RunTask, size: tuple[int, int]) -> None:
        """Refuse a run that is too large, once it is known how large its model's pictures are.

        Args:
            task: The run.
            size: (width, height) in pixels of its model's pictures.

        Raises:
            LimitError: If it is.
        """
        if task.owner and self.operator(task.owner):
            return
        if told := self.limits.too_large(task.experiment, size):
            raise LimitError(told)

    def check_study(
        self, key: str, owner: str = "", session: str = "", runs: Sequence[Experiment] = ()
    ) -> None:
        """Refuse a long computation that is one too many, or of a run that is too large.

        One that goes on or is done is joined.

        Args:
            key: Of the computation.
            owner: Who asks; "" is nobody in particular.
            session: The browser session that asks.
            runs: Those that it makes, or the largest of them.

        Raises:
            LimitError: If they have as many under way as one person may have on this server, or as
                ``over`` says of the runs.
        """
        known = self.tasks.find(key)
        if known is not None and (known.live or known.snapshot.state == "done"):
            return
        if owner and self.operator(owner):
            return
        self.check(runs, owner, session, queued=False)
        studies = self.tasks.all(Priority.STUDY)
        person = person_of(owner, session)
        live = sum(task.live and task.person == person for task in studies)
        if told := self.limits.too_busy(live):
            raise LimitError(told)

    def picture_room(self, owner: str) -> float:
        """Return the bytes that the kept pictures which a person brought may take."""
        mib = self.limits.upload_mib
        return math.inf if mib is None or (owner and self.operator(owner)) else mib * MIB

    def _is_of(self, run: str, person: str) -> bool:
        task = self.tasks.find(run)
        return task is not None and task.person == person
