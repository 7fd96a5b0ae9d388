"""The verdict: what the tables say, in sentences, and what they do not say.

Only samplers that draw no noise are ranked by their distance to the reference: stochastic ones are
allowed to differ, and the checker's fidelity, with its interval, counts for them. A sampler that
cannot be compared fairly is named beside the ranking. Two are called tied only where there are
pictures enough to know it.
"""

from typing import Any

import numpy as np

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.significance import PICTURES
from sdlab.comparing.standing import (
    Frame,
    Standing,
    Tables,
    at_first,
    certainty,
    differences,
    ratios,
    standing,
)
from sdlab.comparing.target import TARGET, reached_of
from sdlab.comparing.words import counted, listed

TENTH = 0.1
USELESS = 1.0
"""An error as large as the distance to another picture: useless however quick."""
EQUAL = 1e-4
"""Errors that differ by less, as a share, are one: shared network calls round so."""
NO_REFERENCE = (
    "Made without a reference, so nothing says how near each comes to the converged picture, and"
    " none is ranked by distance."
)
NO_FIDELITY = (
    "Nothing here judges whether the pictures show what the prompt says, so no quality is claimed."
)


def verdict(
    comparison: Comparison, tables: Tables, target: float = TARGET, lack: str = ""
) -> list[str]:
    """Return what the tables show, the most important first.

    Args:
        comparison: What was compared.
        tables: Its tables.
        target: The error asked for, in standard deviations of the latents.
        lack: Why a picture has no reference, if that is known.
    """
    if not (tables["runs"]["state"] == "done").any():
        return ["No run is done, so there is nothing to compare.", *_failed(tables)]
    if not comparison.reference_steps:
        return [*_apart(tables), NO_REFERENCE, *_kept(comparison, tables), *_failed(tables)]
    ranks = standing(tables)
    sentences = [*_nearest(comparison, tables, ranks), *_beside(comparison, tables, ranks)]
    sentences += [*reached_of(ranks, target), *_front(ranks), *_partly(ranks.partly)]
    sentences += _stochastic(comparison, tables)
    sentences += [*_few_pictures(comparison, tables, ranks), *_unsure(ranks)]
    sentences += [*_failed(tables), *_no_reference(comparison, tables, lack)]
    return sentences


def _nearest(comparison: Comparison, tables: Tables, ranks: Standing) -> list[str]:
    """Say which sampler is nearest at the first budget, then how near, and who may be as near."""
    unit = "evaluations" if comparison.align == "nfe" else "steps"
    budget = f"{comparison.budget} {unit if comparison.budget > 1 else unit[:-1]}"
    fair, beside = (at_first(comparison, rows) for rows in (ranks.fair, ranks.beside))
    here = fair if len(fair) else beside
    if here.empty:
        return []
    best = here.iloc[0]
    if len(here) == 1:
        return [f"{best['entrant']} ends {_error(best)} from the converged picture at {budget}."]
    if fair.empty:
        order = listed([f"{r.entrant} {r.error:.3g}" for r in here.itertuples()])
        return [
            f"At a budget of {budget} none of these can be compared fairly, so none is called the"
            f" nearest to the converged picture: {order}."
        ]
    ties = _ties_of(tables, fair)
    pictures = int(best["pictures"])
    mean = f", on average over {pictures} pictures" if pictures > 1 else ""
    equal = fair["entrant"][fair["error"] <= best["error"] * (1 + EQUAL)].tolist()
    others = ties[~(ties["a"].isin(equal) & ties["b"].isin(equal))]
    who = f"{listed(equal)} come equally near" if len(equal) > 1 else f"{equal[0]} comes nearest"
    sure = "." if len(equal) == len(fair) else certainty(others, best["entrant"], pictures)
    return [
        f"With {budget} each, {who} to the converged picture{sure}",
        f"It ends {_error(best)} away{mean} ({counted(best['nfe'], 'evaluation')}); then"
        f" {listed([f'{r.entrant} {r.error:.3g}' for r in here.iloc[1:].itertuples()])}.",
        *differences(ties, best["entrant"]),
    ]


