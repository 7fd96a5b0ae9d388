"""Noise schedules, sigma curves and the forward process, all in float64 NumPy."""

from sdlab.noise.schedule import NoiseSchedule

__all__ = ["NoiseSchedule"]
