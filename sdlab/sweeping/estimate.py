"""What a sweep will take, before anything is made: runs, evaluations, time, memory, disk."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from sdlab.comparing.pace import evaluation_seconds
from sdlab.experiment.sweep import Sweep
from sdlab.sampling.engine import most_samples
from sdlab.sweeping.batches import Planned, batches, planned
from sdlab.sweeping.distance import references
from sdlab.sweeping.measures import Measure, needs_references
from sdlab.sweeping.run_store import FolderStore
from sdlab.sweeping.sweep_folder import SweepFolder

if TYPE_CHECKING:
    from sdlab.models.model import Model

NONE: Mapping[str, Measure] = MappingProxyType({})
FILES_BYTES = 96 * 2**10
"""Manifest and tables of a run, and what small files take beyond their length; rounded up."""
PIXEL_BYTES = 3
"""Of a PNG at most."""


@dataclass(frozen=True)
class Estimate:
    """What a sweep will take.

    Attributes:
        runs: Pictures in all.
        stored: Those that are there already.
        failed: Those that failed before and are left out.
        refused: Why this model cannot run others, by run id.
        missing: Those that would be made.
        evaluations: Network evaluations of these.
        seconds: What they take in all, by two evaluations that were tried; without saving.
        memory_bytes: What the largest batch takes beside the model.
        disk_bytes: What their folders take at most.
        free_bytes: Free on the disk of the store.
    """

    runs: int
    stored: int
    failed: int
    refused: dict[str, str]
    missing: int
    evaluations: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    free_bytes: int


def estimate(
    model: "Model",
    sweep: Sweep,
    root: str | Path,
    mix: bool = True,
    resume_errored: bool = False,
    measures: Mapping[str, Measure] = NONE,
) -> Estimate:
    """Return what a sweep will take; two evaluations of each size are tried, nothing is written.

    Args:
        model: The loaded model.
        sweep: Which.
        root: The folder of all runs.
        mix: Whether its runs share network calls.
        resume_errored: Whether what failed before is tried again.
        measures: Of its pictures; references that they need are counted as runs.
    """
    every = [*sweep.experiments]
    if needs_references(measures):
        every += references(every, model)
    made = FolderStore(root).made((x.id for x in every), model.hash, mix)
    noted = {} if resume_errored else SweepFolder(root, sweep.id).errors()
    failed = {x.id for x in every if x.id in noted} - made
    refused: dict[str, str] = {}
    wanted = [x for x in every if x.id not in made | failed]
    runs = planned(model, wanted, lambda x, error: refused.update({x.id: str(error)}))
    groups = [list(alike) for _, alike in groupby(runs, key=lambda one: one.kind[:3])]
    return Estimate(
        runs=len(every),
        stored=len(made),
        failed=len(failed),
        refused=refused,
        missing=len(runs),
        evaluations=sum(one.plan.nfe for one in runs),
        seconds=sum(_seconds(model, group, mix) for group in groups),
        memory_bytes=max(map(_memory, batches(runs, mix, most_samples(model))), default=0),
        disk_bytes=sum(_disk(model, one) for one in runs),
        free_bytes=shutil.disk_usage(_existing(Path(root).expanduser())).free,
    )


def _seconds(model: "Model", group: Sequence[Planned], mix: bool) -> float:
    tried = [one.experiment for one in (group if mix else group[:1])]
    return evaluation_seconds(model, tried) * sum(one.plan.nfe for one in group)


def _memory(batch: Sequence[Planned]) -> int:
    recorded = sum(one.plan.record_bytes for one in batch)
    return recorded + max(one.plan.activation_bytes for one in batch)


def _disk(model: "Model", one: Planned) -> int:
    _, height, width = one.plan.shape
    pixels = height * width * model.vae_factor**2
    return one.plan.record_bytes + PIXEL_BYTES * pixels + FILES_BYTES


def _existing(path: Path) -> Path:
    """Return a path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())
