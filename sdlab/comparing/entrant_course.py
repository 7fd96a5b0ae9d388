"""The course of an entrant on a model, known without running it."""

from collections.abc import Mapping
from typing import Any

from sdlab.comparing.entrant import Entrant
from sdlab.noise.flow import path_of
from sdlab.solvers.course import Course, course


def entrant_course(
    entrant: Entrant,
    num_steps: int,
    curve: str | None,
    config: Mapping[str, Any],
    pipeline: type | None = None,
) -> Course:
    """Return the course of an entrant.

    Args:
        entrant: The sampler.
        num_steps: Solver steps.
        curve: The comparison's, for an entrant that names none.
        config: The model's scheduler config.
        pipeline: The class that draws, which may hand over times of its own; None if unknown.

    Raises:
        ValueError: If it cannot run so.
    """
    path = path_of(config)
    follows = entrant.follows(curve, path)
    handed: dict[str, Any] = {}
    if pipeline is not None and path == "flow":
        from sdlab.solvers.flow_catalogue import handed_by  # imports diffusers

        handed = handed_by(pipeline, entrant.solver, num_steps, config, follows)
    return course(
        entrant.solver,
        num_steps,
        config=config,
        options=dict(entrant.options(curve, path)),
        curve=follows,
        curve_options=dict(entrant.curve_options),
        eta=entrant.eta,
        handed=handed,
    )
