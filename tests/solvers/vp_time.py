"""The time of a VP process whose sigma goes from 0.002 to 80, in which ComfyUI's DEIS runs."""

import math

import numpy as np

_LOW, _HIGH = math.log(0.002**2 + 1), math.log(80.0**2 + 1)
_SLOPE = 2 * (_LOW / 1e-3 - _HIGH) / (1e-3 - 1)
_BASE = _HIGH - _SLOPE / 2


def place(sigma):
    """The time of a sigma."""
    return (math.sqrt(_BASE**2 + 2 * _SLOPE * math.log(sigma**2 + 1)) - _BASE) / _SLOPE


def density(time):
    """d sigma / d time at times, [n]."""
    grown = np.exp(_SLOPE * time**2 / 2 + _BASE * time)
    return (_SLOPE * time + _BASE) * grown / (2 * np.sqrt(grown - 1))
