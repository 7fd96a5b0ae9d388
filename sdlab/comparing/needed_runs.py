"""The runs that a comparison needs on a model: its own, and those behind its references."""

from dataclasses import dataclass

from sdlab.comparing.comparison import Cell, Comparison, Reference
from sdlab.comparing.model_facts import ModelFacts
from sdlab.experiment.experiment import Experiment


@dataclass(frozen=True, eq=False)
class NeededRuns:
    """A comparison with every run that it needs.

    Attributes:
        comparison: What is compared.
        cells: One run for each sampler, picture and budget.
        references: The runs behind the references.
        model: Which makes them.
    """

    comparison: Comparison
    cells: tuple[Cell, ...]
    references: tuple[Reference, ...]
    model: ModelFacts

    @classmethod
    def of(cls, comparison: Comparison, model: ModelFacts) -> "NeededRuns":
        """Return what a comparison needs on a model.

        Raises:
            ValueError: If an entrant takes no number of steps that a budget pays for.
        """
        cells = tuple(comparison.cells(model.config, model.drawn_by(comparison)))
        return cls(comparison, cells, tuple(comparison.references(model.config)), model)

    @property
    def id(self) -> str:
        """The comparison's id."""
        return self.comparison.id

    @property
    def experiments(self) -> list[Experiment]:
        """All runs, each once: the samplers' in the comparison's order, then the references'."""
        cells = [cell.experiment for cell in self.cells]
        return list({run.id: run for run in (*cells, *self.of_references)}.values())

    @property
    def of_references(self) -> list[Experiment]:
        """The runs behind the references, at both numbers of steps."""
        return [run for reference in self.references for run in (reference.fine, reference.coarse)]

    def cells_of(self, prompt: str, seed: int, budget: int) -> list[Cell]:
        """Return the cells of one picture at one budget, in the order of the entrants."""
        return [c for c in self.cells if (c.prompt, c.seed, c.budget) == (prompt, seed, budget)]
