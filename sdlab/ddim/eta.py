r"""DDIM's eta: how much noise each step puts back in, and what that does to the pictures.

A step from sigma to sigma' (Song et al. 2020, arXiv 2010.02502, eq. 16, in VE coordinates) injects
noise of standard deviation

    eta_std = eta (sigma' / sigma) sqrt(sigma^2 - sigma'^2),

in the paper's VP coordinates eta_std sqrt(alpha_bar'). Eta 0 injects none: the picture is a
function of the start noise. Eta 1 is DDPM's posterior. With flow matching the same holds with
sigma = t / (1 - t), in its own coordinates eta_std (1 - t'); the step from t = 1, where sigma is
infinite, injects none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sdlab.ddim.schemes import solving
from sdlab.latents.film import decoding
from sdlab.work import Work, counted

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from sdlab.ddim.schemes import Denoise
    from sdlab.models.model import Model
    from sdlab.noise.schedule import NoiseSchedule
    from sdlab.solvers.registry import SolverGenerator

ETAS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Fan:
    """Final latents from one start noise under several etas and noise seeds.

    Attributes:
        etas: Ascending.
        seeds: Of the injected noise.
        latents: Final latents, [len(etas), len(seeds), C, h, w].
    """

    etas: tuple[float, ...]
    seeds: tuple[int, ...]
    latents: "Tensor"

    def spread(self) -> pd.DataFrame:
        """Return how much the results of one eta differ from each other.

        Returns:
            Columns ``eta``, ``std`` (standard deviation over the noise seeds, root mean square
            over all latent values) and ``distance`` (root mean square difference from eta 0's, or
            from the lowest).
        """
        import torch

        x = self.latents.double()
        std = x.var(1, unbiased=True).mean((1, 2, 3)).sqrt() if x.shape[1] > 1 else torch.zeros(1)
        gap = (x - x[:1, :1]).square().mean((1, 2, 3, 4)).sqrt()
        rows = {"eta": self.etas, "std": std.expand(len(self.etas)).tolist()}
        return pd.DataFrame(rows | {"distance": gap.tolist()})


def injected(
    sigmas: Sequence[float], etas: Sequence[float] = ETAS, path: str = "vp"
) -> pd.DataFrame:
    """Return the noise that each step injects, in closed form.

    Args:
        sigmas: Descending, ending in 0; the first may be infinite.
        etas: Each from 0 to 1.
        path: The model's: "vp" or "flow".

    Returns:
        Columns ``eta``, ``step``, ``sigma``, ``sigma_next``, ``eta_std`` (VE), ``eta_std_vp`` (the
        paper's sigma_t) or, with flow matching, ``eta_std_flow`` (of x_t), and ``share``: the
        injected part of the variance at the next level.

    Raises:
        ValueError: If an eta lies outside 0 ... 1.
    """
    frames = []
    for eta in etas:
        check_eta(eta)
        high, low = np.array(list(pairwise(sigmas)), dtype=np.float64).T
        with np.errstate(invalid="ignore"):
            std = eta * low / high * np.sqrt(high**2 - low**2)
        std = np.where(np.isinf(high), 0.0, std)
        own = {"eta_std_vp": std / np.sqrt(1.0 + low**2)}
        if path == "flow":
            own = {"eta_std_flow": std / (1.0 + low)}
        share = np.divide(std**2, low**2, out=np.zeros_like(std), where=low > 0)
        frames.append(
            pd.DataFrame(
                {
                    "eta": eta,
                    "step": np.arange(len(high)),
                    "sigma": high,
                    "sigma_next": low,
                    "eta_std": std,
                    **own,
                    "share": share,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def coefficients(sigmas: Sequence[float], schedule: "NoiseSchedule", eta: float) -> pd.DataFrame:
    """Return the terms of the paper's equations (12) and (16) at each step.

    Args:
        sigmas: Descending, ending in 0.
        schedule: Maps a noise level to its training timestep.
        eta: From 0 to 1.

    Returns:
        Columns ``step``, ``timestep``, ``sigma``, ``sigma_next``, ``alpha_bar``,
        ``alpha_bar_next``, ``sigma_t`` (eq. 16), ``eta_std`` (the same in VE coordinates) and the
        factors of equation (12): ``of_x0`` and ``of_eps``.

    Raises:
        ValueError: If eta lies outside 0 ... 1.
    """
    table = injected(sigmas, [eta])
    bar, after = (1.0 / (1.0 + table[name] ** 2) for name in ("sigma", "sigma_next"))
    return pd.DataFrame(
        {
            "step": table["step"],
            "timestep": schedule.told_timestep(table["sigma"].to_numpy()),
            "sigma": table["sigma"],
            "sigma_next": table["sigma_next"],
            "alpha_bar": bar,
            "alpha_bar_next": after,
            "sigma_t": table["eta_std_vp"],
            "eta_std": table["eta_std"],
            "of_x0": np.sqrt(after),
            "of_eps": np.sqrt(np.maximum(0.0, 1.0 - after - table["eta_std_vp"] ** 2)),
        }
    )


def fan(
    denoise: "Denoise",
    start: "Tensor",
    sigmas: tuple[float, ...],
    etas: Sequence[float],
    seeds: Sequence[int],
    path: str = "vp",
) -> Work[Fan]:
    """Sample with DDIM from one start noise for every eta and noise seed; yields after each step.

    Args:
        denoise: (x, sigma) -> x0_pred, VE coordinates; sees one batch for all seeds.
        start: Standard normal start noise, [1, C, h, w].
        sigmas: Descending, ending in 0.
        etas: Each from 0 to 1; eta 0 is computed once, because all seeds give the same.
        seeds: Of the injected noise.
        path: "flow" where ``sigmas`` are flow matching's times and ``denoise`` takes x_t.

    Raises:
        ValueError: If an eta lies outside 0 ... 1, or there is none, or no seed.
    """
    import torch

    if not etas or not seeds:
        raise ValueError(f"the fan needs etas and seeds, got {list(etas)} and {list(seeds)}.")
    for eta in etas:
        check_eta(eta)
    steps, done, ends = len(sigmas) - 1, 0, []
    total = steps * len(etas)
    for eta in etas:
        rows = 1 if eta == 0 else len(seeds)
        generator = _ddim(start.repeat(rows, 1, 1, 1), sigmas, seeds[:rows], eta, path)
        x = yield from counted(solving(generator, denoise, steps), done, total)
        ends.append(x.expand(len(seeds), *x.shape[1:]).cpu())
        done += steps
    return Fan(tuple(etas), tuple(seeds), torch.stack(ends))


def drawing_fan(
    model: "Model",
    denoise: "Denoise",
    start: "Tensor",
    sigmas: tuple[float, ...],
    etas: Sequence[float],
    seeds: Sequence[int],
) -> "Work[tuple[Fan, list[list[Image.Image]]]]":
    """Return ``fan`` and its decoded pictures, a list for each eta, as one computation.

    Args:
        model: Decodes.
        denoise: The model under its words, see ``sdlab.ddim.denoiser``.
        start: Standard normal start noise, [1, C, h, w].
        sigmas: Descending, ending in 0.
        etas: Each from 0 to 1.
        seeds: Of the injected noise.

    Raises:
        ValueError: If an eta lies outside 0 ... 1, or there is none, or no seed.
    """
    drawn = yield from fan(denoise, start, sigmas, etas, seeds, model.path or "vp")
    total = (len(sigmas) - 1) * len(etas)
    pictures = []
    for latents in drawn.latents:
        pictures.append((yield from decoding(model, latents, total)))
    return drawn, pictures


def check_eta(eta: float) -> None:
    """Raise ``ValueError`` if eta lies outside 0 ... 1.

    Raises:
        ValueError: Naming the value.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be from 0 (DDIM) to 1 (DDPM), got {eta}.")


def _ddim(
    start: "Tensor", sigmas: tuple[float, ...], seeds: Sequence[int], eta: float, path: str
) -> "SolverGenerator":
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    from sdlab.solvers.flow import flow_form
    from sdlab.solvers.registry import solvers

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def noise(x: "Tensor") -> "Tensor":
        drawn: Tensor = randn_tensor(x.shape, generator=generators, device=x.device, dtype=x.dtype)
        return drawn

    solver = solvers()["ddim"]
    if path == "flow":
        over_time = flow_form(solver, {"eta": eta})
        return over_time.function(start, sigmas, noise, eta=float(eta))
    x = start * math.sqrt(1.0 + sigmas[0] ** 2)
    return solver.function(x, sigmas, noise, eta=float(eta))
