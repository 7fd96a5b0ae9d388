"""Makes the runs of a sweep that are missing, and keeps why others failed."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdlab.runs.leavings import recover_all
from sdlab.sweeping.batches import Planned, batches, planned
from sdlab.sweeping.executors.crew import Crew, Executor, Order, Share
from sdlab.sweeping.executors.local import Local
from sdlab.sweeping.hand_out import hand_out
from sdlab.sweeping.run_store import FolderStore, RunStore, store_of

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model
    from sdlab.sweeping.sweep_folder import SweepFolder
    from sdlab.work import Work

BROKEN_OFF = "It was under way when the sweep was broken off; resume_errored makes it again."


@dataclass(frozen=True)
class Resuming:
    """What is made when a sweep is started again.

    Attributes:
        errored: Whether what failed is tried again.
        unfinished: Whether what was under way when the sweep was killed is made again; else it
            counts as failed. Of use where a run ends the process itself.
    """

    errored: bool = False
    unfinished: bool = True


NEW = Resuming()
"""What a sweep makes unless told otherwise."""


def make_missing(
    model: "Model",
    experiments: "Iterable[Experiment]",
    folder: "SweepFolder",
    root: str | Path,
    mix: bool = True,
    resuming: Resuming = NEW,
    on: Executor | None = None,
    keep_refused: bool = False,
) -> "Work[None]":
    """Make the runs of a sweep that are missing, yielding the evaluations done and in all.

    A run that fails has its error noted in ``folder``, and the rest go on. Closing it, or killing
    the process, loses no more than the batches under way.

    Args:
        model: The loaded model.
        experiments: Of the sweep, or of a part of it.
        folder: The sweep's.
        root: The folder of all runs.
        mix: Whether runs share network calls.
        resuming: What is made again.
        on: Where they are made; None for this process.
        keep_refused: Whether errors are noted, too, if this model refuses every run.

    Raises:
        ValueError: If this model refuses every run; nothing is noted then.
        StoreError: If ``root`` cannot be written.
        SdlabError: If the executor's workers cannot be had, or cannot load the model.
    """
    executor, place = on or Local(), Path(root).expanduser()
    every = {x.id: x for x in experiments}
    order = _order(model, executor, place, mix)
    store = store_of(order.place)
    made = _brought(store, every, model.hash, place, mix)
    broken = folder.under_way()
    if not resuming.unfinished:
        for run in set(_under_way(broken, made)) & every.keys():
            folder.fail(run, BROKEN_OFF)
        broken = []
    failed = {} if resuming.errored else folder.errors()
    wanted = [x for x in every.values() if x.id not in made and x.id not in failed]
    runs = _possible(model, wanted, folder, keep_refused or bool(made))
    others = [share for share in broken if not any(run in every for b in share for run in b)]
    again = [[every[run] for run in batch if run in every] for one in broken for batch in one]
    if runs:
        with executor.crew(model, order, folder.path) as crew:
            shares = crew.divide(list(_in_order(model, runs, again, mix, crew.samples)))
            yield from _make(crew, shares, folder, store, order, place)
    folder.begin([] if runs else others)  # which the next part of the sweep makes


def _order(model: "Model", executor: Executor, root: Path, mix: bool) -> Order:
    dtype = str(model.dtype).removeprefix("torch.")
    loading = {**model.loading, "dtype": dtype, **executor.loading}
    place = executor.storage or str(root.absolute())
    return Order(model.name, model.hash, loading, place, mix)


def _brought(
    store: RunStore, runs: Collection[str], model_hash: str, root: Path, mix: bool
) -> set[str]:
    """Return which runs are in the folder of all runs, after those of a storage were brought."""
    recover_all(root)
    made = FolderStore(root).made(runs, model_hash, mix)
    elsewhere = store.made(set(runs) - made, model_hash, mix)
    store.bring(elsewhere, root)
    return made | elsewhere


def _under_way(shares: list[list[list[str]]], made: set[str]) -> Iterator[str]:
    """Yield the runs that a worker was at: those missing of its first batch that is not whole."""
    for share in shares:
        left = ([run for run in batch if run not in made] for batch in share)
        yield from next(filter(None, left), [])


def _possible(
    model: "Model", wanted: "list[Experiment]", folder: "SweepFolder", keep: bool
) -> list[Planned]:
    """Return what can be run and note why others are refused; raise if all are, unless kept."""
    refused: dict[str, Exception] = {}
    runs = planned(model, wanted, lambda x, error: refused.update({x.id: error}))
    if refused and not runs and not keep:
        raise next(iter(refused.values()))
    for run, error in refused.items():
        folder.fail(run, error)
    return runs


def _in_order(
    model: "Model",
    runs: list[Planned],
    broken: "Iterable[list[Experiment]]",
    mix: bool,
    samples: int,
) -> Iterator[Share]:
    """Yield the batches, each as a share, first those that were broken off, as they were."""
    missing = frozenset(one.experiment.id for one in runs)
    rest = missing
    for batch in broken:
        ids = {x.id for x in batch}
        if ids & rest:
            yield _share(planned(model, batch, lambda *_: None), missing)
            rest -= ids
    yield from (
        _share(batch, missing)
        for batch in batches([one for one in runs if one.experiment.id in rest], mix, samples)
    )


def _share(batch: Iterable[Planned], missing: frozenset[str]) -> Share:
    plans = {one.experiment.id: one for one in batch}
    return Share(
        (tuple(one.experiment for one in plans.values()),),
        missing & plans.keys(),
        {run: one.plan.nfe for run, one in plans.items()},
    )


def _make(
    crew: Crew,
    shares: list[Share],
    folder: "SweepFolder",
    store: RunStore,
    order: Order,
    root: Path,
) -> "Work[None]":
    """Let a crew make shares; note what fails, bring what is stored, and yield what is done."""
    total = sum(share.done_after(len(share.batches)) for share in shares)
    done: dict[Share, int] = {}
    noted: set[str] = set()

    def left(share: Share) -> set[str]:
        return set(share.missing) - store.made(share.missing, order.model_hash, order.mix)

    for event in hand_out(crew, shares, folder, left):
        if event is not None:
            done[event.share] = event.evaluations
            for run in event.errors.keys() - noted:
                folder.fail(run, event.errors[run])
            noted |= event.errors.keys()
            if event.over:
                store.bring(event.share.missing - event.errors.keys(), root)
        yield sum(done.values()), total
