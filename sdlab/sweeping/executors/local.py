"""The executor of one machine: this process, one batch after another, with the model held here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.sampling.engine import most_samples
from sdlab.sweeping.executors.crew import Event, Order, Share
from sdlab.sweeping.worker import make_batch

if TYPE_CHECKING:
    from sdlab.models.model import Model


TOGETHER = 8
"""Exact runs in one batch: as many as a CPU calls at once, and as are lost if the process ends."""


@dataclass(frozen=True)
class Local:
    """This process.

    Attributes:
        storage: URL where runs are stored beside the folder of all runs, or None.
        loading: Of no use here: the model is loaded.
    """

    storage: str | None = None
    loading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def at_once(self) -> int:
        """One trial of a search after another, so that each is proposed by all before."""
        return 1

    @contextmanager
    def crew(self, model: "Model", order: Order, folder: Path) -> "Iterator[LocalCrew]":
        """Open it; see ``Executor``."""
        crew = LocalCrew(model, order)
        with closing(crew):
            yield crew


class LocalCrew:
    """The one worker of this process; see ``Crew``."""

    def __init__(self, model: "Model", order: Order) -> None:
        self.samples = most_samples(model)
        self._model, self._order = model, order
        self._work: Iterator[Event] | None = None

    def divide(self, batches: Sequence[Share]) -> list[Share]:
        """Return one batch a share; several as one on a CPU, where exact runs join calls."""
        if self._order.mix or self._model.device.type != "cpu":
            return list(batches)
        return [_as_one(batches[i : i + TOGETHER]) for i in range(0, len(batches), TOGETHER)]

    def room(self, waiting: int) -> int:
        """Return 1 unless a batch is under way."""
        return int(self._work is None)

    def begin(self, shares: Sequence[Share]) -> None:
        """Begin a batch."""
        (share,) = shares
        self._work = self._made(share)

    def events(self) -> Iterator[Event]:
        """Do one round of the engine."""
        if self._work is not None and (event := next(self._work, None)) is not None:
            if event.over:
                self._work = None
            yield event

    def close(self) -> None:
        """Stop what is under way."""
        if self._work is not None:
            self._work.close()  # type: ignore[attr-defined]

    def _made(self, share: Share) -> Iterator[Event]:
        errors: dict[str, str] = {}
        for batch in share.batches:
            for done in make_batch(self._model, self._order, batch, share.missing, errors):
                yield Event(share, done, errors)
        yield Event(share, share.done_after(len(share.batches)), errors, over=True)


def _as_one(shares: Sequence[Share]) -> Share:
    """Return the work of shares as one batch."""
    runs = tuple(one for share in shares for batch in share.batches for one in batch)
    missing = frozenset[str]().union(*(share.missing for share in shares))
    evaluations = {run: nfe for share in shares for run, nfe in share.evaluations.items()}
    return Share((runs,), missing, evaluations)
