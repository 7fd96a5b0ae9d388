"""Moves of a schedule's levels, which the sampler itself judges.

The cheapest way on a course is Euler's, one step at a time; a sampler carries an early error on,
partly undoes it, and may remember earlier steps. So the best schedule found so far is tried with
each inner level moved a share of the way to the one before and to the one after, in sigma^(1/7),
then with all moves at once that brought it nearer.
"""

from collections.abc import Sequence

import numpy as np

from sdlab.fitting.shortest import Array

RHO = 7.0
SHARES = (0.5, 0.5, 0.25, 0.25)
"""How far levels are moved, round by round."""


def moves(way: Array, share: float, lowest: float) -> list[Array]:
    """Return the schedule with each inner level moved up, then with each moved down.

    Args:
        way: Descending, the last 0, [N + 1].
        share: Of the way to the neighbour, in sigma^(1/7); below 1.
        lowest: Where the last level above 0 is moved to when it is moved down; not above it.
    """
    u = way ** (1 / RHO)
    below = np.append(u[2:-1], min(lowest, way[-2]) ** (1 / RHO))
    found = []
    for neighbours in (u[:-2], below):
        for place, neighbour in enumerate(neighbours, 1):
            made = way.copy()
            made[place] = ((1 - share) * u[place] + share * neighbour) ** RHO
            found.append(made)
    return found


def joined(way: Array, tried: Sequence[Array], errors: Sequence[float], own: float) -> Array:
    """Return the schedule with all moves that brought it nearer, of two of one level the better.

    Args:
        way: The schedule.
        tried: Its ``moves``.
        errors: Their errors.
        own: The schedule's own.
    """
    inner = len(way) - 2
    made = way.copy()
    for place in range(inner):
        best = min((place, place + inner), key=lambda move: errors[move])
        if errors[best] < own:
            made[place + 1] = tried[best][place + 1]
    return np.sort(made)[::-1]
