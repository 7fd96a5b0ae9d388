"""Noise schedules, sigma curves and the forward process, all in float64 NumPy."""

from sdlab.noise.schedule import NoiseSchedule
from sdlab.submodules import on_first_use

__all__ = ["NoiseSchedule"]

__getattr__ = on_first_use(__name__)
