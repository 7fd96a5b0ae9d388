"""The noise of a stochastic solver: fresh draws, or increments of one Brownian path.

Fresh draws (``noise(x)``) come one after the other, so a run with more steps gets other noise. An
SDE solver uses ``noise.between(x, sigma, sigma_next)`` instead: the increment of a Brownian motion
W, which is the same path for any steps, so the picture converges as they are refined.

W runs in the time tau = sigma^-2, in which the noise of the reverse SDE has constant strength: the
exact noise of a step is sigma_next^2 (W(tau_next) - W(tau)), so two half steps add up to a whole
one. Within each octave of tau, W is drawn by halving: the middle of an interval given its ends is
normal around their mean (Levy's construction), and every middle has a seed of its own. Hence the
path depends on the seed alone: not on the range or the order of the levels, the dtype or the
device. (torchsde's Brownian trees, which k-diffusion uses, are fixed to a range, and ended in a
RecursionError on intervals that this one handles.)
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Generators: TypeAlias = torch.Generator | list[torch.Generator] | None

DEPTH = 26  # halvings of an octave; below 2^-26 of it the path is a straight line
_OFFSET = 4096  # makes the octaves' numbers positive, as seeds must be


class _Interval(NamedTuple):
    """A part of an octave, between places from 0 to 1, and the path at its ends."""

    low: float
    high: float
    left: "Tensor"
    right: "Tensor"
    node: int


class BrownianPath:
    """A Brownian motion in tau = sigma^-2, over all noise levels.

    Args:
        seed: From 0; the path depends on nothing else.
        shape: Of the increments.
    """

    def __init__(self, seed: int, shape: Sequence[int]) -> None:
        self._seed, self._shape = seed, tuple(shape)
        self._octave: int | None = None  # where the last place asked for lies,
        self._descent: list[_Interval] = []  # and the intervals around it, the widest first

    def between(self, sigma: float, sigma_next: float) -> "Tensor":
        """Return the increment from ``sigma`` down to ``sigma_next``, of variance 1, float64.

        Raises:
            ValueError: If not 0 < sigma_next < sigma.
        """
        import torch

        if not 0 < sigma_next < sigma < math.inf:
            raise ValueError(
                "noise between two levels needs 0 < sigma_next < sigma, got sigma"
                f" {sigma:g} and sigma_next {sigma_next:g}."
            )
        start, end = sigma**-2, sigma_next**-2
        total = torch.zeros(self._shape, dtype=torch.float64)
        for octave in range(math.frexp(start)[1] - 1, math.frexp(end)[1]):
            width = math.ldexp(1.0, octave)
            first, last = max(start / width - 1, 0.0), min(end / width - 1, 1.0)
            if first < last:
                before = self._value(octave, first)
                total += math.sqrt(width) * (self._value(octave, last) - before)
        return total / math.sqrt(end - start)

    def _value(self, octave: int, place: float) -> "Tensor":
        """Return the path's rise since the octave's start, where it has length 1."""
        intervals = self._reopen(octave)
        while not intervals[-1].low <= place <= intervals[-1].high:
            intervals.pop()
        while len(intervals) <= DEPTH and place not in intervals[-1][:2]:
            low, high, left, right, node = intervals[-1]
            middle, spread = 0.5 * (low + high), 0.5 * math.sqrt(high - low)
            value = 0.5 * (left + right) + spread * self._normal(octave, node)
            if place < middle:
                intervals.append(_Interval(low, middle, left, value, 2 * node))
            else:
                intervals.append(_Interval(middle, high, value, right, 2 * node + 1))
        low, high, left, right, _ = intervals[-1]
        return left + (right - left) * ((place - low) / (high - low))

    def _reopen(self, octave: int) -> list[_Interval]:
        import torch

        if octave != self._octave:
            zero = torch.zeros(self._shape, dtype=torch.float64)
            whole = _Interval(0.0, 1.0, zero, self._normal(octave, 0), 1)
            self._octave, self._descent = octave, [whole]
        return self._descent

    def _normal(self, octave: int, node: int) -> "Tensor":
        import numpy as np
        import torch

        seed = np.random.SeedSequence([self._seed, octave + _OFFSET, node])
        generator = torch.Generator().manual_seed(int(seed.generate_state(1, np.uint64)[0]))
        return torch.randn(self._shape, generator=generator, dtype=torch.float64)


class Noise:
    """The noise that a solver is given: ``noise(x)`` and ``noise.between(x, sigma, sigma_next)``.

    Attributes:
        generator: One for the whole batch, a list with one an image, or None for torch's global
            one. A path's seed is drawn from it when ``between`` is first called.
    """

    def __init__(self, generator: "Generators" = None) -> None:
        self.generator = generator
        self._paths: list[BrownianPath] = []

    def __call__(self, x: "Tensor") -> "Tensor":
        """Return fresh standard normal noise in the shape, dtype and device of ``x``."""
        from diffusers.utils.torch_utils import randn_tensor

        drawn: Tensor = randn_tensor(
            x.shape, generator=self.generator, device=x.device, dtype=x.dtype
        )
        return drawn

    def between(self, x: "Tensor", sigma: float, sigma_next: float) -> "Tensor":
        """Return the Brownian increment between two levels, of variance 1, like ``x``.

        Args:
            x: [B, ...]; every row has a path of its own.
            sigma: The level a step comes from.
            sigma_next: The level it goes to, above 0.

        Raises:
            ValueError: If not 0 < sigma_next < sigma.
        """
        import torch

        if not self._paths:
            self._paths = [BrownianPath(seed, x.shape[1:]) for seed in self._seeds(len(x))]
        rows = [path.between(sigma, sigma_next) for path in self._paths]
        return torch.stack(rows).to(x.device, x.dtype)

    def _seeds(self, count: int) -> list[int]:
        if isinstance(self.generator, list):
            return [_seed(generator) for generator in self.generator]
        return [_seed(self.generator) for _ in range(count)]


class Silence(Noise):
    """No noise at all: for dry runs, and to make an SDE solver an ODE solver."""

    def __call__(self, x: "Tensor") -> "Tensor":
        """Return zeros like ``x``."""
        import torch

        return torch.zeros_like(x)

    def between(self, x: "Tensor", sigma: float, sigma_next: float) -> "Tensor":
        """Return zeros like ``x``."""
        return self(x)


def _seed(generator: "torch.Generator | None") -> int:
    import torch

    device = generator.device if generator is not None else "cpu"
    return int(torch.randint(2**62, (1,), generator=generator, device=device))
