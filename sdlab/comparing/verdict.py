"""The verdict: what the tables say, in sentences, and what they do not say.

Only samplers that draw no noise are ranked by their distance to the reference; for the others the
checker's fidelity counts, with its interval. Differences that luck explains are called ties.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.costs import complete
from sdlab.comparing.luck import PICTURES

TARGET = 0.05
TENTH = 0.1
FAR = 1.5
"""A tie at this ratio of distances is rather a lack of pictures."""
USELESS = 1.0
"""An error as large as the distance to another picture, which nobody wants however quick."""
NAMED = 4
"""So many are named in a sentence; of more, the number is told."""
NO_FIDELITY = "nothing judges these pictures' fidelity here, so no quality is claimed."

Frame = Any  # a DataFrame, whose stubs give every cell any type there is
Tables = Mapping[str, Frame]


def verdict(
    comparison: Comparison, tables: Tables, target: float = TARGET, lack: str = ""
) -> list[str]:
    """Return what the tables say, most important first.

    Args:
        comparison: What was compared.
        tables: Its tables.
        target: The error asked for, in standard deviations of the latents.
        lack: Why a picture has no reference, if that is known.
    """
    if not (tables["runs"]["state"] == "done").any():
        return ["No run is done, so there is nothing to compare.", *_failed(tables)]
    ranked, partly = _ranked(tables)
    said = [*_nearest(comparison, tables, ranked), *_reached(ranked, target)]
    said += [*_front(ranked), *_partly(partly)]
    said += _stochastic(comparison, tables)
    said += [*_one_picture(comparison, tables, ranked), *_unsure(ranked), *_unlike(tables)]
    said += [*_failed(tables), *_no_reference(comparison, tables, lack)]
    return said


def check_target(target: float) -> None:
    """Raise ``ValueError`` if an error asked for is not above 0.

    Raises:
        ValueError: Naming it.
    """
    if not target > 0:
        raise ValueError(f"target must be above 0, got {target}.")


def evaluations_for(nfe: Sequence[float], errors: Sequence[float], target: float) -> float:
    """Return the evaluations at which an error is first reached; NaN if it is not.

    Between two of them the error is interpolated linearly, log against log. Where the fewest tried
    already reach it, these are returned.

    Args:
        nfe: Evaluations, ascending.
        errors: The error at each.
        target: The error asked for.
    """
    for i, (count, error) in enumerate(zip(nfe, errors, strict=True)):
        if error > target:
            continue
        if i == 0 or not errors[i - 1] > error > 0:
            return float(count)
        share = math.log(errors[i - 1] / target) / math.log(errors[i - 1] / error)
        return float(nfe[i - 1] * (count / nfe[i - 1]) ** share)
    return math.nan


def reached(tables: Tables, target: float) -> str:
    """Return who reaches an error first and what the others need; "" where nobody is ranked.

    Args:
        tables: Of a comparison.
        target: The error asked for, in standard deviations of the latents; above 0.

    Raises:
        ValueError: If it is not.
    """
    check_target(target)
    return " ".join(_reached(_ranked(tables)[0], target))


def _ranked(tables: Tables) -> tuple[Frame, Frame]:
    """Return the rows of ``cost`` that distance may rank, and those that lack pictures for it.

    Ranked are rows without noise, with an error, over all the pictures that others have at the
    budget.
    """
    entrants, cost = tables["entrants"], tables["cost"]
    steady = entrants.loc[entrants["deterministic"], "entrant"]
    rows = cost[cost["entrant"].isin(steady) & cost["error"].notna()]
    whole = complete(rows)
    return rows[whole], rows[~whole]


def _nearest(comparison: Comparison, tables: Tables, ranked: Frame) -> list[str]:
    """Say who comes nearest at the first budget, and who cannot be told from it."""
    here = ranked[ranked["budget"] == comparison.budget].sort_values("error", kind="stable")
    if here.empty:
        return []
    best = here.iloc[0]
    unit = "evaluations" if comparison.align == "nfe" else "steps"
    budget = f"{comparison.budget} {unit if comparison.budget > 1 else unit[:-1]}"
    if len(here) == 1:
        return [f"{best['entrant']} ends {_error(best)} from the converged picture at {budget}."]
    said = (
        f"At a budget of {budget}, {best['entrant']} comes nearest to the converged picture:"
        f" {_error(best)} away ({_count(best['nfe'], 'evaluation')}); then"
        f" {_listed([f'{r.entrant} {r.error:.3g}' for r in here.iloc[1:].itertuples()])}."
    )
    ties = tables["ties"]
    ties = ties[ties["a"].isin(here["entrant"]) & ties["b"].isin(here["entrant"])]
    return [said, *_tied(ties, best["entrant"])]


def _partly(partly: Frame) -> list[str]:
    """Say who is left out of the order, having made only some of the pictures."""
    points = [
        f"{r.entrant} at {_count(r.nfe, 'evaluation')} ({_count(r.pictures, 'picture')})"
        for r in partly.itertuples()
    ]
    return [f"Not ranked, for others made more pictures: {_listed(points)}."] if points else []


def _tied(ties: Frame, best: str) -> list[str]:
    own = ties[((ties["a"] == best) | (ties["b"] == best)) & ties["p"].notna()]
    if own.empty:
        return []
    others, far = [], False
    for row in own[own["tied"]].itertuples():
        other, ratio = (row.b, 1 / row.ratio) if row.a == best else (row.a, row.ratio)
        far = far or ratio > FAR
        others.append(f"{other} ({ratio:.3g} times its distance, p = {_p(row.p)})")
    if not others:
        return [f"By more than luck: every other is farther off than {best} (paired, p < 0.05)."]
    rest = len(own) - len(others)
    rest_said = f" The other {rest} are farther off by more than luck." if rest > 1 else ""
    rest_said = " The one other is farther off by more than luck." if rest == 1 else rest_said
    hint = " More seeds or prompts may tell them apart." if far else ""
    return [f"Statistically tied with {best}: {_listed(others)}.{hint}{rest_said}"]


def _reached(ranked: Frame, target: float) -> list[str]:
    """Say who reaches the target first and what the others need for the same."""
    needed, missed, most = [], [], 0.0
    for label, rows in ranked.groupby("entrant", sort=False):
        ordered = rows.sort_values("nfe")
        nfe, errors = ordered["nfe"].astype(float).tolist(), ordered["error"].tolist()
        count = evaluations_for(nfe, errors, target)
        if math.isnan(count):
            missed.append(label)
            most = max(most, *nfe)
        else:
            needed.append((count, count == nfe[0], label))
    if not needed:
        if not missed:
            return []
        what = "it needs" if len(missed) == 1 else "they need"
        return [f"None reaches an error of {target:g} within {most:.0f} evaluations; {what} more."]
    needed.sort(key=lambda row: (row[0], not row[1]))
    fewest = needed[0][0]
    least = [f"{label} ({n:.0f})" for n, at_once, label in needed if at_once and n == fewest]
    if least:
        said = (
            f"An error of {target:g} is reached with the fewest evaluations tried by"
            f" {_listed(least)}"
        )
        rest = needed[len(least) :]
    else:
        (_, _, quickest), *rest = needed
        said = (
            f"An error of {target:g} is reached first by {quickest}, with about {fewest:.0f}"
            " evaluations"
        )
    slower = [
        f"{label} needs at most {count:.0f}, the fewest tried"
        if at_once
        else f"{label} needs about {count:.0f}"
        + (f" ({count / fewest:.1f} times as many)" if not least else "")
        for count, at_once, label in rest
    ]
    said += f"; {_listed(slower)}." if slower else "."
    if missed:
        said += f" Not reached with what was tried: {_listed(missed)}."
    return [said]


def _front(ranked: Frame) -> list[str]:
    front = ranked[ranked["pareto"] & (ranked["error"] < USELESS)].sort_values("error")
    if front.empty or len(ranked) < 2:
        return []
    points = [
        f"{r.entrant} with {_count(r.nfe, 'evaluation')} ({r.seconds:.2g} s, {r.error:.3g})"
        for r in front.itertuples()
    ]
    return [f"By the clock no other run is both quicker and nearer than {_listed(points)}."]


def _stochastic(comparison: Comparison, tables: Tables) -> list[str]:
    entrants = tables["entrants"]
    noisy = entrants.loc[~entrants["deterministic"], "entrant"].tolist()
    if not noisy:
        return []
    spread = tables["spread"]
    quality = tables["quality"]
    at_first = quality[(quality["budget"] == comparison.budget) & (quality["what"] == "all")]
    subject = "draws noise of its own" if len(noisy) == 1 else "draw noise of their own"
    whose = "its" if len(noisy) == 1 else "their"
    said = f"{_listed(noisy)} {subject}, so {whose} distance to the converged picture is no fault;"
    if at_first.empty:
        seeds = spread[spread["entrant"].isin(noisy) & (spread["what"] == "spread")]
        return [f"{said} {NO_FIDELITY}{_spreads(seeds)}"]
    shares = at_first.set_index("entrant")
    given = [f"{label} {_share(shares.loc[label])}" for label in noisy if label in shares.index]
    steady = shares.loc[[label for label in shares.index if label not in noisy]]
    beside = ""
    if len(steady):
        best = steady["share"].astype(float).idxmax()
        beside = f" (of those without noise the best, {best}: {_share(steady.loc[best])})"
    if not given:
        return []
    return [f"{said} the prompt's statements fulfilled: {_listed(given)}{beside}."]


def _spreads(seeds: Frame) -> str:
    known = seeds[seeds["mean"].notna()]
    if known.empty:
        return ""
    rows = [f"{r.entrant} {r.mean:.2f}" for r in known.itertuples()]
    return f" Spread between seeds: {_listed(rows)}."


def _one_picture(comparison: Comparison, tables: Tables, ranked: Frame) -> list[str]:
    pictures = int(tables["cost"]["pictures"].max()) if len(tables["cost"]) else 0
    several = ranked["entrant"].nunique() > 1
    if pictures == 1 and len(comparison.pictures) == 1 and several:
        return ["Add seeds or prompts: with one picture luck cannot be told from skill."]
    if pictures < PICTURES and several:
        return [f"Fewer than {PICTURES} pictures are compared, so no ties are told; add seeds."]
    return []


def _unsure(ranked: Frame) -> list[str]:
    """Say where the reference itself is not converged enough to tell."""
    if ranked.empty:
        return []
    near = ranked[ranked["floor"] > TENTH * ranked["error"]]
    if not len(near):
        return []
    floor = float(near["floor"].iloc[0])
    points = [f"{r.entrant} at {_count(r.nfe, 'evaluation')}" for r in near.itertuples()]
    return [
        f"The reference's own error, about {floor:.2g}, is more than a tenth of the error of"
        f" {_listed(points)}: do not trust small differences there, or raise reference_steps."
    ]


def _unlike(tables: Tables) -> list[str]:
    """Say who does not follow the same ODE from the same start."""
    entrants = tables["entrants"]
    steady = entrants[entrants["deterministic"] & (entrants["notes"] != "")]
    if steady.empty:
        return []
    if len(steady) == 1:
        row = steady.iloc[0]
        return [f"Compare {row['entrant']} with care. {row['notes']}"]
    return [
        f"Compare with care, for reasons in their notes: {_listed(steady['entrant'].tolist())}."
    ]


def _failed(tables: Tables) -> list[str]:
    said = []
    runs = tables["runs"]
    for label, rows in runs[runs["state"] == "failed"].groupby("entrant", sort=False):
        reason = str(rows["error"].iloc[0]).strip().rstrip(".")
        of = len(runs[runs["entrant"] == label])
        said.append(f"{label} failed in {len(rows)} of {_count(of, 'run')}: {reason}.")
    absent = runs[runs["state"].isin(("cancelled", "missing"))]
    if len(absent):
        said.append(f"{len(absent)} of {len(runs)} runs are not done and not counted.")
    return said


def _no_reference(comparison: Comparison, tables: Tables, lack: str) -> list[str]:
    absent = len(comparison.pictures) - len(tables["references"])
    if not absent:
        return []
    why = f" ({lack.strip().rstrip('.')})" if lack else ""
    of = f"{absent} of {_count(len(comparison.pictures), 'picture')}"
    return [f"The reference of {of} is not done{why}, so no distance to it is told."]


def _error(row: Any) -> str:
    interval = "" if np.isnan(row["low"]) else f" (95 %: {row['low']:.3g} to {row['high']:.3g})"
    return f"{row['error']:.3g} standard deviations{interval}"


def _share(row: Any) -> str:
    return f"{row['share']:.2f} (95 %: {row['low']:.2f} to {row['high']:.2f})"


def _p(value: float) -> str:
    return "1" if value >= 0.995 else f"{value:.2g}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(parts: Sequence[str]) -> str:
    """Return parts as a list in words; of many, the first and how many more there are."""
    if len(parts) > NAMED + 1:
        return f"{', '.join(parts[:NAMED])} and {len(parts) - NAMED} more"
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
