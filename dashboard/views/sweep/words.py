"""A sweep in words."""

from collections.abc import Sequence

from sdlab.experiment.axis import LABELS, Axis
from sdlab.experiment.experiment import Experiment


def in_words(base: Experiment, axes: Sequence[Axis]) -> str:
    """Return what a sweep varies and what it has in common, such as "2 solvers x 4 seeds · a cat".

    Args:
        base: What all have in common.
        axes: What varies.
    """
    sides = [f"{len(axis.values)} {_called(axis.field)}" for axis in axes]
    varied = {axis.field for axis in axes}
    said = [" x ".join(sides) or "one picture"]
    if not varied & {"prompt", "words"}:
        said.append(base.prompt or "(no prompt)")
    said += [base.solver] if "solver" not in varied else []
    said += [f"{base.num_steps} steps"] if "num_steps" not in varied else []
    return " · ".join(said)


def _called(field: str) -> str:
    name = LABELS.get(field, field.replace("_", " "))
    return name if name.endswith("s") or name in LABELS.values() else f"{name}s"
