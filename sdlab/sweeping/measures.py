"""What a run of a sweep is measured by, beside what its manifest says."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sdlab.errors import unknown
from sdlab.shipped import SHIPPED
from sdlab.sweeping.distance import Distance

if TYPE_CHECKING:
    from sdlab.runs.run import Run

Measure = Callable[["Run"], float | None]
OF_MANIFEST = ("nfe", "seconds")
"""Those that every run has."""
MORE_IS_BETTER = ("fidelity",)
"""Of which the largest is best; of the others nobody knows, or it is the least."""


def fidelity(run: "Run") -> float | None:
    """Return the share of its prompt's statements that the picture fulfils, 0 ... 1.

    By the checker of the embedded models' world; None for other models, and for prompts that state
    nothing which it knows.
    """
    if run.experiment.model not in SHIPPED:
        return None
    from sdlab.embedded.checker import score

    return score(run.image, run.experiment.prompt)


def _of_picture(name: str, run: "Run") -> float:
    import numpy as np

    grey = np.asarray(run.image.convert("L"), dtype=np.float64) / 255
    return float(getattr(grey, name)())


MEASURES: Mapping[str, Measure] = {
    "fidelity": fidelity,
    "brightness": partial(_of_picture, "mean"),
    "contrast": partial(_of_picture, "std"),
    "distance": Distance(),
}
"""By name: fidelity; the mean and the standard deviation of the grey picture, 0 ... 1; the distance
to the converged picture."""
ALIASES = {"error": "distance"}
"""Other names; "error" itself is the column that says why a run failed."""


def named(measure: str) -> str:
    """Return a measure's own name, also by another."""
    return ALIASES.get(measure, measure)


def measures_of(asked: Any) -> dict[str, Measure]:
    """Return measures by name.

    Args:
        asked: Names of ``MEASURES``, or functions of a run by a name of their own.

    Raises:
        ValueError: If there is no such measure.
    """
    if isinstance(asked, Mapping):
        return dict(asked)
    names = [named(name) for name in asked]
    for name in names:
        if name not in MEASURES:
            raise ValueError(unknown("measure", name, (*MEASURES, *OF_MANIFEST)))
    return {name: MEASURES[name] for name in names}


def needs_references(measures: Mapping[str, Measure]) -> bool:
    """Return whether one of the measures is of stored references."""
    return any(isinstance(measure, Distance) for measure in measures.values())
