"""Beta57: the beta curve with more steps at the clean end."""

from sdlab.noise.curves.builtin.beta import beta
from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array, NoiseSchedule


@curve(
    "beta57",
    "The beta curve with alpha 0.5 and beta 0.7: more steps at low noise, fewer at full noise.",
    source="RES4LYF; Lee et al. 2024 (arXiv 2407.12173), section 3",
    place=4,
)
def beta57(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas of ``beta`` with alpha 0.5 and beta 0.7, then 0, [num_steps + 1].

    Reference: RES4LYF's "beta57", which rounds to whole timesteps.
    """
    return beta(num_steps, schedule, alpha=0.5, beta=0.7)
