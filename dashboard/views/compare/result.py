"""A finished comparison: the verdict, the tiles, and what lies below them."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.components.tiles import Tile, show_tiles
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.model_choice import say_swap
from dashboard.shell.navigation import follow
from dashboard.shell.routes import page_url, picture_url
from dashboard.views.compare.asked_comparisons import may_share
from dashboard.views.compare.choice import choose_picture
from dashboard.views.compare.files import files
from dashboard.views.compare.live import REFERENCE_COLOR, picture_size
from dashboard.views.compare.rows import looks
from dashboard.views.compare.sections import show_sections
from dashboard.views.compare.unfair import say_off_curve, say_unfair
from dashboard.views.compare.viewer import difference_viewer
from dashboard.widgets.run_stage import SHARED
from dashboard.widgets.run_states import made_by
from sdlab.comparing.columns import REFERENCE
from sdlab.comparing.result import Result, open_result, result_path
from sdlab.comparing.verdict import paired_ratios
from sdlab.comparing.worth import worth
from sdlab.runs.reading import MANIFEST
from sdlab.sampler_names import short_names

_REPLACED = "its picture was removed, or made again by other weights"


def made_at(runs: Path, comparison: str) -> float:
    """Return when a result was written, seconds of the clock; 0 if there is none."""
    try:
        return (result_path(runs, comparison) / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0


@lru_cache(maxsize=8)
def opened(runs: Path, comparison: str, made: float) -> Result:
    """Return a stored result; ``made`` is its time, so that a new one is read again.

    Raises:
        StoreError: If it is damaged.
    """
    return open_result(runs, comparison)


def show_result(page: str, result: Result, again: Callable[[], None] | None) -> None:
    """Draw a result.

    Args:
        page: For the widget keys.
        result: What was found.
        again: Called to run what is not done; None where the page does not know how.
    """
    _facts(result)
    _verdict(result)
    entrants = result.tables["entrants"].query("notes != ''")
    if len(entrants):
        said = dict(zip(entrants["entrant"], entrants["notes"], strict=True))
        say_unfair(f"{page}.shown", said)
    say_off_curve(result.comparison)
    _missing(page, result, again)
    tiles(page, result)
    show_sections(page, result)
    difference_viewer(page, result)
    files(page, result)


def ranked(result: Result, prompt: str, seed: int, budget: int) -> pd.DataFrame:
    """Return the runs of one picture at one budget: the ranked ones, those with notes, the rest.

    Each by distance: those that can be compared fairly, those with notes, those that draw noise.

    Returns:
        Rows of ``runs`` with ``deterministic``, ``notes``, and ``rank``, from 1, of the ranked.
    """
    runs = result.tables["runs"]
    rows = runs[(runs["prompt"] == prompt) & (runs["seed"] == seed) & (runs["budget"] == budget)]
    about = result.tables["entrants"][["entrant", "deterministic", "notes"]]
    rows = rows.merge(about, on="entrant")
    steady = rows["deterministic"].fillna(False).astype(bool) & rows["distance"].notna()
    group = (rows["notes"] != "").astype(int).where(steady, 2) + 2 * (rows["state"] != "done")
    rows = rows.assign(group=group).sort_values(["group", "distance"], kind="stable")
    rank = pd.Series(range(1, len(rows) + 1), index=rows.index, dtype="Int64")
    return rows.assign(rank=rank.where(rows["group"] == 0)).drop(columns="group")


def is_of(result: Result, run: str) -> bool:
    """Return whether a run is still stored as the weights made it that the result is of."""
    return made_by(lab().runs, run) == result.model_hash


def tiles(page: str, result: Result) -> None:
    """Draw the tiles of the chosen picture, the nearest to the reference first."""
    comparison = result.comparison
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        prompt, seed = choose_picture(page, comparison)
        budget = choose_budget(page, result)
    names = short_names(entrant.label for entrant in comparison.entrants)
    colors, _ = looks(comparison.entrants)
    rows = ranked(result, prompt, seed, budget)
    drawn = [_reference(result, prompt, seed)]
    for row in rows.to_dict("records"):
        drawn.append(_tile(row, names[row["entrant"]], colors, prompt, result))
    order = "the nearest to the reference first" if drawn[0] else "as listed in the form"
    label = f"{prompt}, seed {seed}, {order}"
    show_tiles([t for t in drawn if t], picture_size(comparison), label, f"{page}.tiles", follow)
    st.caption(
        f"{order[0].upper()}{order[1:]}; click a picture to open its run.",
        help="Distances are in standard deviations of the reference's latents: 1 is as far as "
        "another picture. Stochastic samplers are not ranked by distance: they are allowed to "
        "differ. Samplers marked *with care* are not ranked either; their notes say why."
        + (" Percent: of the prompt's statements." if rows["fidelity"].notna().any() else ""),
    )


def choose_budget(page: str, result: Result) -> int:
    """Draw the choice of a budget where there is one, and return it."""
    comparison = result.comparison
    if len(comparison.budgets) == 1:
        return comparison.budget
    word = "evaluations" if comparison.align == "nfe" else "steps"
    return bound().segmented_control(
        f"Budget ({word})",
        comparison.budgets,
        default=comparison.budget,
        key=f"{page}.at",
    )


def _facts(result: Result) -> None:
    comparison = result.comparison
    word = "evaluations" if comparison.align == "nfe" else "steps"
    more = [b for b in comparison.budgets if b != comparison.budget]
    parts = [
        f"{len(comparison.entrants)} samplers",
        f"{len(comparison.pictures)} picture" + "s" * (len(comparison.pictures) > 1),
        f"{comparison.budget} {word}" + (f", also {', '.join(map(str, more))}" if more else ""),
        f"CFG {comparison.guidance_scale:g}",
        f"curve {comparison.curve or 'as trained'}",
        *(["fast mode"] if comparison.fast else []),
        f"{result.model_name} {result.model_hash[:8]}",
    ]
    prompts = plain("; ".join(comparison.prompts[:3])) + " …" * (len(comparison.prompts) > 3)
    st.subheader(prompts, anchor=False)
    shared = may_share(lab().runs, result.id)
    made = "made in shared calls" if shared else "each run exact"
    st.caption(plain(" · ".join([*parts, made])), help=SHARED if shared else None)


def _verdict(result: Result) -> None:
    """Draw the verdict: its first sentence, the paired ratios, what evaluations are worth."""
    with st.container(border=True, key="compare_verdict", gap="small"):
        first, *others = [plain(sentence) for sentence in result.verdict]
        st.markdown(f":material/gavel: **{first}**")
        of = result.comparison, result.tables
        for said in (*paired_ratios(*of), *worth(*of)):
            st.markdown(plain(said))
        if others:
            with st.expander("The figures behind it, and what is not ranked", type="compact"):
                st.markdown("\n".join(f"- {sentence}" for sentence in others))


def _missing(page: str, result: Result, again: Callable[[], None] | None) -> None:
    states = result.tables["runs"]["state"]
    counts = states[states != "done"].value_counts()
    said = []
    if len(counts):
        words = ", ".join(f"{count} {state}" for state, count in counts.items())
        said += [f"Of {len(states)} runs not done: {words}. The figures are of those that are."]
    if lacking := result.unreferenced:
        pictures = len(result.comparison.pictures)
        said += [f"References not done, or not at both step counts: {lacking} of {pictures}."]
    if not said:
        return
    if again is not None:
        say_swap(result.model_name)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(" ".join(said), icon=":material/rule:")
        if again is not None:
            st.button("Run the rest", key=f"{page}.rest", icon=":material/replay:", on_click=again)


def _reference(result: Result, prompt: str, seed: int) -> Tile | None:
    table = result.tables["references"]
    rows = table[(table["prompt"] == prompt) & (table["seed"] == seed)]
    if rows.empty or not rows["run"].iloc[0]:
        return None
    run, nfe = rows["run"].iloc[0], rows["nfe"].iloc[0]
    here = is_of(result, run)
    return Tile(
        id=REFERENCE,
        name=REFERENCE,
        color=REFERENCE_COLOR,
        state="done",
        src=picture_url(run, result.created) if here else "",
        alt=f"The converged picture of: {prompt}" if here else "",
        line=f"Heun, {nfe} evaluations" + ("" if here else f" · {_REPLACED}"),
        href=page_url(f"run?id={run}") if here else "",
    )


def _tile(
    row: dict[Any, Any], name: str, colors: dict[str, str], prompt: str, result: Result
) -> Tile:
    done = row["state"] == "done"
    here = done and is_of(result, str(row["run"]))
    figures = [] if pd.isna(row["distance"]) else [f"{row['distance']:.3g} std"]
    figures += [] if pd.isna(row["nfe"]) else [f"{row['nfe']} evaluations"]
    figures += [] if pd.isna(row["fidelity"]) else [f"{row['fidelity']:.0%} of the prompt"]
    figures += [_REPLACED] if done and not here else []
    badge = "" if pd.isna(row["rank"]) else str(row["rank"])
    if done and row["notes"]:
        badge = "with care" if row["deterministic"] else "draws noise"
    return Tile(
        id=str(row["entrant"]),
        name=name,
        color=colors[name],
        state=str(row["state"]),
        src=picture_url(str(row["run"]), result.created) if here else "",
        alt=f"Picture by {name} of: {prompt}" if here else "",
        line=" · ".join(figures) if done else str(row["state"]),
        badge=badge,
        error=str(row["error"] or ""),
        href=page_url(f"run?id={row['run']}") if here else "",
        first=row["rank"] is not pd.NA and row["rank"] == 1,
    )
