"""How far a sweep is, from what lies on disk: quick enough to be asked at every tick."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdlab.experiment.sweep import Sweep
from sdlab.sweeping.sweep_folder import SweepFolder

FEW = 5000
"""So many runs are sooner looked for one by one than among 100,000."""


@dataclass(frozen=True)
class SweepStates:
    """Where each run of a sweep stands.

    Attributes:
        every: All ids, in the sweep's order.
        done: Those that are stored.
        errors: Why others failed, by id.
        making: Those that are under way, or were when the sweep was broken off.
    """

    every: tuple[str, ...]
    done: frozenset[str]
    errors: Mapping[str, str]
    making: frozenset[str]

    @property
    def missing(self) -> int:
        """How many are neither stored nor failed."""
        return len(self.every) - len(self.done) - len(self.errors)

    def of(self, run: str, live: bool) -> str:
        """Return the state of one run, as ``RunState`` names it.

        Args:
            run: Its id.
            live: Whether the sweep is going on.
        """
        if run in self.done:
            return "done"
        if run in self.errors:
            return "failed"
        if live:
            return "running" if run in self.making else "queued"
        return "missing"


def sweep_states(runs: Path, sweep: Sweep) -> SweepStates:
    """Return where the runs of a sweep stand.

    Args:
        runs: The folder of all runs.
        sweep: Which.
    """
    every = tuple(experiment.id for experiment in sweep.experiments)
    own = frozenset(every)
    done, folder = _stored(runs, own), SweepFolder(runs, sweep.id)
    errors = {run: why for run, why in folder.errors().items() if run in own and run not in done}
    making = own.intersection(folder.runs_under_way()) - done
    return SweepStates(every, done, errors, making)


def file_age(runs: Path, sweep: str, name: str) -> int:
    """Return when a file of a sweep was written, nanoseconds of the clock; 0 if it never was."""
    try:
        return (SweepFolder(runs, sweep).path / name).stat().st_mtime_ns
    except OSError:
        return 0


def _stored(runs: Path, own: frozenset[str]) -> frozenset[str]:
    """Return which of a sweep's runs are stored, whatever weights made them.

    Of few each is looked for; of many the whole store is listed, which takes as long whatever the
    sweep.
    """
    if len(own) <= FEW:
        return frozenset(run for run in own if os.path.lexists(runs / run))
    try:
        return own.intersection(os.listdir(runs))
    except FileNotFoundError:  # before the first run
        return frozenset()
