"""The problems of the bench: data with an exact denoiser, so that the true result is known.

Small dimensions are kept as images of one pixel, [B, C, 1, 1], so that every solver and every
diffusers scheduler can take them for latents.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import pandas as pd

from sdlab.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.denoisers.exact import ExactDenoiser


PATHS = ("vp", "flow")


@dataclass(frozen=True, eq=False)
class Problem:
    """Data with an exact denoiser, and how many particles to send through it.

    Attributes:
        name: Its short name.
        title: What it is, in a few words.
        denoiser: Gives the exact x0_pred, the density, draws and moments.
        particles: Start points for deterministic solvers, compared one by one.
        samples: Start points for stochastic solvers, compared by their moments.
        path: "vp", where the levels are sigma and the coordinates VE, x0 + sigma n; or "flow",
            where they are flow matching's times and x_t = (1 - t) x0 + t n.
    """

    name: str
    title: str
    denoiser: "ExactDenoiser"
    particles: int
    samples: int
    path: str = "vp"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one sample."""
        return self.denoiser.shape

    @property
    def dimension(self) -> int:
        """C H W."""
        return math.prod(self.shape)

    @property
    def closed_form(self) -> bool:
        """Whether the probability-flow ODE has a closed form; else it is solved numerically."""
        return hasattr(self.denoiser, "flow")

    @property
    def spread(self) -> float:
        """Root mean square distance of the data from its mean, per entry."""
        return math.sqrt(float(self.denoiser.moments()[1].trace()) / self.dimension)

    def signal(self, level: float) -> float:
        """Return how much of x0 is in x at a level."""
        return 1.0 - level if self.path == "flow" else 1.0

    def noised(self, clean: "Tensor", noise: "Tensor", level: float) -> "Tensor":
        """Return x at a level, in the shape of both."""
        return self.signal(level) * clean + level * noise

    def moments(self, level: float) -> "tuple[Tensor, Tensor]":
        """Return mean [D] and covariance [D, D] of the data at a level."""
        import torch

        mean, covariance = self.denoiser.moments()
        signal, own = self.signal(level), torch.eye(len(mean), dtype=torch.float64)
        return signal * mean, signal**2 * covariance + level**2 * own


def problem(name: "str | Problem", path: str = "vp") -> Problem:
    """Return a problem by name; one of your own is returned as it is, on the path asked for.

    Raises:
        ValueError: If there is no such problem, or the path is unknown; the message lists them.
    """
    if path not in PATHS:
        raise ValueError(unknown("path", path, PATHS))
    if not isinstance(name, Problem) and name not in _PROBLEMS:
        raise ValueError(unknown("problem", name, _PROBLEMS))
    found = name if isinstance(name, Problem) else _made(name)
    return _on_flow(found) if path == "flow" and found.path != "flow" else found


def problems() -> pd.DataFrame:
    """Return the built-in problems, one row each.

    Returns:
        Columns ``problem``, ``title``, ``shape``, ``dimension``, ``closed_form``, ``spread``,
        ``particles`` and ``samples``.
    """
    rows = []
    for name in _PROBLEMS:
        found = _made(name)
        rows.append(
            {
                "problem": name,
                "title": found.title,
                "shape": found.shape,
                "dimension": found.dimension,
                "closed_form": found.closed_form,
                "spread": found.spread,
                "particles": found.particles,
                "samples": found.samples,
            }
        )
    return pd.DataFrame(rows)


@lru_cache(maxsize=32)
def _on_flow(found: Problem) -> Problem:
    from sdlab.denoisers.on_flow import on_flow

    return replace(found, denoiser=on_flow(found.denoiser), path="flow")


@cache
def _made(name: str) -> Problem:
    return _PROBLEMS[name](name)


def _gaussian(name: str) -> Problem:
    import torch

    from sdlab.denoisers.gaussian import Gaussian

    mean = torch.tensor([0.3, -0.2], dtype=torch.float64).view(2, 1, 1)
    covariance = torch.tensor([[0.34, 0.08], [0.08, 0.26]], dtype=torch.float64)
    data = Gaussian.of_covariance(mean, covariance)
    return Problem(name, "A tilted Gaussian in 2-D, closed form", data, 512, 16384)


def _mixture_1d(name: str) -> Problem:
    import torch

    from sdlab.denoisers.mixture import Mixture

    data = Mixture(
        torch.tensor([-1.1, 0.1, 1.2], dtype=torch.float64).view(3, 1, 1, 1),
        torch.tensor([0.25, 0.15, 0.3], dtype=torch.float64),
        torch.tensor([0.35, 0.25, 0.4], dtype=torch.float64),
    )
    return Problem(name, "Three Gaussians in 1-D", data, 512, 16384)


def _mixture_2d(name: str) -> Problem:
    import torch

    from sdlab.denoisers.mixture import Mixture

    angle = torch.arange(6, dtype=torch.float64) * (2 * math.pi / 6)
    ring = torch.stack((angle.cos(), angle.sin()), 1) * 1.3
    data = Mixture.even(ring.view(6, 2, 1, 1), 0.25)
    return Problem(name, "Six Gaussians in a ring, 2-D", data, 512, 16384)


def _mixture_image(name: str) -> Problem:
    """Patterns of low frequency, as latents of Stable Diffusion have, with fine noise on top."""
    from sdlab.denoisers.mixture import Mixture

    return Problem(name, "Six soft patterns, 4x8x8", Mixture.even(_patterns(6), 0.3), 64, 1024)


def _patterns(count: int) -> "Tensor":
    import torch

    y, x = torch.meshgrid(*(torch.linspace(0, 1, 8, dtype=torch.float64),) * 2, indexing="ij")
    out = []
    for k in range(count):
        waves = [
            torch.cos(math.pi * ((1 + (k + c) % 3) * x + ((k + 2 * c) % 4) * y) + k + c)
            for c in range(4)
        ]
        out.append(torch.stack(waves))
    return torch.stack(out)


def _pictures(name: str) -> Problem:
    """Pictures of the embedded model's world, reduced in size."""
    from torch.nn.functional import avg_pool2d

    from sdlab.denoisers.ideal import Ideal
    from sdlab.embedded.scenes import SceneSampler
    from sdlab.embedded.world import World

    drawn, _ = World().render([scene for scene, _ in SceneSampler(seed=0).batch(0, 64)])
    data = Ideal(avg_pool2d(drawn, 8).double())
    return Problem(name, "64 pictures learnt by heart, 3x16x16", data, 64, 1024)


_PROBLEMS: dict[str, Callable[[str], Problem]] = {
    "gaussian": _gaussian,
    "mixture_1d": _mixture_1d,
    "mixture_2d": _mixture_2d,
    "mixture_image": _mixture_image,
    "pictures": _pictures,
}
