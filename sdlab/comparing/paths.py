"""The paths of the runs through latent space, in the two directions in which they differ most.

The x_t of all runs of a picture, in VP coordinates, give the first two principal components, by the
eigenvectors of the smaller of their two Gram matrices in float64. The reference is not used to find
the components, but its path is shown in them.
"""

from typing import TYPE_CHECKING

import numpy as np

from sdlab.comparing.columns import REFERENCE
from sdlab.comparing.fairness import profile
from sdlab.comparing.outcomes import RunOutcomes
from sdlab.comparing.reference import Array, flat

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.runs.run import Run


def paths(outcomes: RunOutcomes) -> "pd.DataFrame | None":
    """Return one row an evaluation, and one for the end, of the runs of the first budget."""
    import pandas as pd

    comparison, config = outcomes.comparison, outcomes.model.config
    pipeline = outcomes.model.drawn_by(comparison)
    ends = {e.label: profile(comparison, e, config, pipeline).end for e in comparison.entrants}
    frames = []
    for prompt, seed in comparison.pictures:
        here = {o.cell.entrant: o.run for o in outcomes.at((prompt, seed)) if o.run is not None}
        here = {label: run for label, run in here.items() if "x_t" in run.trace.names()}
        if not here:
            continue
        points = {label: points_of(run) for label, run in here.items()}
        mean, axes, shares = principal(np.concatenate(list(points.values())))
        reference = outcomes.references.get((prompt, seed))
        if reference is not None and "x_t" in reference.fine.trace.names():
            here[REFERENCE], points[REFERENCE] = reference.fine, points_of(reference.fine)
        for label, run in here.items():
            pc = (points[label] - mean) @ axes
            kept = [*run.trace.kept, len(run.trace.sigmas)]
            sigma = [*(run.trace.sigmas[e] for e in run.trace.kept), ends.get(label, 0.0)]
            frames.append(
                pd.DataFrame(
                    {
                        "entrant": label,
                        "prompt": prompt,
                        "seed": seed,
                        "evaluation": kept,
                        "sigma": sigma,
                        "pc1": pc[:, 0],
                        "pc2": pc[:, 1],
                        "share1": shares[0],
                        "share2": shares[1],
                    }
                )
            )
    return pd.concat(frames, ignore_index=True) if frames else None


def points_of(run: "Run") -> Array:
    """Return a run's x_t at every kept evaluation and its final latents, [K + 1, D]."""
    return np.concatenate((flat(run.trace.x_t), flat(run.latents)))


def principal(points: Array) -> tuple[Array, Array, tuple[float, float]]:
    """Return the mean [D], the first two principal axes [D, 2], and their shares of the variance.

    The sign of an axis is such that its largest entry is positive.

    Args:
        points: [N, D], N and D at least 2.
    """
    mean = points.mean(0)
    x = points - mean
    wide = x.shape[1] > x.shape[0]
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    values, vectors = values[::-1][:2].clip(min=0.0), vectors[:, ::-1][:, :2]
    axes = x.T @ vectors if wide else vectors
    length = np.linalg.norm(axes, axis=0)
    axes = axes / np.where(length > 0, length, 1.0)
    axes = axes * np.where(axes[np.abs(axes).argmax(0), [0, 1]] < 0, -1.0, 1.0)
    total = float(np.square(x).sum())
    shares = values / total if total > 0 else np.zeros(2)
    return mean, axes, (float(shares[0]), float(shares[1]))
