"""Where a run stands: waiting, in progress, ended, or stored.

Nothing here computes: the worker's queue makes the runs, the disk has what is done.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dashboard.worker.snapshots import LIVE
from dashboard.worker.stored_runs import stored_run
from dashboard.worker.worker import Worker
from sdlab.comparing.model_facts import ModelFacts
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment


@dataclass(frozen=True)
class RunState:
    """The state of one run.

    Attributes:
        state: As the worker names it; "done" if it is stored, "missing" if it is unknown.
        evaluation: Evaluations done.
        nfe: Evaluations in all; 0 while unknown.
        error: Why it failed.
        preview: Changes with the picture that the worker holds of it; "" while there is none.
    """

    state: str
    evaluation: int = 0
    nfe: int = 0
    error: str = ""
    preview: str = ""

    @property
    def live(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in LIVE


def made_by(runs: Path, run: str) -> str | None:
    """Return the hash of the weights that made a stored run, or None if it is not stored."""
    stored = _stored(runs, run, _changed(runs, run))
    return stored[1] if stored else None


def progress(
    found: Mapping[str, RunState],
    experiments: Iterable[Experiment],
    model: ModelFacts | None = None,
) -> tuple[int, int]:
    """Return the evaluations done and in all of some runs, as far as they are known.

    Args:
        found: States by id.
        experiments: The runs.
        model: That makes them; see ``evaluations_of``.
    """
    done = total = 0
    for experiment in experiments:
        state = found[experiment.id]
        nfe = state.nfe or evaluations_of(experiment, model)
        total += nfe
        done += state.evaluation if state.live else nfe
    return done, total


def evaluations_of(experiment: Experiment, model: ModelFacts | None = None) -> int:
    """Return how many evaluations a run will take, before the worker knows.

    Args:
        experiment: The run.
        model: That makes it; None for one with the schedule of Stable Diffusion 1.x.
    """
    return _counted(experiment.with_(prompt="", negative_prompt="", seed=0), model)


@lru_cache(maxsize=1024)
def _counted(experiment: Experiment, model: ModelFacts | None) -> int:
    from sdlab.sampling.evaluations import expected_evaluations
    from sdlab.solvers.from_diffusers import SD_CONFIG

    try:
        if model is None:
            return expected_evaluations(experiment, SD_CONFIG)
        return expected_evaluations(experiment, model.config, model.drawn_by(experiment))
    except (ValueError, SdlabError):
        return experiment.num_steps  # what cannot run says so when it is asked to


def why_evaluations(experiment: Experiment, model: ModelFacts | None = None) -> str:
    """Return why a run takes as many evaluations, with the sum; "" if that is not known."""
    return _why(experiment.with_(prompt="", negative_prompt="", seed=0), model)


@lru_cache(maxsize=256)
def _why(experiment: Experiment, model: ModelFacts | None) -> str:
    from sdlab.sampling.evaluation_sum import evaluation_sum
    from sdlab.solvers.from_diffusers import SD_CONFIG

    try:
        if model is None:
            return evaluation_sum(experiment, SD_CONFIG)
        return evaluation_sum(experiment, model.config, model.drawn_by(experiment))
    except (ValueError, SdlabError):
        return ""


def run_state(worker: Worker, run: str) -> RunState:
    """Return the state of a run by its id; reads from disk only what the worker lacks."""
    view = worker.known_runs.get(run)
    if view is not None and view.state != "done":
        seen = f"{zlib.crc32(view.preview):08x}" if view.preview else ""
        return RunState(view.state, view.done, view.total, view.error, seen)
    stored = _stored(worker.runs, run, _changed(worker.runs, run))
    return RunState("missing") if stored is None else RunState("done", stored[0], stored[0])


def _changed(runs: Path, run: str) -> int:
    try:
        return (runs / run / "manifest.json").stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=4096)
def _stored(runs: Path, run: str, changed: int) -> tuple[int, str] | None:
    """Return evaluations and weights of a stored run; ``changed`` is its time, for the cache."""
    stored = stored_run(runs, run) if changed else None
    if stored is None:
        return None
    return int(stored.manifest.get("nfe") or 0), str(stored.manifest["model"].get("hash"))
