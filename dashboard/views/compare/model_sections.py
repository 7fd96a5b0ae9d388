"""The section that sets two models side by side: same captions, same seeds, same checker."""

from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.charts import compare_across
from dashboard.components.tiles import Tile, show_tiles
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.model_choice import ask_for, in_words
from dashboard.shell.navigation import follow, page_path
from dashboard.shell.routes import page_url, picture_url
from dashboard.views.compare.earlier import SHOWN
from dashboard.views.compare.form import as_parameters
from dashboard.views.compare.live import picture_size
from dashboard.views.compare.section_tools import Shown, say_nothing
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.worker.snapshots import ModelRequest
from sdlab.comparing.across import COLUMNS, across, comparable, pairs_of
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.result import FOLDER, Result, open_result
from sdlab.errors import StoreError
from sdlab.runs.reading import MANIFEST
from sdlab.shipped import EMBEDDED, FLOW, SHIPPED

PAIRS = 6
OWN = {
    EMBEDDED: (("ddim", None), ("dpmpp_2m", "karras")),
    FLOW: (("euler", None), ("dpmpp_2m", None)),
}
"""What suits each: its own scheduler's method, and a multistep one of second order."""
_NONE = (
    "No comparison of another model here has a prompt, a seed and a budget in common with this "
    "one. Both embedded models draw the same world, and the same checker judges both."
)
_LEARN = (
    "The world, the VAE, the first text encoder, the captions, the start noise and the judge are "
    "the same for both embedded models, so what differs comes of the network, of what it predicts "
    "and of how it was trained. A difference whose interval holds 0 is not shown: add prompts and "
    "seeds before reading anything into where the lines lie."
)


def other_model(shown: Shown) -> None:
    """Draw this comparison against one of another model."""
    result = shown.result
    others = comparable(result, stored(lab().runs))
    if not others:
        say_nothing(_NONE)
        _make(shown.comparison)
        return
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        labels = {f"{in_words(one.model_name)}, {one.created[:16]}": one for one in others}
        other = labels[bound().selectbox("Against", list(labels), key=f"{shown.page}.against")]
        entrant = _sampler(shown.page, result, "first")
        entrant_other = _sampler(shown.page, other, "other")
    table = across(result, other, entrant, entrant_other)
    if table.empty:
        say_nothing("None of their pictures of one prompt and seed are both done and judged.")
        return
    names = in_words(result.model_name), in_words(other.model_name)
    figure(
        compare_across.across(table, *names),
        f"{_said(table, *names)}",
        more="A pair is one prompt and seed, from the same start noise, in both models. Hover for "
        "the difference of the pairs and its 95 % interval.",
    )
    why(_LEARN)
    _pictures(shown, pairs_of(result, other, entrant, entrant_other), names)
    columns = {
        name: st.column_config.Column(name, help=f"{text} ({unit})" if unit else text)
        for name, (unit, text) in COLUMNS.items()
    }
    csv_table(
        table,
        "compare-models",
        f"{shown.page}.csv_models",
        "One row a budget.",
        columns,
        shown=True,
    )


def stored(runs: Path) -> list[Result]:
    """Return the stored comparisons, the latest first; damaged ones are left out."""
    paths = list((runs / FOLDER).glob(f"*/{MANIFEST}"))
    found = []
    for path in sorted(paths, key=lambda one: -one.stat().st_mtime)[:SHOWN]:
        try:
            found.append(open_result(runs, path.parent.name))
        except StoreError:
            continue  # the list of comparisons says so
    return found


def _sampler(page: str, result: Result, which: str) -> str:
    labels = list(dict.fromkeys(result.tables["runs"]["entrant"]))
    label = f"{in_words(result.model_name)} by"
    chosen: str = bound().selectbox(label, labels, key=f"{page}.across_{which}")
    return chosen


def _said(table: pd.DataFrame, first: str, other: str) -> str:
    """Return in a sentence how far apart the two are at the largest budget."""
    row = table.sort_values("budget").iloc[-1]
    more, half = float(row["more"]), float(row["half"])
    if not abs(more) > half:
        return (
            f"At {row['nfe']:.0f} evaluations {plain(first)} and {plain(other)} cannot be told "
            f"apart: {more:+.2f} of the statements, over {row['pictures']:.0f} pairs."
        )
    ahead, behind = (other, first) if more > 0 else (first, other)
    return (
        f"At {row['nfe']:.0f} evaluations {plain(ahead)} shows {abs(more):.2f} more of the "
        f"statements than {plain(behind)} (95 %: {abs(more) - half:.2f} to {abs(more) + half:.2f}, "
        f"over {row['pictures']:.0f} pairs)."
    )


def _pictures(shown: Shown, pairs: pd.DataFrame, names: tuple[str, str]) -> None:
    """Draw the first pairs at one budget."""
    rows = pairs[pairs["budget"] == shown.comparison.budget].head(PAIRS)
    tiles = []
    for row in rows.to_dict("records"):
        caption = f"{row['prompt']}, seed {row['seed']}"
        for place, (name, color) in enumerate(zip(names, compare_across.COLORS, strict=True)):
            ending = "_other" * place
            run = str(row[f"run{ending}"])
            tiles.append(
                Tile(
                    id=run,
                    name=name,
                    color=color,
                    state="done",
                    src=picture_url(run),
                    alt=f"{caption}, by {name}",
                    line=f"{row[f'fidelity{ending}']:.0%} · {row[f'nfe{ending}']} evaluations",
                    href=page_url(f"run?id={run}"),
                    heading="" if place else caption,
                )
            )
    size = picture_size(shown.comparison)
    show_tiles(tiles, size, f"Pairs of {' and '.join(names)}", f"{shown.page}.pairs", follow, 2)


def _make(comparison: Comparison) -> None:
    """Offer the same comparison on the other embedded model."""
    if comparison.model not in SHIPPED:
        return
    name = next(one for one in SHIPPED if one != comparison.model)
    st.button(
        f"Set it up on {name}",
        key="compare.set_up_other",
        icon=":material/deployed_code:",
        on_click=_set_up,
        args=(comparison, name),
        help="Loads that model and fills the form: the same prompts, seeds and budgets, counted in "
        "evaluations, by the samplers that suit it.",
    )


def _set_up(comparison: Comparison, name: str) -> None:
    ask_for(ModelRequest(name))
    st.session_state["compare.to_set_up"] = counterpart(comparison, name)


def counterpart(comparison: Comparison, name: str) -> Comparison:
    """Return what to ask another embedded model for, to compare the two."""
    return comparison.with_(
        model=name,
        entrants=tuple(Entrant(solver, curve=curve) for solver, curve in OWN[name]),
        curve=None,
        reference_steps=0,
    )


def follow_set_up() -> None:
    """Go to the form of a comparison that was asked for by ``_make``."""
    wanted = st.session_state.pop("compare.to_set_up", None)
    if wanted is not None:
        st.switch_page(page_path("compare"), query_params=as_parameters("compare", wanted))
