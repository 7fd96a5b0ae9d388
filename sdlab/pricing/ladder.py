"""The ladder: how far the plain sampler is off with fewer steps, one ladder a picture.

An error is translated into steps on the ladder of its own picture: so many plain steps are as far
off. Between two rungs the logarithm of the error is taken as straight. A ladder falls: a rung above
one of fewer steps is lowered to it.
"""

import numpy as np
from numpy.typing import NDArray

from sdlab.comparing.costs import LEAST

Array = NDArray[np.float64]
SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2)
FEWEST = 2


def rungs(num_steps: int, most: int) -> list[int]:
    """Return the step counts of a ladder, ascending, from a fifth of the budget to a bit more.

    Args:
        num_steps: The budget, always one of them.
        most: That the sampler can take.
    """
    return sorted({min(max(FEWEST, round(share * num_steps)), most) for share in SHARES})


def steps_worth(error: float, steps: list[int], errors: list[float]) -> float:
    """Return how many plain steps are as far off; at the ladder's ends, the end.

    Args:
        error: Of the sped-up picture.
        steps: Of the ladder, ascending.
        errors: Of the plain sampler there.
    """
    falling = np.maximum.accumulate(np.maximum(errors, LEAST)[::-1])  # from the most steps
    most_first = np.array(steps, dtype=np.float64)[::-1]
    if error <= falling[0]:
        return float(most_first[0])
    unique, first = np.unique(falling, return_index=True)
    return float(np.interp(np.log(error), np.log(unique), most_first[first]))


def line_of_time(steps: list[int], seconds: Array) -> tuple[float, float]:
    """Return (seconds of no step, seconds a step) of the plain sampler.

    Args:
        steps: Of the ladder.
        seconds: Of each picture at each, [pictures, steps].
    """
    a_step, none = np.polyfit(steps, np.median(seconds, axis=0), 1)
    return float(none), float(a_step)