def paired_ratios(comparison: Comparison, tables: Tables) -> list[str]:
    """Return how many times nearer the nearest is, paired, and why bars do not contradict it.

    Args:
        comparison: What was compared.
        tables: Its tables.
    """
    fair = at_first(comparison, standing(tables).fair)
    if len(fair) < 2:
        return []
    tested = int(tables["ties"]["p"].notna().sum())
    return ratios(_ties_of(tables, fair), str(fair["entrant"].iloc[0]), tested)


def _ties_of(tables: Tables, rows: Frame) -> Frame:
    """Return the ties between the entrants of some rows."""
    ties = tables["ties"]
    return ties[ties["a"].isin(rows["entrant"]) & ties["b"].isin(rows["entrant"])]


def _apart(tables: Tables) -> list[str]:
    """Say which two make the most and the least alike pictures."""
    pairs = tables["pairs"]
    pairs = pairs[pairs["a"] < pairs["b"]].sort_values("distance", kind="stable")
    if pairs.empty:
        return []
    told = [f"{r.a} and {r.b} ({r.distance:.3g} std)" for r in pairs.iloc[[0, -1]].itertuples()]
    if len(pairs) == 1:
        return [f"{told[0].partition(' (')[0]} end {pairs['distance'].iloc[0]:.3g} std apart."]
    return [f"The most alike pictures are made by {told[0]}, the least alike by {told[1]}."]


def _kept(comparison: Comparison, tables: Tables) -> list[str]:
    """Say how much of the prompts each sampler's pictures show, where a checker knows."""
    quality = tables["quality"]
    known = quality[(quality["budget"] == comparison.budget) & (quality["what"] == "all")]
    if known.empty:
        return [NO_FIDELITY]
    shares = known.set_index("entrant")
    given = [f"{label} {_share(shares.loc[label])}" for label in shares.index]
    return [f"Share of the prompt's statements fulfilled: {listed(given)}."]


def _beside(comparison: Comparison, tables: Tables, ranks: Standing) -> list[str]:
    """Say which samplers do not follow the same ODE from the same start to the same end."""
    entrants = tables["entrants"]
    objected = entrants[entrants["deterministic"] & (entrants["notes"] != "")]
    if objected.empty:
        return []
    errors = at_first(comparison, ranks.beside).set_index("entrant")["error"]
    known = [label for label in errors.index if len(ranks.fair)]  # else the order says it
    names = [f"{label} ({errors[label]:.3g} away)" for label in known]
    names += [label for label in objected["entrant"] if label not in known]
    what = "Not ranked, and to be compared" if len(ranks.fair) else "To be compared"
    if len(objected) == 1:
        return [f"{what} with care: {names[0]}. {objected.iloc[0]['notes']}"]
    return [f"{what} with care, as their notes explain: {listed(names)}."]


def _partly(partly: Frame) -> list[str]:
    """Say which samplers are not ranked because they made only some of the pictures."""
    points = [
        f"{r.entrant} at {counted(r.nfe, 'evaluation')} ({counted(r.pictures, 'picture')})"
        for r in partly.itertuples()
    ]
    return [f"Not ranked, as others made more pictures: {listed(points)}."] if points else []


def _front(ranks: Standing) -> list[str]:
    ranked = ranks.fair if len(ranks.fair) else ranks.beside
    front = ranked[ranked["pareto"] & (ranked["error"] < USELESS)].sort_values("error")
    if front.empty or len(ranks.fair) + len(ranks.beside) < 2:
        return []
    points = [
        f"{r.entrant} with {counted(r.nfe, 'evaluation')} ({r.seconds:.2g} s, {r.error:.3g})"
        for r in front.itertuples()
    ]
    return [f"Measured in seconds, no other run is both faster and nearer than {listed(points)}."]


