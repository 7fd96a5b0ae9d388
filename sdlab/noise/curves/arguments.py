"""What the arguments of a curve must be."""

import numpy as np


def check_range(num_steps: int, sigma_min: float, sigma_max: float) -> None:
    """Raise ``ValueError`` unless there is a step and 0 < sigma_min < sigma_max.

    Raises:
        ValueError: Naming the values.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}.")
    if not 0 < sigma_min < sigma_max < np.inf:
        raise ValueError(
            f"a curve needs 0 < sigma_min < sigma_max, got sigma_min {sigma_min} and"
            f" sigma_max {sigma_max}."
        )


def check_positive(name: str, value: float) -> None:
    """Raise ``ValueError`` unless a number is above 0.

    Raises:
        ValueError: Naming it.
    """
    if not value > 0:
        raise ValueError(f"{name} must be above 0, got {value}.")
