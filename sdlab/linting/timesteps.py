"""Rules about the timesteps that the network is given."""

from collections.abc import Iterator

import numpy as np

from sdlab.linting.inspected_course import InspectedCourse
from sdlab.linting.registry import Finding, rule
from sdlab.noise.schedule import Array

ROUNDED, OFF = 0.01, 1.5


@rule(
    "duplicate-timesteps",
    "note",
    explanation="Several steps give the network the same timestep.",
    details=(
        "DPM++, DEIS and UniPC round the timesteps of Karras sigmas to whole numbers; near the "
        "end two sigmas fall on one. Outside the schedule's range all sigmas do. A step can then "
        "not be found by its timestep: diffusers takes the second of two equal ones."
    ),
    fix="Count evaluations, or use step_index; never look a step up by its timestep.",
    source="diffusers index_for_timestep",
)
def duplicate_timesteps(subject: InspectedCourse) -> Iterator[Finding]:
    """Count the timesteps at which steps start."""
    starts = [subject.course.timesteps[i] for i in subject.firsts]
    values, counts = np.unique(starts, return_counts=True)
    if (counts > 1).any():
        twice = float(values[np.argmax(counts)])
        yield Finding(
            f"{len(values)} different timesteps for {len(starts)} steps; t={twice:g} comes"
            f" {counts.max()} times.",
            starts.index(twice),
        )


def _distance(subject: InspectedCourse) -> Array:
    """Return by how many timesteps each evaluation's timestep differs from that of its sigma."""
    return np.abs(np.array(subject.course.timesteps) - _belonging(subject))


def _belonging(subject: InspectedCourse) -> Array:
    """Return what the network should be told for each evaluation's sigma: of flow matching T t."""
    sigmas, schedule = np.array(subject.course.sigmas), subject.schedule
    if subject.path == "vp":
        sigmas = np.clip(sigmas, schedule.sigma_min, schedule.sigma_max)
    return schedule.told_timestep(sigmas)


@rule(
    "rounded-timesteps",
    "note",
    explanation="Timesteps are rounded, so the network is given a slightly wrong noise level.",
    details=(
        "Sigmas between two training timesteps have a fractional timestep. Euler, Heun and LMS "
        "tell it to the network as it is; DPM++, DEIS, UniPC and SASolver round it. A half of a "
        "timestep is small, except at the lowest levels, where sigma changes fastest."
    ),
    fix="Nothing; know it when you compare with another implementation.",
    source="diffusers DPMSolverMultistepScheduler.set_timesteps (round)",
)
def rounded_timesteps(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare whole timesteps with those of the sigmas."""
    off = _distance(subject)
    whole = all(float(t).is_integer() for t in subject.course.timesteps)
    if whole and ROUNDED < off.max() <= OFF:
        at = int(np.argmax(off))
        exact = float(_belonging(subject)[at])
        yield Finding(
            f"{int((off > ROUNDED).sum())} of {len(off)} timesteps are rounded, by up to"
            f" {off.max():.2f}: {subject.sigma_from(at)} belongs to t={exact:.2f}, told as"
            f" {subject.course.timesteps[at]:.0f}.",
            int(subject.course.steps[at]),
        )


@rule(
    "timestep-off-sigma",
    "error",
    explanation="The timestep told to the network belongs to another noise level than the sigma.",
    details=(
        "A network trained on timesteps takes the noise level from the timestep. Where the "
        "sampler's sigma is another, it removes too much or too little in every step. Sigmas of "
        "another convention (flow matching's between 0 and 1) and interpolation_type="
        '"log_linear" do this to a Stable Diffusion model. A flow-matching model is told T t: '
        "timesteps handed to set_timesteps without sigmas are told as they are, while the times "
        "made from them are shifted."
    ),
    fix="Leave use_flow_sigmas and interpolation_type at their defaults for this model; hand a "
    "flow-matching scheduler sigmas, not timesteps.",
    source="diffusers EulerDiscreteScheduler.set_timesteps, UniPC use_flow_sigmas, "
    "FlowMatchEulerDiscreteScheduler.set_timesteps",
)
def timestep_off_sigma(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare every timestep with that of its sigma."""
    off = _distance(subject)
    if off.max() > OFF:
        at = int(np.argmax(off))
        exact = float(_belonging(subject)[at])
        yield Finding(
            f"{int((off > OFF).sum())} of {len(off)} evaluations are off; the worst is told"
            f" t={subject.course.timesteps[at]:.0f} at {subject.sigma_from(at)}, which"
            f" belongs to t={exact:.0f}.",
            int(subject.course.steps[at]),
        )
