"""The run to which a picture's settings converge: the reference of comparisons and of sweeps."""

from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record

REFERENCE_STEPS = 100
RECORDED = Record()


def converged(experiment: Experiment, flow: bool, num_steps: int = REFERENCE_STEPS) -> Experiment:
    """Return the reference of an experiment: Heun's solution of the same ODE in many steps.

    All that is not the sampler's is the same, so experiments that differ in it alone share one.

    Args:
        experiment: Which.
        flow: Whether its model follows flow matching, whose levels are its own times.
        num_steps: Of the reference.
    """
    return experiment.with_(
        solver="heun",
        solver_options={},
        curve=None if flow else "karras",
        curve_options={},
        eta=None,
        num_steps=num_steps,
        fast=False,
        record=RECORDED,
    )
