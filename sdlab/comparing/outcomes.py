"""The outcomes of a comparison's runs and references: done, failed, cancelled or missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sdlab.comparing.comparison import Cell, Comparison
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.reference import Convergence, Trajectory, convergence, flat, spread_of

if TYPE_CHECKING:
    from sdlab.comparing.reference import Array
    from sdlab.experiment.experiment import Experiment
    from sdlab.runs.run import Run

Runs = Mapping[str, "Run | Exception"]
Picture = tuple[str, int]


class Cancelled(Exception):
    """Marks a run that was cancelled."""


@dataclass(frozen=True, eq=False)
class RunOutcome:
    """The outcome of one run.

    Attributes:
        cell: Which run of the comparison.
        run: The run, or None.
        state: "done", "failed", "cancelled" or "missing".
        error: Why it is not done, or "".
    """

    cell: Cell
    run: "Run | None"
    state: str
    error: str

    @property
    def picture(self) -> Picture:
        """Prompt and seed."""
        return self.cell.prompt, self.cell.seed

    @cached_property
    def latents(self) -> "Array":
        """The final latents, [D]; only of a run that is done."""
        assert self.run is not None
        latents: Array = flat(self.run.latents)[0]
        return latents


@dataclass(frozen=True, eq=False)
class MadeReference:
    """The reference of one picture, or what is done of it.

    Attributes:
        prompt: The prompt.
        seed: Of the start noise.
        fine: The reference's run.
        convergence: How far it is from the limit; None if the run at half the steps is not there.
    """

    prompt: str
    seed: int
    fine: "Run"
    convergence: Convergence | None

    @cached_property
    def latents(self) -> "Array":
        """Its final latents, [D]."""
        latents: Array = flat(self.fine.latents)[0]
        return latents

    @cached_property
    def unit(self) -> float:
        """The standard deviation of its final latents: the unit of distances."""
        return spread_of(self.fine)

    def trajectory(self) -> Trajectory:
        """Return its course; made again each time, because it is large."""
        return Trajectory.of(self.fine)


@dataclass(frozen=True, eq=False)
class RunOutcomes:
    """The outcomes of a comparison's runs.

    Attributes:
        comparison: Which.
        model: Which made them.
        all: Every run in the comparison's order, those of the first budget first.
        references: The reference of each picture that has one.
        lack: Why a picture has no reference, if that is known, or "".
    """

    comparison: Comparison
    model: ModelFacts
    all: tuple[RunOutcome, ...]
    references: Mapping[Picture, MadeReference]
    lack: str

    @cached_property
    def done(self) -> tuple[RunOutcome, ...]:
        """Those that are done."""
        return tuple(outcome for outcome in self.all if outcome.run is not None)

    def at(self, picture: Picture) -> list[RunOutcome]:
        """Return the runs of a picture that are done, at the first budget."""
        budget = self.comparison.budget
        return [o for o in self.done if o.picture == picture and o.cell.budget == budget]


def gather(comparison: Comparison, runs: "Runs", model: ModelFacts) -> RunOutcomes:
    """Return the outcomes of a comparison's runs.

    Args:
        comparison: Which.
        runs: By experiment id: the run, or why it is not there. A run of other weights than the
            model's counts as missing.
        model: Which is to have made them.

    Raises:
        ValueError: If an entrant takes no number of steps that a budget pays for.
    """
    cells = comparison.cells(model.config, model.drawn_by(comparison))
    outcomes = tuple(RunOutcome(cell, *_of(cell.experiment, runs, model)) for cell in cells)
    references, lack = {}, ""
    for prompt, seed, fine, coarse in comparison.references(model.config):
        (made, _, why), (half, _, _) = (_of(x, runs, model) for x in (fine, coarse))
        lack = lack or why
        if made is not None:
            about = convergence(made, half) if half is not None else None
            references[prompt, seed] = MadeReference(prompt, seed, made, about)
    return RunOutcomes(comparison, model, outcomes, references, lack)


def _of(experiment: "Experiment", runs: "Runs", model: ModelFacts) -> "tuple[Run | None, str, str]":
    run = runs.get(experiment.id)
    if run is None:
        return None, "missing", ""
    if isinstance(run, Cancelled):
        return None, "cancelled", str(run)
    if isinstance(run, Exception):
        return None, "failed", str(run) or type(run).__name__
    made_by = run.manifest["model"]["hash"]
    if made_by != model.hash:
        return None, "missing", f"a run of other weights is stored (model {made_by}); run it again"
    if not bool(run.latents.isfinite().all()):
        return None, "failed", "ends in numbers that are not finite"
    return run, "done", ""
