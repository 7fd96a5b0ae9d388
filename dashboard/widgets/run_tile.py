"""The tile of a run: its picture or preview, how far it is, or why it failed."""

from dashboard.components.tiles import Tile
from dashboard.shell.routes import page_url, picture_url
from dashboard.widgets.run_states import RunState
from sdlab.experiment.experiment import Experiment

_WORDS = {
    "queued": "waiting",
    "decoding": "decoding",
    "saving": "saving",
    "cancelled": "cancelled",
    "interrupted": "interrupted: the server stopped",
    "missing": "not run",
}


def run_tile(
    id: str, name: str, color: str, run: Experiment, state: RunState, heading: str = ""
) -> Tile:
    """Return the tile of a run.

    Args:
        id: Tells tiles of the same run apart.
        name: What stands below the picture.
        color: Its dot's.
        run: What is run.
        state: Where it stands.
        heading: What stands above it and those after it.
    """
    seen = "done" if state.state == "done" else state.preview
    share = state.evaluation / state.nfe if state.nfe else 0.0
    at = f"{state.evaluation} of {state.nfe} evaluations"
    line = at if state.state == "running" else _WORDS.get(state.state, "")
    if state.state == "done":
        line = f"{state.nfe} evaluations"
    what = "Picture" if state.state == "done" else "Preview"
    return Tile(
        id=f"{run.id} {id}",
        name=name,
        color=color,
        state=state.state,
        src=picture_url(run.id, seen) if seen else "",
        alt=f"{what} by {name} of: {run.prompt}" if seen else "",
        line=line,
        error=state.error,
        share=1.0 if state.state == "done" else share,
        href=page_url(f"run?id={run.id}") if state.state == "done" else "",
        heading=heading,
    )
