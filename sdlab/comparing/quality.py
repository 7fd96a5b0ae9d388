"""Fidelity: whether the pictures show what their prompts state, by the embedded world's checker.

Only for the embedded model, whose world the checker knows, and for prompts about that world.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.comparing.outcomes import RunOutcomes

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.embedded.claims import Claims

KINDS = ("object", "colour", "background", "relation")
ALL = "all"
AT_ONCE = 16

# By run id: each statement of the prompt, its kind, and whether the picture fulfils it.
Verdicts = Mapping[str, list[tuple[str, bool]]]


def judged(outcomes: RunOutcomes) -> dict[str, list[tuple[str, bool]]]:
    """Return for each run id the kinds of the prompt's statements and whether they hold.

    Empty if the model is not the checker's; runs whose prompt states nothing are left out.
    """
    if not outcomes.model.judged:
        return {}
    from sdlab.embedded.checker import judge, shipped
    from sdlab.embedded.claims import parse

    claims = {prompt: parse(prompt) for prompt in outcomes.comparison.prompts}
    kinds = {prompt: kinds_of(stated) for prompt, stated in claims.items()}
    runs = {
        o.run.id: (o.run, o.cell.prompt) for o in outcomes.done if o.run and kinds[o.cell.prompt]
    }
    verdicts = {}
    waiting = list(runs.items())
    for first in range(0, len(waiting), AT_ONCE):
        part = waiting[first : first + AT_ONCE]
        seen = shipped().look([run.image for _, (run, _) in part])
        for (key, (_, prompt)), shows in zip(part, seen, strict=True):
            verdict = judge(shows, claims[prompt])
            verdicts[key] = [(kinds[prompt][statement], hit) for statement, hit in verdict.items()]
    return verdicts


def kinds_of(claims: "Claims") -> dict[str, str]:
    """Return every statement that ``judge`` makes of a caption's claims, and its kind.

    A size ("small sun") is of no kind of its own; it counts only in "all".
    """
    kinds = {}
    for thing in claims.things:
        label = thing.name if thing.number == 1 else f"{thing.number} {thing.name}"
        kinds[label] = "object"
        if thing.colour:
            kinds[f"{thing.colour} {thing.name}"] = "colour"
        if thing.size:
            kinds[f"{thing.size} {thing.name}"] = "size"
    if claims.relation:
        first, second = claims.things[:2]
        kinds[f"{first.name} {claims.relation} {second.name}"] = "relation"
    if claims.background:
        kinds[f"on {claims.background}"] = "background"
    return kinds


def fidelity(verdicts: Verdicts) -> dict[str, float]:
    """Return by run id the share of the prompt's statements that the picture fulfils."""
    return {run: float(np.mean([hit for _, hit in made])) for run, made in verdicts.items()}


def quality(
    outcomes: RunOutcomes, costs: "pd.DataFrame", verdicts: Verdicts
) -> list[dict[str, Any]]:
    """Return one row an entrant, budget and kind of statement.

    The statements of one picture depend on each other (no car, no red car), so the interval is as
    wide as if each picture had one statement.

    Args:
        outcomes: The runs.
        costs: The ``cost`` table.
        verdicts: Of ``judged``.
    """
    if not verdicts:
        return []
    from sdlab.intervals import share

    hits: dict[tuple[str, int], list[list[tuple[str, bool]]]] = {}
    for outcome in outcomes.done:
        key = (outcome.cell.entrant, outcome.cell.budget)
        hits.setdefault(key, []).append(verdicts.get(outcome.cell.experiment.id, []))
    rows = []
    for entrant, budget, nfe in costs[["entrant", "budget", "nfe"]].itertuples(index=False):
        row = {"entrant": entrant, "budget": budget, "nfe": nfe}
        pictures = hits.get((entrant, budget), [])
        for what in (*KINDS, ALL):
            counted = [[hit for kind, hit in made if what in (kind, ALL)] for made in pictures]
            counted = [picture for picture in counted if picture]
            if counted:
                figure = share([hit for picture in counted for hit in picture], len(counted))
                interval = {"share": figure.value, "low": figure.low, "high": figure.high}
                rows.append({**row, "what": what, **interval, "statements": figure.samples})
    return rows
