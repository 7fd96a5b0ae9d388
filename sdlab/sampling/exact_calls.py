"""Network calls that runs share without a change to any of their bits, where that can be had.

Most of a network computes a row as if it were the only one. A few layers do not: a matrix product
is summed in another order for 16 rows than for 2. Which ones they are depends on processor, cores
and shapes (on two cores the products of the timestep's embedding alone, on one core convolutions of
1 x 1 too), so it is not assumed but found out. When runs first come together in a call, each is
called alone, which is what it gets, and then all are called together, where every product,
convolution, normalisation and attention is computed both for all rows and run by run. What differs
is computed run by run from then on. Only if what comes out is then the same, bit for bit, are runs
like these called together; it is found out twice.

That is for CPUs. On CUDA whole kernels are chosen by the number of rows, so little could be shared.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from sdlab.denoisers.network import NetworkOutput, Sample, evaluate
from sdlab.models.model import Model
from sdlab.sampling.job import Job
from sdlab.sampling.pausable import HELD_BY_OTHERS
from sdlab.sampling.plain_job import PlainJob

logger = logging.getLogger(__name__)

CHECKS = 2
"""How often it is found out for runs of one kind."""
PAYS = 4
"""Evaluations that a run has left, at least, where it is still to be found out."""
KNOWN = 256
"""Kinds of runs of which is kept what was found out."""
LONGEST = 1.0
"""Seconds that the runs of a call have taken for their last ones, at most: so long others wait."""
_BY_ROW: dict[Callable[..., Any], int] = {
    F.linear: 1,
    F.group_norm: 1,
    F.layer_norm: 1,
    F.scaled_dot_product_attention: 3,
    torch.conv2d: 1,
}
"""Functions that may sum in another order where there are more rows, and their arguments by row."""
_FOUND: "WeakKeyDictionary[Model, dict[Kind, Found]]" = WeakKeyDictionary()

Kind = tuple[Any, ...]


class Found:
    """What is known of runs of one kind.

    Attributes:
        alike: By function and shapes, whether all rows at once have the bits of each run alone.
        checks: How often they came out the same.
        apart: Whether they once did not.
    """

    def __init__(self) -> None:
        self.alike: dict[Any, bool] = {}
        self.checks = 0
        self.apart = False


class ExactCalls:
    """The calls of a model's network that exact runs share.

    Args:
        model: Whose network.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._kinds = _FOUND.setdefault(model, {})
        self._possible = model.device.type == "cpu" and model.plain and not _holds_state(model)

    def may_join(self, job: Job) -> bool:
        """Return whether a job's next call can be made together with others at all.

        Its first is made alone, to know how long it takes; so is one whose attention is read.
        """
        plain = self._possible and isinstance(job, PlainJob) and job.state == "running"
        known = plain and not job.mix and job.seconds is not None
        return known and not job.attention_parts(0)

    def fits(self, jobs: Sequence[Job]) -> bool:
        """Return whether jobs that may join keep their bits, or are worth a try, and are quick."""
        if len(jobs) == 1:
            return True
        found = self._found([job.sample for job in jobs if isinstance(job, PlainJob)])
        left = min(job.nfe - job.evaluation for job in jobs)
        if found.apart or sum(job.seconds or 0.0 for job in jobs) > LONGEST:
            return False
        return found.checks >= CHECKS or left >= PAYS

    def evaluate(self, samples: Sequence[Sample]) -> list[NetworkOutput]:
        """Return the outputs for samples that fit together, each as if it were alone."""
        order = sorted(range(len(samples)), key=lambda number: -samples[number].rows)
        made = self._evaluate([samples[number] for number in order])
        return [output for _, output in sorted(zip(order, made, strict=True), key=lambda x: x[0])]

    def _evaluate(self, samples: list[Sample]) -> list[NetworkOutput]:
        found, rows = self._found(samples), [sample.rows for sample in samples]
        if found.checks >= CHECKS:
            with _RunByRun(rows, found.alike):
                return evaluate(self._model, samples)
        alone = [evaluate(self._model, [sample])[0] for sample in samples]
        with _RunByRun(rows, found.alike):
            together = evaluate(self._model, samples)
        if all(map(_same, alone, together)):
            found.checks += 1
        else:
            found.apart = True
            logger.info("Runs of %s rows keep their bits only alone", rows)
        return alone

    def _found(self, samples: Sequence[Sample]) -> Found:
        one, rows = samples[0], sorted(sample.rows for sample in samples)
        shapes = one.x_t.shape[1:], one.cond.shape[1:]
        kind = (*shapes, one.fast, torch.get_num_threads(), *rows)
        if kind not in self._kinds and len(self._kinds) >= KNOWN:
            self._kinds.clear()
        return self._kinds.setdefault(kind, Found())


class _RunByRun(TorchFunctionMode):
    """Computes run by run what is not known to give each run's rows the same bits among others.

    Args:
        rows: Of each run, in the order of the batch.
        alike: What is known by function and shapes, to which is added.
    """

    def __init__(self, rows: list[int], alike: dict[Any, bool]) -> None:
        super().__init__()
        self._rows, self._alike = rows, alike
        self._all = (sum(rows),)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return what a function of torch does, bit for bit as for each run alone."""
        kwargs, batched = kwargs or {}, _BY_ROW.get(func)
        masked = kwargs.get("attn_mask") is not None
        if batched is None or masked or args[0].shape[:1] != self._all:
            return func(*args, **kwargs)
        key = _key(func, args)
        if self._alike.get(key):
            return func(*args, **kwargs)
        split = zip(*(tensor.split(self._rows) for tensor in args[:batched]), strict=True)
        out = torch.cat([func(*part, *args[batched:], **kwargs) for part in split])
        if key not in self._alike:
            self._alike[key] = torch.equal(out, func(*args, **kwargs))
        return out


def _key(func: Any, args: Sequence[Any]) -> Any:
    """Return what calls of a function have in common that compute in the same order."""
    plain = (arg for arg in args if isinstance(arg, (int, tuple, str)))
    shapes = (arg.shape for arg in args if isinstance(arg, torch.Tensor))
    return (func, *shapes, *plain)


def _same(one: NetworkOutput, other: NetworkOutput) -> bool:
    outputs = (one.guided, other.guided), (one.cond, other.cond)
    return all(torch.equal(a, b) for a, b in outputs)


def _holds_state(model: Model) -> bool:
    """Return whether a network keeps something from call to call, which a trial would disturb."""
    return any(name in vars(part) for part in model.network.modules() for name in HELD_BY_OTHERS)
