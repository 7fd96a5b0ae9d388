"""Audits as rows of a table, and the table of known samplers that comes with sdlab."""

from pathlib import Path
from typing import Any

import pandas as pd

from sdlab.auditing.accuracy import COSTS
from sdlab.auditing.audit import Audit
from sdlab.auditing.conditions import FINE

FILE = Path(__file__).with_name("known.csv")
COLUMNS = {
    "sampler": "its name",
    "source": "where it is from, with its version",
    "kind": "solver, function (of k-diffusion's shape), scheduler; ends: of it only ends are known",
    "draws_noise": "whether its end depends on noise",
    "evaluations_per_step": "evaluations that one step more takes",
    "order": "order before a last jump to 0, weak of one that draws noise; empty: no straight line",
    "order_low": "lower end of its 95 % interval",
    "order_high": "upper end of its 95 % interval",
    "order_quiet": "with the noise off: order particle by particle",
    "order_flow": "the order over flow matching's times",
    **{f"error_{n}": f"error at {n} evaluations, over the data's spread" for n in COSTS},
    "floor": "where the error stops falling",
    "keeps_marginals": "of one that draws noise: whether mean and variance come out right",
    "not_taken": "levels at the edge at which it ends in NaN or refuses",
    "equals": "known samplers that end at the same place",
    "date": "when it was audited",
}


def known() -> pd.DataFrame:
    """Return the audits of known samplers that come with sdlab, one row each: ``COLUMNS``."""
    return pd.read_csv(FILE).reindex(columns=list(COLUMNS))


def row_of(found: Audit) -> dict[str, Any]:
    """Return an audit as a row: ``COLUMNS``."""
    first, flow = found.first, found.on.get("flow")
    quiet = found.quiet.get(first.path)
    return {
        "sampler": found.sampler,
        "source": f"sdlab {found.versions['sdlab']}" if found.source == "sdlab" else found.source,
        "kind": found.kind,
        "draws_noise": found.draws_noise,
        "evaluations_per_step": found.evaluations_per_step,
        "order": first.order,
        "order_low": first.order_low,
        "order_high": first.order_high,
        "order_quiet": quiet.order if quiet else None,
        "order_flow": flow.order if flow else None,
        **{f"error_{n}": error for n, error in first.error.items()},
        "floor": first.floor,
        "keeps_marginals": first.marginals.keeps if first.marginals else None,
        "not_taken": "; ".join(name for name, what in found.conditions.items() if what != FINE),
        "equals": "; ".join(found.equals),
        "date": found.date,
    }
