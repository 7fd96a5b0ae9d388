"""What a worker does, wherever it is: it loads the model, makes batches and stores their runs."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from sdlab.errors import ModelError, SdlabError
from sdlab.sampling.engine import Engine
from sdlab.sampling.settling import settling
from sdlab.sweeping.run_store import store_of

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model
    from sdlab.runs.run import Run
    from sdlab.sampling.job import Job
    from sdlab.sweeping.executors.crew import Order, Share


class Worker:
    """Holds the model of an order and makes its shares.

    Args:
        order: What is made.
        cores: That it computes with on a CPU.
    """

    def __init__(self, order: "Order", cores: int = 1) -> None:
        self._order, self._cores = order, cores
        self._model: Model | None = None

    def ready(self) -> "Model":
        """Return the model, loaded when it is first asked for.

        Raises:
            ModelError: If it cannot be loaded here, or has other weights than it has where the
                sweep was started.
        """
        if self._model is None:
            import torch

            from sdlab.models.load import load

            torch.set_num_threads(self._cores)
            model = load(self._order.model, **self._order.loading)
            if model.hash != self._order.model_hash:
                raise ModelError(
                    f"{self._order.model} has other weights on a worker ({model.hash}) than where"
                    f" the sweep was started ({self._order.model_hash}); load the same on both, in"
                    " the same dtype."
                )
            self._model = model
        return self._model

    def is_ready(self) -> bool:
        """Load the model, as ``ready`` does, and return that it is there."""
        return self.ready() is not None

    def make(self, share: "Share") -> dict[str, str]:
        """Make a share and return why runs of it failed, by id."""
        found: dict[str, str] = {}
        for _, errors in self.making(share):
            found = errors
        return found

    def making(
        self, share: "Share", wanted: Callable[[], bool] = lambda: True
    ) -> "Iterator[tuple[int, dict[str, str]]]":
        """Make a share, yielding after each batch how many are done, and the errors so far.

        A share that is made once more, after another worker was lost with it, has no batch made
        again that was stored whole.

        Args:
            share: What to make.
            wanted: Asked before a batch is stored; if it is not, the share ends with an error.
        """
        model, store = self.ready(), store_of(self._order.place)
        errors: dict[str, str] = {}
        for number, batch in enumerate(share.batches, 1):
            asked = share.missing & {one.id for one in batch}
            left = asked - store.made(asked, self._order.model_hash, self._order.mix)
            if left:
                for _ in make_batch(model, self._order, batch, left, errors, wanted):
                    pass
            yield number, errors


def make_batch(
    model: "Model",
    order: "Order",
    batch: "Sequence[Experiment]",
    missing: Collection[str],
    errors: dict[str, str],
    wanted: Callable[[], bool] = lambda: True,
) -> Iterator[int]:
    """Make a batch, store those of its runs that are missing, and yield their evaluations done.

    Args:
        model: The loaded model.
        order: Where they are stored, and whether they share network calls.
        batch: The experiments that are computed together.
        missing: The ids of those that are stored, all at the end: the disk takes no longer for all
            than for one.
        errors: Gets why runs failed, by id.
        wanted: Asked before they are stored.

    Raises:
        StoreError: If a run cannot be stored.
        SdlabError: If it is not wanted any more.
    """
    store = store_of(order.place)
    engine = Engine(model, mix=order.mix, join=not order.mix)
    engine.long.give_way()
    jobs: list[Job] = []
    made: list[Run] = []
    for experiment in batch:
        try:
            jobs.append(engine.submit(experiment))
        except Exception as error:
            errors[experiment.id] = reason(error)

    def settle(job: "Job") -> None:
        run = job.experiment.id
        if run in missing and job.result is not None:
            made.append(job.result)
        elif run in missing and job.error is not None:
            errors[run] = reason(job.error)

    counted = [job for job in jobs if job.experiment.id in missing]
    for _ in settling(engine, jobs, settle):
        yield sum(job.nfe if job.over else job.evaluation for job in counted)
    if not wanted():
        raise SdlabError("The sweep was ended, or started again without this worker.")
    store.save(made)


def reason(error: Exception) -> str:
    """Return an error as it is noted."""
    return f"{type(error).__name__}: {error}"
