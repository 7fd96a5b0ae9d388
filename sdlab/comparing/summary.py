"""From runs to a result: every table and the verdict; needs no model."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.comparing import costs, distances, quality, significance
from sdlab.comparing.columns import TABLES
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.fairness import Profile, profile, seen
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.outcomes import RunOutcomes, Runs, gather
from sdlab.comparing.paths import paths
from sdlab.comparing.result import Result
from sdlab.comparing.target import TARGET, check_target
from sdlab.comparing.verdict import verdict
from sdlab.noise.flow import path_of

if TYPE_CHECKING:
    import pandas as pd

WHOLE = frozenset(
    {"budget", "num_steps", "nfe", "step", "evaluation", "points", "first", "last", "n"}
    | {"pictures", "statements"}
)
FLAGS = frozenset({"deterministic", "pareto", "tied", "open"})
TEXTS = frozenset(
    {"entrant", "prompt", "solver", "curve", "notes", "run", "state", "note", "what"} | {"a", "b"}
)


def summarise(
    comparison: Comparison, runs: Runs, model: ModelFacts, *, target: float = TARGET
) -> Result:
    """Return the result of a comparison whose runs are made, or as many of them as there are.

    Args:
        comparison: What was compared.
        runs: By experiment id, those of ``comparison.cells`` and of ``comparison.references``: the
            run, ``Cancelled()``, or the exception that it failed of. One that is absent, or was
            made by other weights, counts as missing.
        model: Which made the runs.
        target: The error that the verdict asks for, in standard deviations; above 0.

    Raises:
        ValueError: If ``target`` is not above 0, or an entrant takes no number of steps that a
            budget pays for.
    """
    check_target(target)
    outcomes = gather(comparison, runs, model)
    verdicts = quality.judged(outcomes)
    tables = {"entrants": table("entrants", _entrants(outcomes))}
    tables["runs"] = table("runs", distances.runs(outcomes, quality.fidelity(verdicts)))
    tables["references"] = table("references", distances.references(outcomes))
    tables["steps"] = table("steps", distances.steps(outcomes))
    tables["pairs"] = table("pairs", distances.pairs(outcomes))
    tables["cost"] = table("cost", costs.cost(outcomes, tables["runs"]))
    tables["slopes"] = table("slopes", costs.slopes(outcomes, tables["cost"]))
    tables["paths"] = table("paths", paths(outcomes))
    tables["quality"] = table("quality", quality.quality(outcomes, tables["cost"], verdicts))
    entrants = tables["entrants"]
    steady = entrants.loc[entrants["deterministic"], "entrant"].tolist()
    tables["ties"] = table("ties", significance.ties(comparison, tables["runs"], steady))
    tables["spread"] = table("spread", significance.spread(outcomes, tables["runs"]))
    references = [reference.fine for reference in outcomes.references.values()]
    made = {run.id: run for run in (*references, *(o.run for o in outcomes.done)) if run}
    return Result(
        comparison,
        tables,
        tuple(verdict(comparison, tables, target, outcomes.lack)),
        tuple(made),
        model.name,
        model.hash,
        datetime.now(UTC).isoformat(timespec="seconds"),
        target,
        made,
    )


def judge_anew(result: Result) -> Result:
    """Return a stored result with the ties and the verdict that its numbers now give.

    Args:
        result: One that was made before ties told what their pictures can show.
    """
    entrants, runs = result.tables["entrants"], result.tables["runs"]
    steady = entrants.loc[entrants["deterministic"], "entrant"].tolist()
    ties = table("ties", significance.ties(result.comparison, runs, steady))
    tables = {**result.tables, "ties": ties}
    sentences = verdict(result.comparison, tables, result.target)
    return replace(result, tables=tables, verdict=tuple(sentences))


def table(name: str, rows: "list[dict[str, Any]] | pd.DataFrame | None") -> "pd.DataFrame":
    """Return rows as a table with all columns of its name, in order and of their types."""
    import pandas as pd

    columns = list(TABLES[name])
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows or [], columns=columns)
    text = pd.Series([""]).dtype  # what this pandas makes of text, also where there is none
    types: dict[str, Any] = {}
    for column in columns:
        if column in WHOLE:
            types[column] = "Int64"
        elif column in FLAGS:
            types[column] = "boolean"
        elif column in TEXTS or (name, column) == ("runs", "error"):
            types[column] = text
        elif column == "seed":
            types[column] = "uint64"  # up to 2**64 - 1
        else:
            types[column] = np.float64
    return frame[columns].astype(types)


def _entrants(outcomes: RunOutcomes) -> list[dict[str, Any]]:
    comparison, config = outcomes.comparison, outcomes.model.config
    rows, path = [], path_of(config)
    pipeline = outcomes.model.drawn_by(comparison)
    for entrant in comparison.entrants:
        about = _seen(profile(comparison, entrant, config, pipeline), entrant.label, outcomes)
        rows.append(
            {
                "entrant": entrant.label,
                "solver": entrant.solver,
                "curve": entrant.follows(comparison.curve, path) or "",
                "eta": entrant.eta,
                "deterministic": about.deterministic,
                "num_steps": comparison.steps_for(entrant, comparison.budget, config, pipeline),
                "nfe": about.nfe,
                "start": about.start,
                "end": about.end,
                "notes": ". ".join(note[0].upper() + note[1:] for note in about.notes)
                + ("." if about.notes else ""),
            }
        )
    return rows


def _seen(about: Profile, entrant: str, outcomes: RunOutcomes) -> Profile:
    """Return a profile with what the first run that has a reference tells of it."""
    for picture, reference in outcomes.references.items():
        for outcome in outcomes.at(picture):
            if outcome.cell.entrant == entrant and outcome.run is not None:
                return seen(about, outcome.run, reference.fine)
    return about
