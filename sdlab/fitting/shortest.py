"""The shortest way through noise levels: which N of many a solver should visit.

On a course known at levels sigma_0 > ... > sigma_G = 0 the step of Euler (DDIM) from i to j ends

    c_ij = || x_j - (sigma_j / sigma_i) x_i - (1 - sigma_j / sigma_i) x0_pred_i ||

off the course. The way of N steps from the first level to 0 with the least sum of costs is found
by dynamic programming; a step's cost counts ``gamma`` times more for each step that follows the
first, as an early error is partly undone by later steps (Chen et al. 2024, GITS, arXiv 2405.11326,
algorithm 1, where gamma is 1.15 and the course is that of a teacher).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def costs(sigmas: Array, x: Array, x0_pred: Array, unit: float) -> Array:
    """Return how far off the course each step ends, [G + 1, G + 1]; infinite for steps back.

    Args:
        sigmas: Levels of the course, descending, the last 0, [G + 1].
        x: The course in VE coordinates there, [G + 1, D].
        x0_pred: What is predicted there, [G, D].
        unit: What the root mean square is divided by.
    """
    found = np.full((len(sigmas), len(sigmas)), np.inf)
    for i in range(len(sigmas) - 1):
        share = (sigmas[i + 1 :] / sigmas[i])[:, None]
        reached = share * x[i] + (1.0 - share) * x0_pred[i]
        found[i, i + 1 :] = np.sqrt(np.square(x[i + 1 :] - reached).mean(1)) / unit
    return found


def shortest(cost: Array, num_steps: int, gamma: float) -> list[int]:
    """Return the places of the cheapest way of so many steps, [num_steps + 1], first to last.

    Args:
        cost: Of each step, [G + 1, G + 1]; infinite for those that are not allowed.
        num_steps: At most G.
        gamma: See above; 1 weighs all steps alike.

    Raises:
        ValueError: If there is no way of so many steps.
    """
    last = len(cost) - 1
    if not 1 <= num_steps <= last:
        raise ValueError(f"num_steps must be from 1 to {last}, got {num_steps}.")
    left = np.full(len(cost), np.inf)  # of the way from here to the end
    left[last] = 0.0
    ways = []
    for _ in range(num_steps):
        through = cost + gamma * left[None, :]
        ways.append(through.argmin(1))
        left = through.min(1)
    place, found = 0, [0]
    for way in reversed(ways):
        place = int(way[place])
        found.append(place)
    return found
