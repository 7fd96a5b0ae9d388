"""What all executors share: the work as they are given it, and what they say of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model


@dataclass(frozen=True)
class Order:
    """What is the same for every run of a sweep; plain values, which a worker far away can take.

    Attributes:
        model: What the model is loaded by.
        model_hash: Of its weights; a worker that has others makes nothing.
        loading: How it is loaded: arguments of ``sdlab.load``.
        place: Where runs are stored: the folder of all runs, or a URL.
        mix: Whether runs of a batch share network calls.
    """

    model: str
    model_hash: str
    loading: Mapping[str, Any]
    place: str
    mix: bool


@dataclass(frozen=True, eq=False)
class Share:
    """Batches that one worker makes, one after another.

    Attributes:
        batches: The experiments of each, as they share network calls.
        missing: The runs that are stored; what else is in a batch is there already, and takes part
            so that the others' bits are what they were.
        evaluations: Of each run.
    """

    batches: "tuple[tuple[Experiment, ...], ...]"
    missing: frozenset[str]
    evaluations: Mapping[str, int]

    @property
    def runs(self) -> list[list[str]]:
        """The ids of each batch's runs."""
        return [[one.id for one in batch] for batch in self.batches]

    def done_after(self, batches: int) -> int:
        """Return the evaluations of the missing runs in the first so many batches."""
        runs = (run for batch in self.runs[:batches] for run in batch)
        return sum(self.evaluations[run] for run in runs if run in self.missing)


@dataclass(frozen=True)
class Event:
    """What a worker has come to.

    Attributes:
        share: Of which work.
        evaluations: Done so far, of runs that were missing.
        errors: Why runs failed, by id, as far as is known.
        over: Whether it has ended.
        lost: Whether its worker is gone, with what it had not stored.
    """

    share: Share
    evaluations: int = 0
    errors: Mapping[str, str] = field(default_factory=dict)
    over: bool = False
    lost: bool = False


class Crew(Protocol):
    """The workers of an executor, while a sweep is made."""

    samples: int
    """Most samples in a network call of theirs."""

    def divide(self, batches: Sequence[Share]) -> list[Share]:
        """Return the work as it is handed out, given as shares of one batch each."""

    def room(self, waiting: int) -> int:
        """Return how many shares can be begun now, and see to it that so many will be."""

    def begin(self, shares: Sequence[Share]) -> None:
        """Let shares be made, of which there are no more than there is room for."""

    def events(self) -> Iterator[Event]:
        """Wait until something happens or a while has passed, and yield what happened."""


class Executor(Protocol):
    """Where a sweep is made."""

    @property
    def storage(self) -> str | None:
        """URL of what its workers share; None for the folder of all runs."""

    @property
    def loading(self) -> Mapping[str, Any]:
        """How its workers load the model: arguments of ``sdlab.load``."""

    @property
    def at_once(self) -> int:
        """How many trials of a search are made together, unless told."""

    def crew(self, model: "Model", order: Order, folder: Path) -> AbstractContextManager[Crew]:
        """Return the context that opens it, and ends in the end what is still under way.

        Args:
            model: Loaded here.
            order: What its workers make.
            folder: The sweep's, for notes of its own.
        """


class Kept:
    """An executor whose crew, once it is open, takes one piece of work after another.

    Args:
        executor: Whose.
        until: What closes it.
    """

    def __init__(self, executor: Executor, until: ExitStack) -> None:
        self._executor, self._until = executor, until
        self._crew: Crew | None = None
        self.storage, self.loading = executor.storage, executor.loading
        self.at_once = executor.at_once

    def crew(self, model: "Model", order: Order, folder: Path) -> AbstractContextManager[Crew]:
        """Open it, unless it is; see ``Executor``."""
        if self._crew is None:
            opened = self._executor.crew(model, order, folder)
            self._crew = self._until.enter_context(opened)
        return nullcontext(self._crew)


@contextmanager
def kept(executor: Executor) -> Iterator[Kept]:
    """Keep an executor's workers, with the models that they hold, until the context ends."""
    with ExitStack() as until:
        yield Kept(executor, until)
