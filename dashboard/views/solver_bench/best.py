"""Which solver is best for so many evaluations, what a second one a step gains, what fewer lose."""

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import plain
from dashboard.shell.navigation import link_to
from dashboard.views.solver_bench import data
from dashboard.views.solver_bench.controls import BenchSettings
from sdlab.bench.cost import steps_within
from sdlab.comparing.verdict import EQUAL
from sdlab.comparing.words import counted, listed
from sdlab.comparing.worth import TWICE

MANY = 50
"""Evaluations to which fewer are compared."""
EXACT = (
    "The data are a toy: their exact denoiser is known and stands in the network's place, so every "
    "error is the solver's own. That shows orders, and why a line bends; who comes first on a "
    "network, and by how much, may differ. Compare measures it on the loaded model."
)


def say_best(page: str, errors: pd.DataFrame, settings: BenchSettings) -> None:
    """Draw the choice of a number of evaluations and, in sentences, who is best at it.

    Args:
        page: For the widget keys.
        errors: What was measured over the step counts.
        settings: Of whom, on what.
    """
    field, sentences = st.columns([2, 9], gap="medium")
    count = bound(field).number_input("Evaluations to spend", 1, 1000, 10, key=f"{page}.at")
    with sentences:
        found = at(errors, settings, int(count))
        many = at(errors, settings, MANY) if count < MANY else None
        said = [best(found, int(count)), *second(found), fewer(found, many, int(count))]
        for sentence in filter(None, said):
            st.markdown(plain_but_bold(sentence))
    st.caption(EXACT)
    fields: dict[str, str | list[str]] = {
        "compare.budget": str(int(count)),
        "compare.align": "Evaluations",
    }
    rows = [row.text for row in settings.rows]
    with st.container(horizontal=True):
        link_to("compare", "The same on the loaded model", **{"compare.samplers": rows, **fields})
        if count < MANY:
            against: dict[str, str | list[str]] = {**fields, "compare.more": str(MANY)}
            link_to("compare", f"{count} against {MANY} on the loaded model", **against)


def at(errors: pd.DataFrame, settings: BenchSettings, count: int) -> pd.DataFrame:
    """Return the errors of those that draw no noise, with at most so many evaluations each.

    Args:
        errors: What was measured over the step counts, which tells a step's evaluations.
        settings: Of whom, on what.
        count: Evaluations.

    Returns:
        Rows of ``sdlab.bench.errors``, the nearest to the truth first.
    """
    steady = errors[(errors["measure"] == "strong") & errors["error"].notna()]
    steps = {
        str(name): steps_within(dict(zip(rows["num_steps"], rows["nfe"], strict=True)), count)
        for name, rows in steady.groupby("solver", sort=False)
    }
    asked = [(row, steps[row.text]) for row in settings.rows if steps.get(row.text, 0) > 0]
    parts = [
        data.at_steps(row, settings.problem, number, settings.end, settings.path)
        for row, number in asked
    ]
    found = pd.concat([steady.head(0), *parts], ignore_index=True)
    found = found[found["error"].notna() & (found["nfe"] <= count)]
    return found.sort_values("error", kind="stable").reset_index(drop=True)


def best(found: pd.DataFrame, count: int) -> str:
    """Return who is best with so many evaluations, and how far the others end; "" for nobody."""
    if found.empty:
        return ""
    first = found.iloc[0]["error"]
    equal = found[found["error"] <= first * (1 + EQUAL)]
    names = listed(equal["solver"].tolist())
    rest = found.iloc[len(equal) :]
    then = listed([f"{row.solver} {row.error:.2g}" for row in rest.itertuples()])
    spent = counted(count, "evaluation")
    return f"**Best at {spent}: {names}**, error {first:.2g}" + (f"; then {then}." if then else ".")


def second(found: pd.DataFrame) -> list[str]:
    """Return for those that ask more than once a step whether that is worth it at equal cost."""
    each = found["nfe"] / found["num_steps"]
    twice, once = found[each >= TWICE], found[each < TWICE]
    return [] if once.empty else [_weighed(row, once.iloc[0]) for _, row in twice.iterrows()]


def _weighed(two: pd.Series, one: pd.Series) -> str:
    """Return whether a solver that asks twice a step is worth it beside one that asks once."""
    gain = two["error"] / one["error"]
    worth = (
        f"not worth it here: {one['solver']} ends {gain:.1f} times nearer"
        if gain > 1
        else f"worth it here: {one['solver']} ends {1 / gain:.1f} times as far away"
    )
    return (
        f"{two['solver']} asks more than once a step, so {counted(int(two['nfe']), 'evaluation')} "
        f"are {counted(int(two['num_steps']), 'step')}, error {two['error']:.2g}. At equal cost "
        f"that is {worth} with {counted(int(one['num_steps']), 'step')} of one each."
    )


def fewer(found: pd.DataFrame, many: pd.DataFrame | None, count: int) -> str:
    """Return how much so few evaluations lose against ``MANY``; "" where that is not known."""
    if found.empty or many is None or many.empty:
        return ""
    few, more = found.iloc[0], many.iloc[0]
    return (
        f"With {MANY} evaluations the best is {more['solver']}, error {more['error']:.2g}: with "
        f"{count} the best ends {few['error'] / more['error']:.2g} times as far from the truth."
    )


def plain_but_bold(said: str) -> str:
    """Return a sentence as Markdown in which only bold is marked."""
    return "**".join(plain(part) for part in said.split("**"))
