"""What the tests of the Runs page share."""

import time

import pytest

from dashboard.shell.lab import lab
from sdlab.experiment.experiment import Experiment


@pytest.fixture(scope="module")
def made(runs_folder):
    """Three stored runs of two samplers, by seed."""
    spec = Experiment(prompt="a boat at night", num_steps=2)
    wanted = {
        n: spec.with_(seed=n, solver="heun" if n == 1002 else "ddim") for n in range(1001, 1004)
    }
    for experiment in wanted.values():
        lab().submit(experiment, frames=False)
    end = time.monotonic() + 240
    while not all((runs_folder / run.id / "image.png").is_file() for run in wanted.values()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return {seed: experiment.id for seed, experiment in wanted.items()}