def _stochastic(comparison: Comparison, tables: Tables) -> list[str]:
    entrants = tables["entrants"]
    noisy = entrants.loc[~entrants["deterministic"], "entrant"].tolist()
    if not noisy:
        return []
    spread = tables["spread"]
    quality = tables["quality"]
    at_first = quality[(quality["budget"] == comparison.budget) & (quality["what"] == "all")]
    verb = "is" if len(noisy) == 1 else "are"
    sentence = (
        f"{listed(noisy)} {verb} not ranked by distance: stochastic samplers are allowed to differ"
        " from the converged picture."
    )
    if at_first.empty:
        seeds = spread[spread["entrant"].isin(noisy) & (spread["what"] == "spread")]
        return [f"{sentence} {NO_FIDELITY}{_spreads(seeds)}"]
    shares = at_first.set_index("entrant")
    given = [f"{label} {_share(shares.loc[label])}" for label in noisy if label in shares.index]
    fair = entrants.loc[entrants["deterministic"] & (entrants["notes"] == ""), "entrant"].tolist()
    steady = shares.loc[[label for label in shares.index if label in fair]]
    beside = ""
    if len(steady):
        best = steady["share"].astype(float).idxmax()
        beside = f" (the best of the ranked ones, {best}: {_share(steady.loc[best])})"
    if not given:
        return []
    return [f"{sentence} Share of the prompt's statements fulfilled: {listed(given)}{beside}."]


def _spreads(seeds: Frame) -> str:
    known = seeds[seeds["mean"].notna()]
    if known.empty:
        return ""
    rows = [f"{r.entrant} {r.mean:.2f}" for r in known.itertuples()]
    return f" Spread between seeds: {listed(rows)}."


def _few_pictures(comparison: Comparison, tables: Tables, ranks: Standing) -> list[str]:
    pictures = int(tables["cost"]["pictures"].max()) if len(tables["cost"]) else 0
    several = len({*ranks.fair["entrant"], *ranks.beside["entrant"]}) > 1
    if pictures == 1 and len(comparison.pictures) == 1 and several:
        return ["Add seeds or prompts: with one picture luck cannot be told from skill."]
    if pictures < PICTURES and several:
        return [
            f"Fewer than {PICTURES} pictures are compared: too few to tell a difference from luck."
        ]
    return []


def _unsure(ranks: Standing) -> list[str]:
    """Say where the reference itself has not converged well enough to tell."""
    rows = [row for part in (ranks.fair, ranks.beside) for row in part.itertuples()]
    near = [row for row in rows if row.floor > TENTH * row.error]
    if not near:
        return []
    points = [f"{r.entrant} at {counted(r.nfe, 'evaluation')}" for r in near]
    return [
        f"The reference's own error, about {near[0].floor:.2g}, is more than a tenth of the error"
        f" of {listed(points)}: do not trust small differences there, or raise reference_steps."
    ]


def _failed(tables: Tables) -> list[str]:
    sentences = []
    runs = tables["runs"]
    for label, rows in runs[runs["state"] == "failed"].groupby("entrant", sort=False):
        reason = str(rows["error"].iloc[0]).strip().rstrip(".")
        of = len(runs[runs["entrant"] == label])
        sentences.append(f"{label} failed in {len(rows)} of {counted(of, 'run')}: {reason}.")
    absent = runs[runs["state"].isin(("cancelled", "missing"))]
    if len(absent):
        sentences.append(f"{len(absent)} of {len(runs)} runs are not done and not counted.")
    return sentences


def _no_reference(comparison: Comparison, tables: Tables, lack: str) -> list[str]:
    absent = len(comparison.pictures) - len(tables["references"])
    if not absent:
        return []
    why = f" ({lack.strip().rstrip('.')})" if lack else ""
    of = f"{absent} of {counted(len(comparison.pictures), 'picture')}"
    return [f"The reference of {of} is not done{why}, so there is no distance to it."]


def _error(row: Any) -> str:
    interval = "" if np.isnan(row["low"]) else f" (95 %: {row['low']:.3g} to {row['high']:.3g})"
    return f"{row['error']:.3g} standard deviations{interval}"


def _share(row: Any) -> str:
    return f"{row['share']:.2f} (95 %: {row['low']:.2f} to {row['high']:.2f})"
