"""Two runs, and how to wait for what a worker does with them."""

import time

from sdlab.experiment.experiment import Experiment

SHORT = Experiment(prompt="a cat", seed=1, num_steps=2)


LONG = Experiment(prompt="a cat", seed=2, num_steps=900)


def until(met, seconds=240):
    end = time.monotonic() + seconds
    while not (value := met()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return value


def ended(worker, run):
    return until(lambda: (v := worker.get(run)) and not v.live and v)


def running(worker, run):
    return until(lambda: (v := worker.get(run)) and v.done > 0 and v)
