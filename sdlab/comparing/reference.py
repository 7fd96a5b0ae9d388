"""The reference: the solution of the probability-flow ODE, known at every noise level.

In VE coordinates (x = x0 + sigma n) the ODE is dx/dsigma = (x - x0_pred) / sigma; with flow
matching, x_t = (1 - t) x0 + t n, it is the same over the time t in the place of sigma. Both sides
are recorded at every step. So between two steps the cubic with their values and slopes (Hermite)
is exact to the fourth order, and x0_pred = x - sigma dx/dsigma of the same cubic to the third. The
cubic is in sigma, not in ln sigma: where x0_pred is constant the course is a straight line in
sigma, which a cubic follows exactly. Below the last evaluated level and above the first the course
is continued along that line, as the solver itself does in its last step.

Its own error is estimated by Richardson's rule: the error of a second-order solver falls to a
quarter when the steps double, so it is a third of the change.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdlab.errors import StoreError
from sdlab.noise.flow import sigma_to_time
from sdlab.runs import run_path
from sdlab.runs.run_folder import open_run

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.experiment.experiment import Experiment
    from sdlab.runs.run import Run

Array = NDArray[np.float64]


class Convergence(NamedTuple):
    """How well a reference has converged.

    Attributes:
        change: Distance between it and itself at half the steps, over the spread of its latents.
        error: Its own error, estimated: a third of the change.
    """

    change: float
    error: float


class Trajectory:
    """The course of a run at any noise level.

    Args:
        sigmas: Descending noise levels, all above 0, [K]; with flow matching times.
        x: In VE coordinates at those, [K, D]; with flow matching x_t.
        x0_pred: There, [K, D].
        end: The final latents, at sigma 0, [D].
        flow: Whether it is flow matching's.
    """

    def __init__(
        self, sigmas: Array, x: Array, x0_pred: Array, end: Array, flow: bool = False
    ) -> None:
        self._flow = flow
        slope = (x - x0_pred) / sigmas[:, None]
        self._sigma = np.concatenate((sigmas, [0.0]))[::-1]  # ascending
        self._x = np.concatenate((x, end[None]))[::-1]
        self._slope = np.concatenate((slope, (x[-1:] - end) / sigmas[-1]))[::-1]

    @classmethod
    def of(cls, run: "Run") -> "Trajectory":
        """Return the course of a run that recorded ``x_t`` and ``x0_pred``.

        For a solver with several evaluations a step only the first of each step is on its course.

        Raises:
            ValueError: If the run did not record them.
        """
        first = first_of_steps(run)
        sigmas = np.array(run.trace.sigmas, dtype=np.float64)[np.array(run.trace.kept)][first]
        x_t, x0_pred = (flat(run.trace.tensor(name))[first] for name in ("x_t", "x0_pred"))
        end = flat(run.latents)[0]
        if is_flow_run(run):
            return cls(sigma_to_time(sigmas), x_t, x0_pred, end, flow=True)
        return cls(sigmas, x_t * np.sqrt(1.0 + sigmas**2)[:, None], x0_pred, end)

    def x_t(self, sigmas: Array) -> Array:
        """Return the course as the network is given it at any noise levels, [len(sigmas), D]."""
        x = self._at(self._levels(sigmas))[0]
        return x if self._flow else x / np.sqrt(1.0 + np.square(sigmas))[:, None]

    def x0_pred(self, sigmas: Array) -> Array:
        """Return the clean latents predicted at any noise levels, [len(sigmas), D]."""
        levels = self._levels(sigmas)
        x, slope = self._at(levels)
        return x - levels[:, None] * slope

    def _levels(self, sigmas: Array) -> Array:
        """Return where noise levels stand on the course's own axis."""
        return sigma_to_time(sigmas) if self._flow else np.asarray(sigmas, dtype=np.float64)

    def _at(self, sigmas: Array) -> tuple[Array, Array]:
        """Return x and dx/dsigma."""
        top = self._sigma[-1]
        inside = np.minimum(sigmas, top)
        i = np.clip(np.searchsorted(self._sigma, inside), 1, len(self._sigma) - 1)
        left, width = self._sigma[i - 1], np.diff(self._sigma)[i - 1]
        u = ((inside - left) / width)[:, None]
        x_a, x_b = self._x[i - 1], self._x[i]
        d_a, d_b = (self._slope[j] * width[:, None] for j in (i - 1, i))
        fall, bend = x_b - x_a, d_a + d_b
        x = x_a + u * (d_a + u * (3 * fall - d_a - bend + u * (bend - 2 * fall)))
        slope = d_a + u * (2 * (3 * fall - d_a - bend) + 3 * u * (bend - 2 * fall))
        slope = slope / width[:, None]
        return x + (sigmas - inside)[:, None] * slope, slope


def first_of_steps(run: "Run") -> NDArray[np.bool_]:
    """Return which kept evaluations are the first of their solver step, [K]; the very first is."""
    first = np.concatenate(([True], np.diff(run.steps["step"].to_numpy()) > 0))
    kept: NDArray[np.bool_] = first[np.array(run.trace.kept)]
    return kept


def is_flow_run(run: "Run") -> bool:
    """Return whether a run's model follows flow matching."""
    return "flow_time" in run.steps


def axis_of(run: "Run") -> Array:
    """Return a number for every evaluation that falls along its course: sigma, or flow's time."""
    sigmas = np.array(run.trace.sigmas, dtype=np.float64)
    return sigma_to_time(sigmas) if is_flow_run(run) else sigmas


def flat(tensor: "Tensor") -> Array:
    """Return a tensor [K, ...] as float64 [K, D]."""
    return tensor.detach().cpu().double().numpy().reshape(len(tensor), -1)


def rms(difference: Array) -> Array:
    """Return the root mean square over the last axis."""
    root: Array = np.sqrt(np.square(difference).mean(-1))
    return root


def spread_of(run: "Run") -> float:
    """Return the unit of distances: the population standard deviation of a run's final latents."""
    return float(flat(run.latents).std())


def convergence(fine: "Run", coarse: "Run") -> Convergence:
    """Return how well a reference has converged.

    Args:
        fine: The reference, made by a second-order solver.
        coarse: The same at half the steps.
    """
    apart = float(rms(flat(fine.latents) - flat(coarse.latents))[0])
    change = apart / spread_of(fine) if spread_of(fine) else math.nan
    return Convergence(change, change / 3.0)


def stored(experiment: "Experiment", root: str | Path, model_hash: str) -> "Run | None":
    """Return the stored run of an experiment, if this model's weights made it; else None.

    Args:
        experiment: Which.
        root: The folder of all runs.
        model_hash: Of the weights.
    """
    try:
        run = open_run(run_path(root, experiment.id))
    except StoreError:
        return None
    return run if run.manifest["model"].get("hash") == model_hash else None
