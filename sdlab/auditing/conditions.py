"""What makes a sampler end in NaN, or refuse: levels at the edge of what programs hand to it."""

from typing import TYPE_CHECKING

import numpy as np

from sdlab.auditing.draws import SameDraws
from sdlab.auditing.subject import Subject, of_scheduler
from sdlab.bench.data import problem
from sdlab.bench.ready_solver import levels_of
from sdlab.models.scheduler_config import parameters
from sdlab.solvers import from_diffusers as adapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sdlab.bench.ready_solver import ReadySolver

    Case = tuple[str, str, Callable[[], ReadySolver]]

FINE, NOT_FINITE = "fine", "not finite"
TOP = 14.6
STEPS = 8


def conditions(subject: Subject) -> dict[str, str]:
    """Return for each condition "fine", "not finite", or what the sampler raised.

    Args:
        subject: The sampler. One that lays its own levels is only given what it takes.
    """
    found = {}
    for name, path, make in _cases(subject):
        try:
            found[name] = _ended(make(), path)
        except ValueError as error:
            found[name] = " ".join(str(error).split())[:200]
    return found


def _cases(subject: Subject) -> "Iterator[Case]":
    return _free(subject) if subject.over is not None else _laid(subject)


def _free(subject: Subject) -> "Iterator[Case]":
    whole = levels_of(STEPS, "karras")
    tables = {
        "ends at sigma 0": whole,
        "ends above sigma 0": whole[:-1],
        "one step, to sigma 0": (TOP, 0.0),
        "one step, above sigma 0": (TOP, 0.03),
        "two equal sigmas": (*whole[:4], *whole[3:]),
        "one very large step": (TOP, TOP - 0.1, 0.03, 0.029, 0.0),
        "starts at sigma 4096": (4096.0, *whole),
    }
    for name, levels in tables.items():
        yield name, "vp", _over(subject, levels, "vp")
    if "flow" in subject.paths:
        yield "flow matching from t = 1", "flow", _over(subject, (1.0, 0.7, 0.4, 0.1, 0.0), "flow")
        yield "one step from t = 1", "flow", _over(subject, (1.0, 0.0), "flow")


def _over(subject: Subject, levels: tuple[float, ...], path: str) -> "Callable[[], ReadySolver]":
    over = subject.over
    assert over is not None
    return lambda: over(levels, path, False)


def _laid(subject: Subject) -> "Iterator[Case]":
    path = subject.paths[0]
    for count in (1, 2, STEPS):
        yield f"{count} step{'s' * (count > 1)}", path, _steps(subject, count, path)
    classes = adapter.compatible_classes()
    if subject.name in classes and "final_sigmas_type" in parameters(classes[subject.name]):
        other = of_scheduler(subject.name, {**subject.options, "final_sigmas_type": "sigma_min"})
        yield "final_sigmas_type 'sigma_min'", path, _steps(other, STEPS, path)


def _steps(subject: Subject, count: int, path: str) -> "Callable[[], ReadySolver]":
    return lambda: subject.ready(count, "zero", path, False)


def _ended(entrant: "ReadySolver", path: str) -> str:
    import torch

    found = problem("mixture_2d", path)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, *found.shape, generator=generator, dtype=torch.float64) * entrant.start
    with np.errstate(all="ignore"):  # what divides by 0 is the finding
        end, _ = entrant.run(x, found.denoiser.denoise, SameDraws(0), None)
    return FINE if bool(end.isfinite().all()) else NOT_FINITE
