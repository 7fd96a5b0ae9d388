"""Distances of the runs to the reference and to each other: final latents, pictures, each step.

Tables ``runs``, ``references``, ``steps`` and ``pairs``; ``sdlab.comparing.columns`` says what is
in them.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.comparing.fairness import profile
from sdlab.comparing.outcomes import MadeReference, RunOutcome, RunOutcomes
from sdlab.comparing.reference import flat, rms
from sdlab.latents.round_trip import likeness

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.comparing.reference import Trajectory
    from sdlab.runs.run import Run

Rows = list[dict[str, Any]]


def runs(outcomes: RunOutcomes, fidelity: Mapping[str, float]) -> Rows:
    """Return one row a run.

    Args:
        outcomes: The runs.
        fidelity: Share of its prompt's statements that a run's picture fulfils, by run id.
    """
    comparison, model = outcomes.comparison, outcomes.model
    pipeline = model.drawn_by(comparison)
    planned = {
        entrant.label: profile(comparison, entrant, model.config, pipeline).nfe
        for entrant in comparison.entrants
    }
    rows = []
    for outcome in outcomes.all:
        cell, run = outcome.cell, outcome.run
        at_first = cell.budget == comparison.budget
        row = {
            **_who(outcome),
            "budget": cell.budget,
            "num_steps": cell.experiment.num_steps,
            "nfe": planned[cell.entrant] if at_first else None,
            "run": cell.experiment.id,
            "state": outcome.state,
            "error": outcome.error,
        }
        if run is not None:
            row |= {"nfe": len(run.steps), "seconds": seconds(run)}
            row |= {"fidelity": fidelity.get(run.id, math.nan)}
            row |= _apart(outcome, outcomes.references.get(outcome.picture))
        rows.append(row)
    return rows


def references(outcomes: RunOutcomes) -> Rows:
    """Return one row a reference that is done."""
    rows = []
    for reference in outcomes.references.values():
        about = reference.convergence
        rows.append(
            {
                "prompt": reference.prompt,
                "seed": reference.seed,
                "run": reference.fine.id,
                "num_steps": reference.fine.experiment.num_steps,
                "nfe": len(reference.fine.steps),
                "change": about.change if about else math.nan,
                "error": about.error if about else math.nan,
            }
        )
    return rows


def steps(outcomes: RunOutcomes) -> "pd.DataFrame | None":
    """Return one row an evaluation of the runs of the first budget, or None for none."""
    import pandas as pd

    frames = []
    for picture in outcomes.comparison.pictures:
        here = [o for o in outcomes.at(picture) if _recorded(o.run)]
        reference = outcomes.references.get(picture) if here else None
        course = reference.trajectory() if reference and _recorded(reference.fine) else None
        frames += [_steps_of(outcome, reference, course) for outcome in here]
    return pd.concat(frames, ignore_index=True) if frames else None


def pairs(outcomes: RunOutcomes) -> Rows:
    """Return one row a pair of entrants, both ways round and each with itself."""
    labels = [entrant.label for entrant in outcomes.comparison.entrants]
    squares: dict[tuple[str, str], list[float]] = {}
    for picture in outcomes.comparison.pictures:
        here = outcomes.at(picture)
        if not here:
            continue
        finals = np.stack([outcome.latents for outcome in here])
        reference = outcomes.references.get(picture)
        unit = reference.unit if reference else float(np.median(finals.std(1)))
        for i, a in enumerate(here):
            apart = np.square(rms(finals - finals[i]) / unit)
            for b, square in zip(here, apart.tolist(), strict=True):
                squares.setdefault((a.cell.entrant, b.cell.entrant), []).append(square)
    return [
        {
            "a": a,
            "b": b,
            "distance": math.sqrt(np.mean(squares[a, b])),
            "pictures": len(squares[a, b]),
        }
        for a in labels
        for b in labels
        if (a, b) in squares
    ]


def seconds(run: "Run") -> float:
    """Return a run's time: its share of each network call, by samples, and all of the rest."""
    timings = run.timings.drop_duplicates(["stage", "evaluation"])
    ms, samples = timings["ms"].to_numpy(float), timings["samples"].to_numpy(float, na_value=0)
    rows = 2.0 if run.experiment.guidance_scale > 1 else 1.0
    share = np.where(samples > 0, np.minimum(1.0, rows / np.maximum(samples, 1.0)), 1.0)
    return float((ms * share).sum()) / 1000.0


def _who(outcome: RunOutcome) -> dict[str, Any]:
    cell = outcome.cell
    return {"entrant": cell.entrant, "prompt": cell.prompt, "seed": cell.seed}


def _apart(outcome: RunOutcome, reference: MadeReference | None) -> dict[str, float]:
    """Return how far a run is from the reference, in latents and in pictures."""
    if reference is None or outcome.run is None:
        return {}
    apart = {"distance": float(rms(outcome.latents - reference.latents)) / reference.unit}
    if outcome.run.image.size == reference.fine.image.size:
        alike = likeness(outcome.run.image, reference.fine.image)
        apart |= {"image_rmse": alike.rmse, "psnr": alike.psnr, "ssim": alike.ssim}
    return apart


def _recorded(run: "Run | None") -> bool:
    return run is not None and {"x_t", "x0_pred"} <= set(run.trace.names())


def _steps_of(
    outcome: RunOutcome, reference: MadeReference | None, course: "Trajectory | None"
) -> "pd.DataFrame":
    import pandas as pd

    run = outcome.run
    assert run is not None
    kept = np.array(run.trace.kept)
    sigma = np.array(run.trace.sigmas, dtype=np.float64)[kept]
    x_t, x0_pred = flat(run.trace.x_t), flat(run.trace.x0_pred)
    missing = np.full(len(kept), math.nan)
    apart = {"x_t_distance": missing, "x0_distance": missing, "x0_to_end": missing}
    if reference is not None and course is not None:
        apart = {
            "x_t_distance": rms(x_t - course.x_t(sigma)) / reference.unit,
            "x0_distance": rms(x0_pred - course.x0_pred(sigma)) / reference.unit,
            "x0_to_end": rms(x0_pred - reference.latents) / reference.unit,
        }
    return pd.DataFrame(
        {
            **_who(outcome),
            "step": run.steps["step"].to_numpy()[kept],
            "evaluation": kept,
            "share": (kept + 1) / len(run.trace.sigmas),
            "sigma": sigma,
            **apart,
            "x_t_mean": x_t.mean(1),
            "x_t_std": x_t.std(1),
            "x0_pred_mean": x0_pred.mean(1),
            "x0_pred_std": x0_pred.std(1),
        }
    )
