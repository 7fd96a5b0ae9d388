"""The measure "distance": how far a run is from the one to which its settings converge.

That one is Compare's reference: same prompt, seed, guidance, size and model, by Heun in 100 steps.
It is a stored run as any other, so it is made once for all samplers, curves and numbers of steps
of a sweep, by the next sweep not again, and a comparison's serves too. The distance is that of
Compare: the root mean square of the difference of the final latents, over the standard deviation
of the reference's.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sdlab.comparing.converged import converged
from sdlab.comparing.reference import flat, is_flow_run, rms, spread_of, stored
from sdlab.sweeping.run_store import FolderStore

if TYPE_CHECKING:
    from sdlab.comparing.reference import Array
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model
    from sdlab.runs.run import Run
    from sdlab.work import Work

    Make = Callable[..., Work[None]]


@dataclass(frozen=True)
class Distance:
    """A measure of runs by their stored references.

    Attributes:
        root: The folder of all runs; None until it is known.
    """

    root: Path | None = None

    def within(self, root: Path) -> "Distance":
        """Return it for the runs of a folder."""
        return replace(self, root=root)

    def __call__(self, run: "Run") -> float | None:
        """Return a run's distance; None if its reference is not stored, or its latents unknown."""
        if self.root is None or "latents" not in run.tensors:
            return None
        reference = converged(run.experiment, is_flow_run(run))
        try:
            end, unit = _end(self.root, reference, run.manifest["model"]["hash"])
        except LookupError:
            return None
        return float(rms(flat(run.latents)[0] - end)) / unit


@lru_cache(maxsize=128)
def _end(root: Path, reference: "Experiment", model_hash: str) -> "tuple[Array, float]":
    """Return a reference's final latents, [D], and their standard deviation.

    Raises:
        LookupError: If it is not stored, or its latents are not known.
    """
    run = stored(reference, root, model_hash)
    if run is None:
        raise LookupError(reference.id)
    return flat(run.tensors["latents"])[0], spread_of(run)


def references(experiments: "Iterable[Experiment]", model: "Model") -> "list[Experiment]":
    """Return the references of experiments, each once."""
    flow = model.path == "flow"
    return list({one.id: one for one in (converged(x, flow) for x in experiments)}.values())


def with_references(make: "Make", model: "Model", root: str | Path) -> "Make":
    """Return what makes experiments and then the references of those that are stored.

    Args:
        make: Makes experiments, as ``make_missing`` does.
        model: The loaded model.
        root: The folder of all runs.
    """

    def both(experiments: "Iterable[Experiment]", keep_refused: bool = False) -> "Work[None]":
        asked = list(experiments)
        done = total = 0
        for done, total in make(asked, keep_refused=keep_refused):
            yield done, total
        made = FolderStore(root).made((x.id for x in asked), model.hash)
        behind = references([x for x in asked if x.id in made], model)
        for more, further in make(behind, keep_refused=True):
            yield done + more, total + further

    return both
