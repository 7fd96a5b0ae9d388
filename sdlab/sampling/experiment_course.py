"""The course of an experiment's solver: its options, its curve and its seed put into ``course``."""

from collections.abc import Mapping
from typing import Any

from sdlab.experiment.experiment import Experiment
from sdlab.solvers.course import Course, course


def experiment_course(experiment: Experiment, config: Mapping[str, Any], **more: Any) -> Course:
    """Return the course of an experiment's solver.

    Args:
        experiment: What to draw.
        config: The model's scheduler config.
        more: What else ``course`` takes, of the model and the pipeline: ``schedule``, ``tokens``,
            ``handed``, ``device``.

    Raises:
        ValueError: If a name, an option, the curve or the number of steps is not valid.
    """
    x = experiment
    return course(
        x.solver,
        x.num_steps,
        config=config,
        options=dict(x.solver_options),
        curve=x.curve,
        curve_options=dict(x.curve_options),
        eta=x.eta,
        seed=x.seed,
        **more,
    )
