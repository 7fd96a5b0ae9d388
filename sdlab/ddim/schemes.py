r"""Four methods to invert DDIM, as generators, each with the matching regeneration.

DDIM's step (Song et al. 2020, arXiv 2010.02502, eq. 12 with eta 0) in VE coordinates is

    x_low = x_high + (sigma_low - sigma_high) eps(x_high, sigma_high).

Inversion goes from x_low to x_high, but eps is taken at the unknown x_high: the step is implicit.

* naive (the paper's section 4.3; diffusers ``DDIMInverseScheduler``): eps at x_low, with the
  timestep of sigma_high. First order: regeneration does not end where inversion began.
* fixed point (Pan et al. 2023, arXiv 2309.04907; Garibi et al. 2024, arXiv 2403.14602): put the
  x_high that came out back in, again and again; the first round is the naive one.
* EDICT (Wallace et al. 2022, arXiv 2211.12446, eq. 14 and 15): two states, each stepped with the
  other's eps and then mixed, so that every step can be undone exactly. Rounding errors grow by
  1/p twice a step, so beyond some 100 steps float32 is not enough.
* O-BELM (Wang et al. 2024, arXiv 2410.07273; ``sdlab.solvers.builtin.o_belm``): each point follows
  from the two before it and one eps, and the two after it give it back, so that every step can be
  undone exactly. Second order, where the others are of first. Its first step up is the naive one.

Flow matching's step is x_low = x_high + (t_low - t_high) v(x_high, t_high), the same equation with
the time t in the place of sigma and the velocity v = (x - x0_pred) / t in that of eps. So the same
generators invert it, over times and on x_t = (1 - t) x0 + t n; at t = 1 x_t is the noise. Only what
the network is given at a guess of x_high differs (``Coordinates``): the naive inversion asks for
the velocity at the known end x_low, as it is.

Each yields ``(x, sigma)``, receives x0_pred and returns the last x, as a solver does. ``sigmas``
always descends and ends in 0, in both directions; ``visit(x)`` is called with the state at every
level, the first and the last included.
"""

import math
from collections.abc import Callable, Generator, Sequence
from itertools import pairwise
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

from sdlab.errors import unknown
from sdlab.work import Work, driving

if TYPE_CHECKING:
    from torch import Tensor

    DdimGenerator = Generator[tuple[Tensor, float], Tensor, Tensor]
    Visit = Callable[[Tensor], None]
    Denoise = Callable[[Tensor, float], Tensor]

METHODS = ("naive", "fixed_point", "edict", "o_belm")
COORDINATES = ("vp", "flow")
ITERATIONS = 10
MIX = 0.93
"""EDICT's p, the share of its own state that each keeps; 0.93 in the paper."""


def vp_scale(sigma: float) -> float:
    """Return sqrt(1 + sigma^2), the ratio of VE coordinates to the network's VP ones."""
    return math.sqrt(1.0 + sigma**2)


def vp_lifted(x: "Tensor", low: float, high: float) -> "Tensor":
    """Return ``x`` of the lower level, scaled so that the network gets its VP latents unchanged.

    The papers evaluate eps at the VP latents of one level with the timestep of the next.
    """
    return x * math.sqrt((1.0 + high**2) / (1.0 + low**2))


class Coordinates(NamedTuple):
    """In which coordinates the states are, and what the network is given of them.

    Attributes:
        name: "vp" for models of alpha_bar, whose states are VE, x0 + sigma n, over sigma; "flow"
            for flow matching's x_t over the time t.
        scale: A level -> the ratio of a state to what the network is given.
        lifted: (x, low, high) -> the state of the lower level as a guess of the higher one's.
    """

    name: str = "vp"
    scale: "Callable[[float], float]" = vp_scale
    lifted: "Callable[[Tensor, float, float], Tensor]" = vp_lifted


VP = Coordinates()
FLOW = Coordinates("flow", lambda time: 1.0, lambda x, low, high: x)


