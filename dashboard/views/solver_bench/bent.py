"""Why a line of the bench bends, where lint knows it, with the way to what it says."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.shell.messages import plain
from dashboard.shell.navigation import link_to
from dashboard.widgets.lint_choice import SLOW_STEPS
from dashboard.widgets.sampler_rows import Row

UNEVEN = 0.75
"""Slopes of one line that differ by more than this make it bent."""
WORSE = 1.2
"""An error that grows by more than this with more steps is no scatter."""
BENDS = (
    "spacing-mismatch",
    "solver-off-level",
    "repeated-sigma",
    "ends-above-zero",
    "order-lowered",
)
"""Lint's rules whose findings bend a line of error against steps, the worst first."""


def say_bent(errors: pd.DataFrame, rows: Sequence[Row], path: str) -> None:
    """Draw which lines bend for a reason that lint knows, and the link to its findings.

    Args:
        errors: What was measured.
        rows: The solvers.
        path: "vp" or "flow", on which another page's lint would look at another schedule.
    """
    if path != "vp":
        return
    names, rising, steps = bent(errors), worse(errors), _steps(errors)
    found = {row.text: finding(row, steps) for row in rows if row.text in {*names, *rising}}
    told = {text: said for text, said in found.items() if said}
    for why in dict.fromkeys(told.values()):
        who = [text for text in told if told[text] == why]
        how = [f"**{plain(text)}** {plain(rising.get(text, 'is a bent line'))}" for text in who]
        st.markdown(f"{'; '.join(how)}. {plain(why)}")
    if told:
        fields: dict[str, str | list[str]] = {
            "schedules.rows": list(told),
            "schedules.steps": str(steps),
        }
        link_to("noise_schedules", "What lint says", **fields)


def worse(errors: pd.DataFrame) -> dict[str, str]:
    """Return the solvers that end further from the truth with more steps, each with its figures."""
    said = {}
    for name, rows in errors.dropna(subset=["error"]).groupby("solver", sort=False):
        line = rows.sort_values("num_steps")
        least, last = line.nsmallest(1, "error").iloc[0], line.iloc[-1]
        if last["error"] > WORSE * least["error"]:
            said[str(name)] = (
                f"gets worse with more steps: error {least['error']:.2g} with "
                f"{int(least['num_steps'])}, {last['error']:.2g} with {int(last['num_steps'])}"
            )
    return said


def bent(errors: pd.DataFrame) -> list[str]:
    """Return the solvers whose line of error against steps, on log axes, is not straight."""
    names = []
    for name, rows in errors.groupby("solver", sort=False):
        line = rows[rows["error"] > 0].sort_values("num_steps")
        slopes = np.diff(np.log(line["error"])) / np.diff(np.log(line["num_steps"]))
        if len(slopes) > 1 and slopes.max() - slopes.min() > UNEVEN:
            names.append(str(name))
    return names


@st.cache_data(max_entries=256, show_spinner=False)
def finding(row: Row, num_steps: int) -> str:
    """Return what lint finds that bends a solver's line, its worst; "" if nothing is known.

    With what it does, in the words of the rule.
    """
    import sdlab
    from sdlab.linting import rules

    try:
        table = sdlab.lint(row.name, num_steps, **row.arguments())
    except ValueError:
        return ""  # the bench's table says so
    known = table.drop_duplicates("rule").set_index("rule")
    rule = next((rule for rule in BENDS if rule in known.index), "")
    if not rule:
        return ""
    details = rules().set_index("rule")["details"].to_dict()[rule]
    return f"{known['explanation'].to_dict()[rule]} {details} ({rule})"


def _steps(errors: pd.DataFrame) -> int:
    """Return the most steps that were measured and that lint takes at once."""
    few = errors.loc[errors["num_steps"] <= SLOW_STEPS, "num_steps"]
    return int(few.max()) if len(few) else SLOW_STEPS
