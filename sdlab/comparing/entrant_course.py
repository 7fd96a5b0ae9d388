"""The course of an entrant on a model, as far as it is known without running it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdlab.comparing.entrant import Entrant
from sdlab.experiment.experiment import Experiment
from sdlab.noise.flow import path_of
from sdlab.solvers.course import Course, course
from sdlab.solvers.registry import solvers


def entrant_course(
    entrant: Entrant,
    num_steps: int,
    curve: str | None,
    config: Mapping[str, Any],
    pipeline: type | None = None,
    drawn: Experiment | None = None,
) -> Course:
    """Return the course of an entrant, of its evaluations those that are made.

    Args:
        entrant: The sampler.
        num_steps: Solver steps.
        curve: The comparison's, for an entrant that names none.
        config: The model's scheduler config.
        pipeline: The class that draws, which may hand over times of its own; None if unknown.
        drawn: ``Comparison.drawn``, by which some evaluations may be left out.

    Raises:
        ValueError: If it cannot run so.
    """
    path = path_of(config)
    follows = entrant.follows(curve, path)
    handed: dict[str, Any] = {}
    if pipeline is not None and path == "flow":
        from sdlab.solvers.flow_catalogue import handed_by  # imports diffusers

        handed = handed_by(pipeline, entrant.solver, num_steps, config, follows)
        handed.pop("timesteps", None)  # what the network is told is the same for all
    found = course(
        entrant.solver,
        num_steps,
        config=config,
        options=dict(entrant.options(curve, path)),
        curve=follows,
        curve_options=dict(entrant.curve_options),
        eta=entrant.eta,
        handed=handed,
    )
    if pipeline is None or drawn is None:
        return found
    from sdlab.sampling.evaluations import evaluations_made

    asked = drawn.with_(
        solver=entrant.solver,
        num_steps=num_steps,
        curve=follows,
        curve_options=entrant.curve_options,
    )
    return _part(found, evaluations_made(pipeline, asked, found))


def knows_times(
    entrant: Entrant,
    num_steps: int,
    curve: str | None,
    config: Mapping[str, Any],
    pipeline: type | None,
) -> bool:
    """Return whether the noise levels of ``entrant_course`` are those of a run.

    A flow-matching pipeline may lay its times out by what is known only once it is called.

    Args:
        entrant: The sampler.
        num_steps: Solver steps.
        curve: The comparison's, for an entrant that names none.
        config: The model's scheduler config.
        pipeline: The class that draws; None for the scheduler's own times.
    """
    path = path_of(config)
    if pipeline is None or path != "flow":
        return True
    from sdlab.solvers.pipeline_times import are_known  # imports diffusers

    over = entrant.follows(curve, path) if entrant.solver in solvers() else None
    return are_known(pipeline, num_steps, config, over)


def _part(found: Course, made: range) -> Course:
    """Return some of a course's evaluations; it ends where the next one would have been."""
    if len(made) == found.nfe:
        return found
    steps = found.steps[made.start : made.stop]
    return replace(
        found,
        sigmas=found.sigmas[made.start : made.stop],
        timesteps=found.timesteps[made.start : made.stop],
        steps=tuple(step - steps[0] for step in steps),
        end=found.end if made.stop == found.nfe else found.sigmas[made.stop],
    )