def up(
    x: "Tensor",
    sigmas: Sequence[float],
    visit: "Visit",
    iterations: int = 1,
    lifted: "Callable[[Tensor, float, float], Tensor]" = vp_lifted,
) -> "DdimGenerator":
    """Invert DDIM: from the clean x0 to the noisy x at ``sigmas[0]``.

    Args:
        x: Clean latents, [B, C, h, w].
        sigmas: Descending, ending in 0: the steps of DDIM that are to be undone.
        visit: Called with x at every level, upwards.
        iterations: Rounds of the fixed point a step, at least 1; 1 is the naive inversion.
        lifted: See ``Coordinates``.
    """
    visit(x)
    for low, high in pairwise(reversed(sigmas)):
        asked = reached = lifted(x, low, high)
        for _ in range(iterations):
            eps_pred = (asked - (yield asked, high)) / high
            asked = reached = x + (high - low) * eps_pred
        x = reached
        visit(x)
    return x


def down(x: "Tensor", sigmas: Sequence[float], visit: "Visit") -> "DdimGenerator":
    """Sample with DDIM, eta 0: from noisy x at ``sigmas[0]`` to clean latents."""
    visit(x)
    for high, low in pairwise(sigmas):
        eps_pred = (x - (yield x, high)) / high
        x = x + (low - high) * eps_pred
        visit(x)
    return x


def edict_up(
    x: "Tensor",
    sigmas: Sequence[float],
    visit: "Visit",
    mix: float = MIX,
    lifted: "Callable[[Tensor, float, float], Tensor]" = vp_lifted,
) -> "DdimGenerator":
    """Invert by EDICT; returns the two states one after the other, [2 B, C, h, w].

    Args:
        x: Clean latents [B, C, h, w]; both states start from them.
        sigmas: Descending, ending in 0.
        visit: Called with both states at every level, upwards.
        mix: p, above 0.5 and at most 1.
        lifted: See ``Coordinates``.
    """
    import torch

    y = x
    visit(torch.cat((x, y)))
    for low, high in pairwise(reversed(sigmas)):
        y_inter = (y - (1 - mix) * x) / mix
        x_inter = (x - (1 - mix) * y_inter) / mix
        asked = lifted(x_inter, low, high)
        y = y_inter + (high - low) * (asked - (yield asked, high)) / high
        x = x_inter + (high - low) * (y - (yield y, high)) / high
        visit(torch.cat((x, y)))
    return torch.cat((x, y))


def edict_down(
    x: "Tensor",
    sigmas: Sequence[float],
    visit: "Visit",
    mix: float = MIX,
    lifted: "Callable[[Tensor, float, float], Tensor]" = vp_lifted,
) -> "DdimGenerator":
    """Sample by EDICT from its two noisy states [2 B, C, h, w]; return the first, clean one."""
    import torch

    visit(x)
    x, y = x.chunk(2)
    for high, low in pairwise(sigmas):
        x_inter = x + (low - high) * (y - (yield y, high)) / high
        asked = lifted(x_inter, low, high)
        y_inter = y + (low - high) * (asked - (yield asked, high)) / high
        x = mix * x_inter + (1 - mix) * y_inter
        y = mix * y_inter + (1 - mix) * x
        visit(torch.cat((x, y)))
    return x


def belm_up(
    x: "Tensor",
    sigmas: Sequence[float],
    visit: "Visit",
    lifted: "Callable[[Tensor, float, float], Tensor]" = vp_lifted,
) -> "DdimGenerator":
    """Invert by O-BELM; returns the last two points one after the other, [2 B, C, h, w].

    Args:
        x: Clean latents [B, C, h, w].
        sigmas: Descending, ending in 0.
        visit: Called at every level, upwards, with the point there and the one below it; at the
            bottom with the same twice.
        lifted: See ``Coordinates``.
    """
    import torch

    visit(torch.cat((x, x)))
    levels = sigmas[::-1]
    asked = lifted(x, levels[0], levels[1])
    eps_pred = (asked - (yield asked, levels[1])) / levels[1]
    below, x = x, x + (levels[1] - levels[0]) * eps_pred
    visit(torch.cat((x, below)))
    for low, sigma, high in zip(levels, levels[1:], levels[2:], strict=False):
        r, eps_pred = (sigma - low) / (high - sigma), (x - (yield x, sigma)) / sigma
        above = (below - (1 - r**2) * x + (sigma - low) * (1 + r) * eps_pred) / r**2
        below, x = x, above
        visit(torch.cat((x, below)))
    return torch.cat((x, below))


