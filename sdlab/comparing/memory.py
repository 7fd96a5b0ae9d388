"""Estimates the memory that summing up a comparison takes, before its runs are made.

Stored runs are read one by one and held together; distances and paths are computed in float64 one
picture after another. The factors were fitted to measured peaks (benchmarks/compare.py) and rounded
up.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdlab.models.memory import record_bytes
from sdlab.sampling.plan import plan

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

BASE_BYTES = 128 * 2**20
RUN_BYTES = 3 * 2**18  # manifest and tables
PIXEL_BYTES = 4  # as Pillow holds RGB
ALL_TENSORS = 2.25  # times the tensors of all runs: themselves, and what the allocator keeps
PICTURE_TENSORS = 2.0  # times those of one picture's runs: float64 beside float32


def summary_bytes(model: "Model", runs: "Sequence[tuple[Experiment, int]]", pictures: int) -> int:
    """Return the peak of memory that summing up stored runs takes, estimated, in bytes.

    Args:
        model: The loaded model.
        runs: Each experiment with its network evaluations, the references included; all of one
            size, at least one.
        pictures: How many pictures they are of.
    """
    planned = plan(model, runs[0][0])
    tensors = sum(record_bytes(e.record, nfe, planned.shape, planned.guided) for e, nfe in runs)
    pixels = planned.shape[1] * planned.shape[2] * model.vae_factor**2
    held = ALL_TENSORS * tensors + PICTURE_TENSORS * tensors / pictures
    return BASE_BYTES + len(runs) * (RUN_BYTES + PIXEL_BYTES * pixels) + int(held)
