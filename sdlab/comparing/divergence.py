"""Where two runs part: from which evaluation on they predict different pictures."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sdlab.comparing.reference import axis_of, first_of_steps, flat, rms, spread_of

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.runs.run import Run

THRESHOLD = 0.1


class Divergence(NamedTuple):
    """Where two runs part.

    Attributes:
        evaluation_a: The first run's evaluation from which on they are apart.
        evaluation_b: The second run's evaluation nearest to it in noise level, of each step's
            first.
        sigma: The noise level there.
        distance: Of their x0_pred there, over the spread of the first's final latents.
    """

    evaluation_a: int
    evaluation_b: int
    sigma: float
    distance: float


def divergence(a: "Run", b: "Run", threshold: float = THRESHOLD) -> Divergence | None:
    """Return from where on the predictions of the clean latents of two runs differ.

    Each x0_pred of the first is compared with the second's at the same noise level, interpolated
    linearly in ln sigma (with flow matching in ln t) between its steps. For a solver with several
    evaluations a step only the first of each step counts: the others are trial points off its path.

    Args:
        a: A run that recorded ``x0_pred``.
        b: Another, of the same size.
        threshold: From this distance on they count as apart; in standard deviations of ``a``'s
            final latents.

    Returns:
        The first evaluation from which on the distance stays at or above the threshold, or None if
        they are together at the end.

    Raises:
        ValueError: If ``threshold`` is not above 0, the sizes differ, or x0_pred was not recorded.
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0, got {threshold}.")
    (kept_a, axis_a, distance), (kept_b, axis_b) = _apart(a, b)
    together = np.flatnonzero(~(distance >= threshold))
    first = int(together[-1]) + 1 if len(together) else 0
    if first == len(distance):
        return None
    evaluation = int(kept_a[first])
    nearest = int(np.abs(np.log(axis_b) - np.log(axis_a[first])).argmin())
    sigma = float(a.trace.sigmas[evaluation])
    return Divergence(evaluation, int(kept_b[nearest]), sigma, float(distance[first]))


def along(a: "Run", b: "Run") -> "pd.DataFrame":
    """Return how far apart two runs' predictions are, at the first evaluation of each step.

    Args:
        a: A run that recorded ``x0_pred``.
        b: Another, of the same size.

    Returns:
        Columns ``evaluation``, of the first, ``sigma``, its noise level, and ``distance``, in
        standard deviations of the first's final latents; as ``divergence`` measures it.

    Raises:
        ValueError: If the sizes differ, or x0_pred was not recorded.
    """
    import pandas as pd

    (kept, _, distance), _ = _apart(a, b)
    sigmas = np.array(a.trace.sigmas)[kept]
    return pd.DataFrame({"evaluation": kept, "sigma": sigmas, "distance": distance})


def none_along() -> "pd.DataFrame":
    """Return the table of ``along`` without rows, for runs that have no distance."""
    import pandas as pd

    return pd.DataFrame({"evaluation": [], "sigma": [], "distance": []})


def _apart(
    a: "Run", b: "Run"
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return evaluations, axis and distances of the first; evaluations and axis of the second."""
    if a.latents.shape != b.latents.shape:
        raise ValueError(
            f"runs must have latents of one shape, got {list(a.latents.shape)} and"
            f" {list(b.latents.shape)}."
        )
    (kept_a, axis_a, x0_a), (kept_b, axis_b, x0_b) = _predictions(a), _predictions(b)
    distance = rms(x0_a - _between(axis_b, x0_b, axis_a)) / spread_of(a)
    return (kept_a, axis_a, distance), (kept_b, axis_b)


def _predictions(run: "Run") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return evaluations, their axis and x0_pred, [K, D]: each step's first, sigma above 0."""
    kept = np.array(run.trace.kept)
    axis = axis_of(run)[kept]
    on_course = first_of_steps(run) & (axis > 0)
    return kept[on_course], axis[on_course], flat(run.trace.x0_pred)[on_course]


def _between(sigmas: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return values, [K, D], interpolated at other noise levels, and constant beyond the ends."""
    order = np.argsort(sigmas, kind="stable")
    level, values = np.log(sigmas[order]), values[order]
    level, first = np.unique(level, return_index=True)
    values = values[first]
    if len(level) == 1:
        return np.repeat(values, len(wanted), 0)
    at = np.clip(np.log(wanted), level[0], level[-1])
    i = np.clip(np.searchsorted(level, at), 1, len(level) - 1)
    share = ((at - level[i - 1]) / (level[i] - level[i - 1]))[:, None]
    between: np.ndarray = (1 - share) * values[i - 1] + share * values[i]
    return between
