"""The run at half a reference's steps, from which the reference's own error is estimated."""

from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record

UNRECORDED = Record(tensors=(), statistics=False)


def half_reference(reference: Experiment) -> Experiment:
    """Return the same run at half as many steps, of which only the end is kept.

    Args:
        reference: Of an even number of steps.
    """
    return reference.with_(num_steps=reference.num_steps // 2, record=UNRECORDED)