def belm_down(x: "Tensor", sigmas: Sequence[float], visit: "Visit") -> "DdimGenerator":
    """Sample by O-BELM from two points [2 B, C, h, w], the second a level lower; return the last.

    The first step is known already, so there is one evaluation less than there are steps.
    """
    import torch

    visit(x)
    above, x = x.chunk(2)
    for high, sigma, low in zip(sigmas, sigmas[1:], sigmas[2:], strict=False):
        r, eps_pred = (sigma - low) / (high - sigma), (x - (yield x, sigma)) / sigma
        below = r**2 * above + (1 - r**2) * x - (sigma - low) * (1 + r) * eps_pred
        visit(torch.cat((x, below)))
        above, x = x, below
    visit(torch.cat((x, x)))
    return x


class Scheme(NamedTuple):
    """A method of inversion and the matching regeneration.

    Attributes:
        up: (clean x, sigmas, visit) -> the inversion's generator.
        down: (noisy x, sigmas, visit) -> the regeneration's generator.
        evaluations_up: Network evaluations of an inversion step.
        evaluations_down: Network evaluations of a regeneration step.
        coordinates: Of the states.
        free: Steps of each regeneration that take no evaluation.
        doubled: Whether a state is two points, one after the other.
    """

    up: "Callable[[Tensor, Sequence[float], Visit], DdimGenerator]"
    down: "Callable[[Tensor, Sequence[float], Visit], DdimGenerator]"
    evaluations_up: int
    evaluations_down: int
    coordinates: Coordinates = VP
    free: int = 0
    doubled: bool = False

    def regeneration(self, steps: int) -> int:
        """Return the network evaluations of a regeneration of so many steps."""
        return self.evaluations_down * (steps - self.free)

    def first(self, state: "Tensor") -> "Tensor":
        """Return the point [B, C, h, w] of a state."""
        return state.chunk(2)[0] if self.doubled else state


def scheme(
    method: str, *, iterations: int = ITERATIONS, mix: float = MIX, path: str = "vp"
) -> Scheme:
    """Return one of ``METHODS`` with its options.

    Args:
        method: "naive", "fixed_point", "edict" or "o_belm".
        iterations: Rounds a step, of "fixed_point", at least 1.
        mix: p of "edict", above 0.5 and at most 1.
        path: The model's: "vp", or "flow" for flow matching's.

    Raises:
        ValueError: If the method or the path is unknown or an option out of its range.
    """
    if path not in COORDINATES:
        raise ValueError(unknown("path", path, COORDINATES))
    if method not in METHODS:
        raise ValueError(unknown("inversion method", method, METHODS))
    if isinstance(iterations, bool) or not isinstance(iterations, Integral) or iterations < 1:
        raise ValueError(f"iterations must be a whole number of at least 1, got {iterations!r}.")
    if not 0.5 < mix <= 1:
        raise ValueError(f"mix must be above 0.5 and at most 1, got {mix}.")
    kind = FLOW if path == "flow" else VP
    if method == "edict":
        return Scheme(
            lambda x, sigmas, visit: edict_up(x, sigmas, visit, mix, kind.lifted),
            lambda x, sigmas, visit: edict_down(x, sigmas, visit, mix, kind.lifted),
            2,
            2,
            kind,
            doubled=True,
        )
    if method == "o_belm":
        return Scheme(
            lambda x, sigmas, visit: belm_up(x, sigmas, visit, kind.lifted),
            belm_down,
            1,
            1,
            kind,
            free=1,
            doubled=True,
        )
    rounds = 1 if method == "naive" else iterations
    return Scheme(
        lambda x, sigmas, visit: up(x, sigmas, visit, rounds, kind.lifted), down, rounds, 1, kind
    )


def solving(generator: "DdimGenerator", denoise: "Denoise", total: int) -> "Work[Tensor]":
    """Return a generator of (x, sigma) run to its end with a denoiser, yielding each evaluation.

    Args:
        generator: The generator.
        denoise: (x, sigma) -> x0_pred, VE coordinates.
        total: Evaluations in all.
    """
    return driving(generator, lambda request: denoise(*request), total)
