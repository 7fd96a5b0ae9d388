"""A function of k-diffusion's shape, ``sample_x(model, x, sigmas, extra_args=None, ...)``.

It is a plain loop that calls ``model(x, sigma, **extra_args)`` with a sigma for each row and gets
x0_pred. What it draws from torch is handed to it by ``draws``. One whose default is a Brownian tree
is given increments of the bench's Brownian motion by its ``noise_sampler``, in distribution the
same. Over flow matching ``sigmas`` are the times t, as ComfyUI hands them.
"""

import inspect
import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any

from sdlab.auditing.draws import NoDraws, handing
from sdlab.auditing.subject import Subject, free, off
from sdlab.bench.ready_solver import ReadySolver, SharedNoise
from sdlab.errors import unknown
from sdlab.solvers.registry import MAX_EVALUATIONS_PER_STEP

if TYPE_CHECKING:
    from torch import Tensor

    Function = Callable[..., Tensor]

HANDED = ("extra_args", "callback", "disable", "noise_sampler")
"""Arguments that a program hands to a sampler, not options of its own."""


def has_shape(function: object) -> bool:
    """Return whether a function takes ``(model, x, sigmas, ...)`` and needs no more."""
    if not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
        return False
    names = list(_parameters(function).values())
    needed = [p for p in names[3:] if p.default is p.empty and p.kind not in _REST]
    return len(names) >= 3 and names[2].name.startswith("sigmas") and not needed


def of_function(function: "Function", options: Mapping[str, Any], source: str) -> Subject:
    """Return a function of k-diffusion's shape with options.

    Raises:
        ValueError: If it has another shape, or an option is not its own.
    """
    name = getattr(function, "__name__", repr(function))
    if not has_shape(function):
        raise ValueError(
            f"{name} must be a function of k-diffusion's shape, (model, x, sigmas,"
            f" extra_args=None, ...), or a generator of sdlab's, got {name}{_signature(function)}."
        )
    parameters = _parameters(function)
    own = [n for n in list(parameters)[3:] if n not in HANDED and parameters[n].kind not in _REST]
    for key in options:
        if key not in own:
            raise ValueError(unknown(f"option of {name}", key, own))
    switch = off(name, own)

    def over(levels: tuple[float, ...], path: str, quiet: bool) -> ReadySolver:
        given = {**options, **switch} if quiet else dict(options)
        return _over(function, levels, given, quiet)

    return free(Subject(name, "function", ("vp", "flow"), _never, over, source, options, switch))


_REST = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def _never(*_: object) -> ReadySolver:
    raise AssertionError("``free`` sets it")


def _over(
    function: "Function", levels: tuple[float, ...], options: dict[str, Any], quiet: bool
) -> ReadySolver:
    name, brownian = function.__name__, _is_brownian(function)
    parameters = _parameters(function)

    def run(x: "Tensor", denoise: Any, noise: SharedNoise, watch: Any) -> "tuple[Tensor, int]":
        import torch

        noise = NoDraws() if quiet else noise
        model, given = Model(name, denoise, watch, levels), dict(options)
        hands = handing(noise)
        if "extra_args" in parameters:
            given["extra_args"] = {}
        if "disable" in parameters:
            given["disable"] = True
        if brownian and "noise_sampler" in parameters:
            given["noise_sampler"] = hands.outside(_increments(x, noise))
        try:
            with hands:
                end = function(model, x.clone(), torch.tensor(levels, dtype=x.dtype), **given)
        except Exception as error:  # foreign code
            if isinstance(error, ValueError) and model.asked > model.limit:
                raise
            raise ValueError(
                f"{name} fails over levels from {levels[0]:g} to {levels[-1]:g}:"
                f" {type(error).__name__}: {error}"
            ) from error
        if not isinstance(end, torch.Tensor) or end.shape != x.shape:
            got = tuple(end.shape) if isinstance(end, torch.Tensor) else type(end).__name__
            raise ValueError(f"{name} must return x, of shape {tuple(x.shape)}, it returned {got}.")
        return end.double(), model.asked

    last = levels[-2] if levels[-1] == 0 else levels[-1]
    return ReadySolver(name, "karras", len(levels) - 1, levels[0], last, levels[-1], run)


class Model:
    """The exact denoiser as such a function calls its model: ``model(x, sigma, **extra_args)``.

    Args:
        name: The function's, for messages.
        denoise: (x, sigma) -> x0_pred.
        watch: Called with (step, sigma, x) at each evaluation, or None.
        levels: Over which it runs.
    """

    def __init__(self, name: str, denoise: Any, watch: Any, levels: tuple[float, ...]) -> None:
        self.asked = 0
        self.limit = MAX_EVALUATIONS_PER_STEP * len(levels)
        self._name, self._denoise, self._watch = name, denoise, watch
        self._ascending = [-level for level in levels]

    def __call__(self, x: "Tensor", sigma: "Tensor", **_: Any) -> "Tensor":
        """Return x0_pred at a level, the same for all rows."""
        self.asked += 1
        if self.asked > self.limit:
            raise ValueError(
                f"{self._name} asks for more than {self.limit} predictions in"
                f" {len(self._ascending) - 1} steps; does its loop end?"
            )
        level = float(sigma.flatten()[0]) if hasattr(sigma, "flatten") else float(sigma)
        if not 0 < level < math.inf:
            raise ValueError(f"it asks for a prediction at sigma {level:g}.")
        if self._watch is not None:
            self._watch(max(0, bisect_left(self._ascending, -level)), level, x.double())
        x0_pred: Tensor = self._denoise(x, level)
        return x0_pred

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"it asks the model for {name!r}, which belongs to one program's models; the audit's"
            " model is a function of x and sigma"
        )


def _increments(x: "Tensor", noise: SharedNoise) -> "Callable[..., Tensor]":
    """Return a ``noise_sampler(sigma, sigma_next)`` over the bench's Brownian motion."""

    def sampler(sigma: Any, sigma_next: Any) -> "Tensor":
        first, last = float(sigma), float(sigma_next)
        return noise.between(x, first, last) if 0 < last < first else noise(x)

    return sampler


def _is_brownian(function: object) -> bool:
    """Return whether it, or a function of its module that it calls, makes a Brownian tree."""
    found: set[Any] = set()
    waiting: list[Any] = [function]
    while waiting:
        one = waiting.pop()
        one = inspect.unwrap(one) if callable(one) else one  # ``@torch.no_grad()`` wraps it
        code: CodeType | None = getattr(one, "__code__", None)
        if code is None or one in found:
            continue
        found.add(one)
        if any("brownian" in name.lower() for name in code.co_names):
            return True
        waiting += [one.__globals__.get(name) for name in code.co_names]
    return False


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def _signature(function: Any) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return ""
