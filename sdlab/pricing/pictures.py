"""Makes pictures to be measured: their pixels as decoded, and the seconds that each took."""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.pricing.speedup import Changed
from sdlab.sampling.engine import Engine
from sdlab.sampling.settling import settling
from sdlab.work import Work

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.runs.run import Run

UNRECORDED = Record(tensors=(), statistics=False)


class Made(NamedTuple):
    """A picture.

    Attributes:
        pixels: As decoded, before they are rounded to 8 bits, 0 ... 1, float64 [3, H, W].
        seconds: From the prompt to the decoded picture.
    """

    pixels: "Tensor"
    seconds: float


def making(changed: Changed, experiments: Sequence[Experiment]) -> Work[list[Made]]:
    """Make pictures, one after the other or together; yields (evaluations done, in all).

    The clock stands still between two evaluations, when others may use the machine.

    Args:
        changed: How.
        experiments: What of.

    Raises:
        Exception: What made a run fail.
    """
    wanted = [x.with_(**changed.fields, record=UNRECORDED) for x in experiments]
    groups = [wanted] if changed.together else [[x] for x in wanted]
    made: list[Made] = []
    for group in groups:
        work = _made_at_once(changed, group)
        done = len(made)
        try:
            while True:
                share, of = next(work)
                yield done * of + share * len(group), of * len(wanted)
        except StopIteration as stop:
            made += stop.value
        finally:
            work.close()
    return made


def apart(a: "Tensor", b: "Tensor", unit: "Tensor") -> float:
    """Return the root mean square difference of two pictures over the spread of a third."""
    return float((a - b).square().mean().sqrt() / unit.std(correction=0))


def _made_at_once(changed: Changed, experiments: Sequence[Experiment]) -> Work[list[Made]]:
    changed.fresh()
    engine = Engine(changed.model, mix=changed.together)
    began, spent = perf_counter(), 0.0
    jobs = [engine.submit(experiment) for experiment in experiments]
    total = sum(job.nfe for job in jobs)
    for _ in settling(engine, jobs, lambda job: None):
        spent += perf_counter() - began
        yield sum(job.nfe if job.over else job.evaluation for job in jobs), total
        began = perf_counter()
    for job in jobs:
        if job.error is not None:
            raise job.error
    runs = [job.result for job in jobs if job.result is not None]
    return [Made(_pixels(changed, run), spent / len(runs)) for run in runs]


def _pixels(changed: Changed, run: "Run") -> "Tensor":
    decoded, _ = changed.model.vae.decode(run.latents)
    return (decoded[0].detach().double().cpu() / 2 + 0.5).clamp(0, 1)
