"""What a number of steps costs, and how many steps a number of evaluations pays for."""

from collections.abc import Mapping


def steps_within(evaluations: Mapping[int, int], budget: int) -> int:
    """Return the most steps that take at most so many evaluations, 0 if none do.

    Evaluations grow by the same number with every step, so two step counts tell all others.

    Args:
        evaluations: By number of steps, for one or more of them.
        budget: Evaluations.
    """
    (first, least), (last, most) = min(evaluations.items()), max(evaluations.items())
    each = (most - least) / (last - first) if last > first else least / first
    return max(0, int(first + (budget - least) // each))
