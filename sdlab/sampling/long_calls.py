"""The calls of an engine that take long enough to let others go first in their midst.

How long a call takes is measured by what it is of: the same shape, rows and network. The least
counts, as other threads make it longer. One that is known to be quick is made in one piece.
Whatever has paused keeps what it has computed so far in memory, so another call begins beside it
only where memory is free for it.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sdlab.attention.layers import is_unet
from sdlab.models import memory
from sdlab.models.model import Model
from sdlab.pauses import longest_whole, others_wait, under_way
from sdlab.sampling.pausable import Pausable, attentions_of, layers_of
from sdlab.sampling.plain_job import PlainJob

if TYPE_CHECKING:
    from torch import nn

    from sdlab.sampling.job import Job

    Pause = Callable[[Job], bool]

KNOWN = 512


class LongCalls:
    """What has paused, and what is known to be quick.

    Args:
        model: Whose networks are called.

    Attributes:
        pause: Asked before each layer of a long call, with its job; None lets none pause.
        quick: A call that takes no longer is made in one piece, in seconds.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._paused: dict[Job, Pausable] = {}
        self._kinds: dict[Job, Any] = {}
        self._seconds: dict[Any, float] = {}
        self._free = math.inf  # bytes for another call, when one paused
        self.pause: Pause | None = None
        self.quick = 0.0

    def give_way(self) -> None:
        """Pause for whoever else waits for this thread, if anybody may: see ``sdlab.pauses``.

        For runs as they are, whose network nobody has changed.
        """
        self.quick = longest_whole()
        if self.quick < math.inf:
            self.pause = lambda job: others_wait()

    def make(self, job: "Job", work: Callable[[], object], alone: bool) -> None:
        """Make a job's next call, or go on with the one that has paused.

        Args:
            job: Whose turn it is.
            work: Makes the call.
            alone: Whether it is of this job only.
        """
        if job not in self._paused and not self._may_pause(job, alone):
            work()
            return
        if job not in self._paused:
            self._kinds[job] = _kind(job)
            self._paused[job] = self._pausable(job, work)
        self._go_on(job)

    def seconds(self, job: "Job") -> float:
        """Return how long a job's next call takes; infinity while that is not known."""
        return self._seconds.get(_kind(job), math.inf)

    def has_paused(self, job: "Job") -> bool:
        """Return whether a job's call is under way and pauses."""
        return job in self._paused

    def paused(self) -> "list[Job]":
        """Return the jobs whose call is under way and pauses."""
        return list(self._paused)

    def may_begin(self, job: "Job") -> bool:
        """Return whether a job may be served, beside what has paused."""
        return not self._paused or job in self._paused or job.plan.activation_bytes <= self._free

    def finish(self) -> bool:
        """Make all that has paused to its end, for its memory; return whether there was any."""
        others = [job for job, call in self._paused.items() if call is not under_way()]
        pause, self.pause = self.pause, None
        try:
            for job in others:
                self._go_on(job)
        finally:
            self.pause = pause
        return bool(others)

    def give_up(self, job: "Job") -> None:
        """Unwind a job's call, if it has paused."""
        call = self._paused.pop(job, None)
        if call is not None:
            del self._kinds[job]
            call.close()

    def close(self) -> None:
        """Unwind all that has paused."""
        for job in list(self._paused):
            self.give_up(job)

    def _go_on(self, job: "Job") -> None:
        call = self._paused[job]
        try:
            call.go()
        finally:
            if call.over:
                del self._paused[job]
                if len(self._seconds) >= KNOWN:
                    self._seconds.clear()
                kind = self._kinds.pop(job)
                self._seconds[kind] = min(call.seconds, self._seconds.get(kind, math.inf))
            else:  # once, not for each job: asking lets go of the interpreter
                self._free = memory.available_bytes(self._model.device) * memory.USABLE

    def _wanted(self, job: "Job") -> bool:
        return self.pause is not None and self.pause(job)

    def _may_pause(self, job: "Job", alone: bool) -> bool:
        return (
            self.pause is not None
            and alone
            and not job.exclusive
            and self.seconds(job) > self.quick
        )

    def _pausable(self, job: "Job", work: Callable[[], object]) -> Pausable:
        found = {part: layers_of(part) for part in self._computing(job)}
        layers = [layer for of_part in found.values() for layer in of_part]
        attentions = [
            one for part, of_part in found.items() if of_part for one in attentions_of(part)
        ]
        read = job.state == "running" and bool(job.attention_parts(0))
        if read and not is_unet(self._model.network):
            attentions = []  # what reads them is on for the whole thread, too
        wanted = partial(self._wanted, job)
        return Pausable(work, layers, attentions, wanted, self._model.device)

    def _computing(self, job: "Job") -> "list[nn.Module]":
        """Return the parts of the model that take long in a job's next call."""
        if isinstance(job, PlainJob):
            decoding = job.state == "decoding"
            return [self._model.pipeline.vae if decoding else self._model.network]
        parts = self._model.parts.items()
        return [part for name, part in parts if not name.startswith("text_encoder")]


def _kind(job: "Job") -> Any:
    """Return what calls that take equally long have in common."""
    if job.state == "decoding":
        return type(job), job.plan.shape
    last = job.evaluation + 1 >= job.nfe  # a pipeline decodes its picture after it
    return type(job), job.batch_key, job.rows, last
