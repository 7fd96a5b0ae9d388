"""A comparison in progress: tiles that fill in, progress, cancel; then its summing up."""

from collections.abc import Mapping

import streamlit as st

from dashboard.components.tiles import show_tiles
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, show_error
from dashboard.shell.model_choice import say_swap
from dashboard.shell.navigation import follow
from dashboard.shell.state import come_back, session_id
from dashboard.shell.visitor import visitor
from dashboard.views.compare.asked_comparisons import ask
from dashboard.views.compare.choice import choose_picture
from dashboard.views.compare.result_maker import summaries
from dashboard.views.compare.rows import looks
from dashboard.views.compare.run_states import states
from dashboard.widgets.live_runs import live_runs
from dashboard.widgets.run_states import RunState
from dashboard.widgets.run_tile import run_tile
from dashboard.widgets.ticking_panel import ticking_panel
from sdlab.comparing.columns import REFERENCE
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.sampler_names import short_names

OTHERS = "Others wait for these runs, so they go on without you."
REFERENCE_COLOR = "#8a90a3"


def live_panel(page: str, needed: NeededRuns) -> None:
    """Draw a comparison that has no result yet; keeps itself up to date while anything runs."""
    found = states(lab(), needed)
    if any(state.live for state in found.values()):
        ticking_panel(lambda: _draw(page, needed))
    elif any(state.state in ("missing", "interrupted") for state in found.values()):
        _stopped(page, needed, found)
    else:
        _summing(page, needed, found)


def _draw(page: str, needed: NeededRuns) -> bool:
    found = states(lab(), needed)
    going = live_runs(
        page,
        needed.id,
        found,
        needed.experiments,
        words="{evaluations} · {ended} of {count} runs ended",
        others=OTHERS,
        about="What is done is kept, and the results are shown for it.",
        key=f"{page}_progress",
    )
    if going:
        draw_tiles(page, needed, found)
    return going


def draw_tiles(page: str, needed: NeededRuns, found: Mapping[str, RunState]) -> None:
    """Draw the tiles of the chosen picture at the comparison's first budget."""
    comparison = needed.comparison
    prompt, seed = choose_picture(page, comparison)
    labels = [entrant.label for entrant in comparison.entrants]
    names, (colors, _) = short_names(labels), looks(comparison.entrants)
    fine = [r.fine for r in needed.references if (r.prompt, r.seed) == (prompt, seed)]
    tiles = [run_tile("reference", REFERENCE, REFERENCE_COLOR, r, found[r.id]) for r in fine]
    for cell in needed.cells_of(prompt, seed, comparison.budget):
        name, run = names[cell.entrant], cell.experiment
        tiles.append(run_tile(cell.entrant, name, colors[name], run, found[run.id]))
    label = f"{prompt}, seed {seed}, by sampler"
    show_tiles(tiles, picture_size(comparison), label, f"{page}.tiles", follow)


def picture_size(comparison: Comparison) -> tuple[int, int]:
    """Return width and height of a comparison's pictures in pixels."""
    model = lab().status().model
    own = model.default_size if model else (1, 1)
    return comparison.width or own[0], comparison.height or own[1]


def _stopped(page: str, needed: NeededRuns, found: Mapping[str, RunState]) -> None:
    """Draw a comparison whose runs the server lost: go on, or sum up what there is."""
    done = sum(state.state == "done" for state in found.values())
    st.warning(
        f"The server stopped before this comparison was done: {done} of {len(found)} runs are "
        "stored.",
        icon=":material/power_off:",
    )
    view = summaries().view(needed.id)
    if view is not None and view.live:
        ticking_panel(lambda: _waiting(page, needed))
        return
    if view is not None and view.error:
        show_error(view.error)
    say_swap(needed.model.name)
    with st.container(horizontal=True):
        st.button(
            "Go on",
            key=f"{page}.go_on",
            type="primary",
            icon=":material/play_arrow:",
            on_click=_go_on,
            args=(needed,),
        )
        st.button(
            "Show what is done",
            key=f"{page}.partial",
            icon=":material/bar_chart:",
            disabled=not done,
            on_click=summaries().begin,
            args=(needed,),
        )
    draw_tiles(page, needed, found)


def _go_on(needed: NeededRuns) -> None:
    summaries().forget(needed.id)
    with explained():
        ask(lab(), needed, owner=visitor().id, session=session_id())
        come_back(needed.id)


def _summing(page: str, needed: NeededRuns, found: Mapping[str, RunState]) -> None:
    view = summaries().view(needed.id)
    if view is None:
        summaries().begin(needed)
    elif view.error:
        show_error(f"The runs are done, but not their result: {view.error}")
        st.button(
            "Try again",
            key=f"{page}.sum_again",
            icon=":material/replay:",
            on_click=summaries().forget,
            args=(needed.id,),
        )
        draw_tiles(page, needed, found)
        return
    ticking_panel(lambda: _waiting(page, needed))


def _waiting(page: str, needed: NeededRuns) -> bool:
    view = summaries().view(needed.id)
    if view is None or not view.live:
        return False
    word = "Reading the runs" if view.read < view.total else "Measuring and judging"
    share = view.read / max(1, view.total)
    st.progress(min(1.0, share), text=f"{word} · {view.read} of {view.total} …")
    draw_tiles(page, needed, states(lab(), needed))
    return True
