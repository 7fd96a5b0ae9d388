"""The ladder: how far the plain sampler is off with fewer steps, one ladder a picture.

An error is translated into steps on the ladder of its own picture: so many plain steps are as far
off. Between two rungs the logarithm of the error is taken as straight. A ladder falls: going out
from the budget, fewer steps are never taken as nearer, nor more steps as farther off. What is as
far off as the plain picture is so worth the budget, whatever the rungs beside it say.
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


def steps_worth(error: float, steps: list[int], errors: list[float], budget: int) -> float:
    """Return how many plain steps are as far off; at the ladder's ends, the end.

    Args:
        error: Of the sped-up picture.
        steps: Of the ladder, ascending.
        errors: Of the plain sampler there.
        budget: One of the steps: those of the sped-up picture.
    """
    own = steps.index(budget)
    logs = np.log(np.maximum(errors, LEAST))
    fewer, more = np.maximum.accumulate(logs[own::-1]), np.minimum.accumulate(logs[own:])
    outward = np.array([*steps[own::-1], *steps[own + 1 :]], dtype=np.float64)
    unique, nearest = np.unique(np.concatenate((fewer, more[1:])), return_index=True)
    return float(np.interp(np.log(max(error, LEAST)), unique, outward[nearest]))


def line_of_time(steps: list[int], seconds: Array) -> tuple[float, float]:
    """Return (seconds of no step, seconds a step) of the plain sampler.

    Args:
        steps: Of the ladder.
        seconds: Of each picture at each, [pictures, steps].
    """
    a_step, none = np.polyfit(steps, np.median(seconds, axis=0), 1)
    return float(none), float(a_step)
