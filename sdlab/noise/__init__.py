"""Noise schedules, sigma curves and the forward process, all in float64 NumPy.

The package itself is light: an experiment, which takes bounds from here, needs no NumPy.
"""

from typing import TYPE_CHECKING, Any

from sdlab.submodules import on_first_use

if TYPE_CHECKING:
    from sdlab.noise.schedule import NoiseSchedule

__all__ = ["NoiseSchedule"]


def __getattr__(name: str) -> Any:
    if name != "NoiseSchedule":
        return on_first_use(__name__)(name)
    from sdlab.noise.schedule import NoiseSchedule

    return NoiseSchedule
