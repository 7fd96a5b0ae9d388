"""A grid on the Experiment page: tiles that fill while it runs, then its sheet and its table."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.components.tiles import Tile, show_tiles
from dashboard.shell.address import given, keep
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.shell.model_choice import say_swap
from dashboard.shell.navigation import follow, link_to
from dashboard.shell.routes import sheet_url
from dashboard.shell.state import come_back, session_id
from dashboard.shell.theme import scheduler_color
from dashboard.shell.visitor import visitor
from dashboard.views.experiment.grid_seen import say_seen
from dashboard.widgets.downloads import csv_button
from dashboard.widgets.live_runs import live_runs
from dashboard.widgets.run_states import RunState, run_state
from dashboard.widgets.run_tile import run_tile
from dashboard.widgets.sharing_field import may_share
from dashboard.widgets.ticking_panel import ticking_panel
from dashboard.worker.stored_runs import stored_run
from sdlab.errors import SdlabError
from sdlab.experiment.grid import Grid
from sdlab.runs.contact_sheet import in_common
from sdlab.runs.grids import open_grid, save_grid
from sdlab.runs.manifest import was_shared

OTHERS = "Others wait for these pictures, so they go on without you."
SHARED = (
    "{} of these {} pictures were computed together, in one call of the network, which is quicker. "
    "Each is the picture that its run makes alone, but for rounding: no eye sees it, yet the files "
    "are not the same bit for bit. Switch **Fast, shared calls** off and press **Run** to have "
    "each made alone, in its place."
)


def shown_grid(page: str) -> str:
    """Return the id of the grid that a page shows, or ""; a run in the address goes before."""
    key = f"{page}.grid"
    grid = given("grid") or ("" if given("run") else st.session_state.get(key, ""))
    show_grid(page, grid)
    return grid


def show_grid(page: str, grid: str) -> None:
    """Make a page show a grid, also after a reload; "" shows none."""
    st.session_state[f"{page}.grid"] = grid
    keep("grid", grid)


def ask_grid(grid: Grid, mix: bool) -> None:
    """Note a grid on disk and ask for each of its pictures that is not stored as it is wanted.

    Args:
        grid: Which.
        mix: Whether its pictures may share calls; else each is exact.

    Raises:
        StoreError: If the disk cannot be written.
        LimitError: If they are more than one person may have.
        NotYoursError: If somebody else's run, made by other weights, would be lost.
    """
    who, session = visitor().id, session_id()
    lab().asked_runs.claim(grid.experiments, who, session)
    lab().owned.own_asked("grid", [grid.id], who)
    save_grid(grid, lab().runs)
    for experiment in grid.experiments:
        lab().submit(experiment, frames=False, owner=who, session=session, mix=mix)


def live_pictures(name: str) -> int:
    """Return how many pictures of a stored grid are still being made; 0 if it cannot be read."""
    try:
        grid = open_grid(lab().runs, name)
    except (ValueError, SdlabError):  # which the panel says
        return 0
    return sum(state.live for state in _states(grid).values()) if grid else 0


def grid_panel(page: str, name: str) -> None:
    """Draw a grid by its id; keeps itself up to date while anything of it runs."""
    with explained():
        grid = open_grid(lab().runs, name)
        if grid is None:
            st.info(
                f"No grid {plain(repr(name[:40]))} is stored here. If its fields are in the "
                "address, press **Run** to make it.",
                icon=":material/search_off:",
            )
            link_to("runs", "All runs and grids")
            return
        st.markdown(f"**{plain(in_common(grid))}**")
        if any(state.live for state in _states(grid).values()):
            ticking_panel(lambda: _draw_live(page, grid))
        else:
            _ended(page, grid)


def _states(grid: Grid) -> dict[str, RunState]:
    return {x.id: run_state(lab(), x.id) for x in grid.experiments}


def _draw_live(page: str, grid: Grid) -> bool:
    found = _states(grid)
    going = live_runs(
        page,
        grid.id,
        found,
        grid.experiments,
        words="{ended} of {count} pictures · {evaluations}",
        others=OTHERS,
        about="Pictures that are done are kept.",
        key=f"{page}_grid_progress",
    )
    if going:
        _tiles(page, grid, found)
    return going


def _ended(page: str, grid: Grid) -> None:
    found = _states(grid)
    stored = [stored_run(lab().runs, run) for run, state in found.items() if state.state == "done"]
    facts = {run.id: run.manifest for run in stored if run}
    lacking = len(found) - len(facts)
    if lacking:
        say_swap(grid.base.model)
    with st.container(horizontal=True, vertical_alignment="center"):
        if facts:
            st.link_button("Contact sheet", sheet_url(grid.id), icon=":material/image:")
        _table_button(page, grid, found, facts)
        if lacking:
            st.button(
                f"Make the {lacking} missing" if facts else "Run again",
                key=f"{page}.grid_again",
                icon=":material/replay:",
                on_click=_again,
                args=(page, grid),
            )
        link_to("sweep", "Measure it as a sweep", id=grid.id)
        link_to("runs", "All runs and grids")
    _tiles(page, grid, found)
    say_seen(grid, {run: str(manifest["created"]) for run, manifest in facts.items()})
    shared = sum(was_shared(manifest) for manifest in facts.values())
    if shared:
        st.caption("Made together.", help=SHARED.format(shared, len(found)))


def _table_button(
    page: str, grid: Grid, found: Mapping[str, RunState], facts: Mapping[str, dict[str, Any]]
) -> None:
    from sdlab.runs.grids import grid_table

    errors = {
        run: state.error or state.state for run, state in found.items() if state.state != "done"
    }
    about = "A row for each picture: its settings, its run and what it took."
    csv_button(grid_table(grid, facts, errors), f"grid-{grid.id}", f"{page}.grid_csv", about=about)


def _again(page: str, grid: Grid) -> None:
    """Ask for the pictures that are missing; those stored stay, however they were made."""
    missing = [x for x in grid.experiments if run_state(lab(), x.id).state != "done"]
    who, session = visitor().id, session_id()
    with explained():
        lab().asked_runs.claim(missing, who, session)
        for experiment in missing:
            lab().submit(experiment, frames=False, owner=who, session=session, mix=may_share(page))
        come_back(grid.id)


def _tiles(page: str, grid: Grid, found: Mapping[str, RunState]) -> None:
    """Draw the pictures: one axis in as many columns as fit, two in the rows that they have."""
    columns, single = grid.sides[0], len(grid.axes) == 1
    tiles: list[Tile] = []
    for number, cell in enumerate(grid.cells):
        run, first = cell.experiment, not single and number % columns == 0
        heading = " · ".join(cell.labels[1:]) if first else ""
        id, color = ".".join(map(str, cell.place)), scheduler_color(run.solver)
        tiles.append(run_tile(id, cell.labels[0], color, run, found[run.id], heading))
    label = f"{in_common(grid)}, by {' and '.join(axis.field for axis in grid.axes)}"
    across = 0 if single else columns
    show_tiles(tiles, _picture_size(grid), label, f"{page}.grid_tiles", follow, across)


def _picture_size(grid: Grid) -> tuple[int, int]:
    model, base = lab().status().model, grid.base
    own = model.default_size if model else (1, 1)
    return base.width or own[0], base.height or own[1]
