"""Align Your Steps: published tables of sigmas, each with a range of its own."""

import numpy as np

from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array

# Sabour et al. 2024 (arXiv 2404.14507), table 3: the noise levels of ten steps; the last of the
# eleven, where the paper stops, becomes 0, as in diffusers' ``AysSchedules``.
AYS_SD15 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
AYS_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


@curve(
    "ays_sd15",
    "Align Your Steps' table for Stable Diffusion 1.5, found by minimising the sampling error.",
    source="Sabour et al. 2024 (arXiv 2404.14507), table 3",
    place=10,
)
def ays_sd15(num_steps: int) -> Array:
    """Return Align Your Steps' table for Stable Diffusion 1.5, [num_steps + 1], ending in 0.

    Other step counts than ten are interpolated linearly in ln sigma, as the authors advise.

    Reference: Sabour et al. 2024 (arXiv 2404.14507), table 3.
    """
    return _from_table(num_steps, AYS_SD15)


@curve(
    "ays_sdxl",
    "Align Your Steps' table for SDXL, found by minimising the sampling error.",
    source="Sabour et al. 2024 (arXiv 2404.14507), table 3",
    place=11,
)
def ays_sdxl(num_steps: int) -> Array:
    """Return Align Your Steps' table for SDXL, [num_steps + 1], ending in 0; as ``ays_sd15``.

    Reference: Sabour et al. 2024 (arXiv 2404.14507), table 3.
    """
    return _from_table(num_steps, AYS_SDXL)


def _from_table(num_steps: int, table: tuple[float, ...]) -> Array:
    places = np.linspace(0.0, 1.0, num_steps + 1)
    levels = np.exp(np.interp(places, np.linspace(0.0, 1.0, len(table)), np.log(table)))
    levels[-1] = 0.0
    return levels
