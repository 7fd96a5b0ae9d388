"""Converts NumPy's and other numbers to Python's, so that specs can be stored as JSON."""

from numbers import Integral, Real
from typing import Any


def plain(value: Any) -> Any:
    """Return a whole number as int, a real one as float, NumPy's text and bool as Python's.

    Args:
        value: ``np.int64(7)`` gives 7, ``np.float32(7.5)`` 7.5, ``Fraction(1, 2)`` 0.5; anything
            else, bools included, is returned as it is.
    """
    if type(value).__module__ == "numpy" and type(value).__name__.rstrip("_") in ("bool", "str"):
        return value.item()  # numpy itself is not imported for a spec
    if isinstance(value, (Integral, Real)) and not isinstance(value, bool):
        return int(value) if isinstance(value, Integral) else float(value)
    return value
