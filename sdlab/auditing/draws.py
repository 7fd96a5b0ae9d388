"""The noise of code that draws it from torch itself, put into the bench's hands.

A k-diffusion function calls ``torch.randn_like``, a diffusers scheduler ``torch.randn`` with a
generator. Inside ``handing`` both get the bench's noise instead, so that two samplers can be given
the same draws, none at all, or one draw at a time, whatever they call. Only this thread is
concerned, and nothing global is seeded or replaced.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from sdlab.bench.ready_solver import SharedNoise

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class handing(TorchFunctionMode):
    """A context in which torch's normal draws come from a noise of ours.

    Args:
        noise: (x) -> noise in the shape and dtype of ``x``.
    """

    def __init__(self, noise: "Callable[[Tensor], Tensor]") -> None:
        super().__init__()
        self._noise = noise
        self._paused = False

    def outside(self, work: "Callable[..., Tensor]") -> "Callable[..., Tensor]":
        """Return a function that draws from torch as it is, for noise of ours called in here."""

        def plainly(*given: Any) -> "Tensor":
            self._paused = True
            try:
                return work(*given)
            finally:
                self._paused = False

        return plainly

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer a draw; anything else is done as it is."""
        kwargs = kwargs or {}
        if self._paused:
            return func(*args, **kwargs)
        if func is torch.randn_like:
            return self._noise(args[0]).to(kwargs.get("dtype") or args[0].dtype)
        if func is torch.randn:
            made = {name: kwargs[name] for name in ("dtype", "device") if name in kwargs}
            shape = kwargs.get("size", args[0] if args and not _whole(args[0]) else args)
            return self._noise(torch.zeros(tuple(shape), **made))
        if func is torch.Tensor.normal_:
            mean, std = _normal(*args[1:], **kwargs)
            return args[0].copy_(mean + std * self._noise(args[0]))
        return func(*args, **kwargs)


def _normal(mean: float = 0.0, std: float = 1.0, **_: object) -> tuple[float, float]:
    return mean, std


def _whole(size: object) -> bool:
    return isinstance(size, int)


class SameDraws(SharedNoise):
    """Noise whose n-th draw is the same for every sampler that is given it, however it asks.

    Args:
        seed: Of the draws.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(torch.Generator().manual_seed(seed))

    def __call__(self, x: "Tensor") -> "Tensor":
        """Return the next draw in the shape and dtype of ``x``, drawn in float64."""
        self.draws += 1
        drawn = torch.randn(x.shape, generator=self.generator, dtype=torch.float64)
        return drawn.to(x.dtype)

    def between(self, x: "Tensor", sigma: float, sigma_next: float) -> "Tensor":
        """Return the next draw; the levels do not matter."""
        return self(x)


class NoDraws(SharedNoise):
    """Noise that is nothing but counted."""

    def __init__(self) -> None:
        super().__init__(torch.Generator())

    def __call__(self, x: "Tensor") -> "Tensor":
        """Return zeros like ``x``."""
        self.draws += 1
        return torch.zeros_like(x)

    def between(self, x: "Tensor", sigma: float, sigma_next: float) -> "Tensor":
        """Return zeros like ``x``."""
        return self(x)
