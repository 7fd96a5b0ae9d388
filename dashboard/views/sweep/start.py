"""What a sweep will take, and the buttons that try it and start it."""

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.glossary import definition
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.shell.navigation import link_to
from dashboard.shell.state import come_back, session_id, show_id
from dashboard.shell.visitor import visitor
from dashboard.views.sweep.making import Way, begin, measures_for, runs_of, task_of
from dashboard.views.sweep.states import sweep_states
from dashboard.widgets.go_button import go_button
from dashboard.widgets.limit_note import within_limits
from dashboard.widgets.model_facts import facts_in_memory
from dashboard.widgets.run_states import evaluations_of
from dashboard.widgets.sharing_field import sharing_field
from dashboard.widgets.study_panel import study_panel
from dashboard.widgets.task_panel import readable_seconds
from dashboard.worker.snapshots import ModelView
from dashboard.worker.task import once
from sdlab.comparing.model_facts import ModelFacts
from sdlab.experiment.sweep import Sweep

if TYPE_CHECKING:
    from sdlab.sweeping.estimate import Estimate
    from sdlab.sweeping.search import Search

MOST = 5000
"""Pictures of a sweep that a page starts; the command line has no such limit."""
_SEARCH = (
    "Optuna proposes which combinations to make, each for all seeds and prompts, and is told what "
    "came of them: for sweeps with more cells than there is time for."
)


def confirm(page: str, sweep: Sweep | None, model: ModelView) -> None:
    """Draw what a sweep will take, the dry run, and the button that starts it.

    Args:
        page: For the widget keys.
        sweep: Which; None while the form says none.
        model: In memory.
    """
    way = _way(page, model)
    stored = 0 if sweep is None else len(sweep_states(lab().runs, sweep).done)
    ready = sweep is not None and _possible(sweep, model)
    if ready and sweep is not None:
        ready = within_limits(runs_of(sweep, way.measures, model.path), queued=False)
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        press = go_button(page, "Start the sweep", ready=ready, width="content")
        if sweep is not None:
            st.caption(_in_words(sweep, stored), help=definition("evaluation"), width="stretch")
    if press.wanted(ready) and sweep is not None:
        session, who = session_id(), visitor().id
        with explained():
            press.begin(lambda: begin(sweep, way, session, who))
        come_back(task_of(sweep.id))
        show_id(page, sweep.id)
        press.end()
        st.rerun()
    if ready and sweep is not None:
        _dry_run(page, sweep, way, stored)


def _way(page: str, model: ModelView) -> Way:
    from sdlab.sweeping.measures import MEASURES

    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        measures = bound().multiselect(
            "Measured by",
            list(MEASURES),
            list(measures_for(model.name)),
            key=f"{page}.measures",
            width=330,
            help="Beside evaluations and seconds. Fidelity is the share of the prompt's "
            "statements that the picture fulfils, of the embedded model; brightness and contrast "
            "are mean and standard deviation of the grey picture, 0 to 1. Distance is that to the "
            "converged picture, as Compare has it; it is made once for each prompt and seed, by "
            "199 evaluations.",
        )
        mix = sharing_field(page)
        searched = bound().toggle("Search", key=f"{page}.search", help=_SEARCH)
    search = _sought(page, tuple(measures)) if searched else None
    return Way(mix=mix, measures=tuple(measures), search=search)


def _sought(page: str, measures: tuple[str, ...]) -> "Search | None":
    """Draw what is sought and return it; say how to install Optuna where it is not."""
    from sdlab.sweeping.measures import MORE_IS_BETTER, OF_MANIFEST
    from sdlab.sweeping.search import INSTALL, Search

    if find_spec("optuna") is None:
        st.info(plain(INSTALL), icon=":material/extension:")
        return None
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        measure = bound().selectbox(
            "Sought by", [*measures, *OF_MANIFEST], key=f"{page}.sought", width=230
        )
        ways = ["maximize", "minimize"] if measure in MORE_IS_BETTER else ["minimize", "maximize"]
        way = bound().segmented_control("How", ways, key=f"{page}.how_{measure}")
        trials = bound().number_input("Trials", 1, 5000, 40, key=f"{page}.trials", width=150)
    return Search(f"{way}: {measure}", int(trials))


def _possible(sweep: Sweep, model: ModelView) -> bool:
    """Return whether a sweep can be started here; say why not."""
    if sweep.base.model != model.name:
        st.warning(
            f"This sweep is of **{plain(sweep.base.model)}**, and **{plain(model.name)}** is in "
            "memory. Load the other one first.",
            icon=":material/swap_horiz:",
        )
        link_to("models", "Models")
        return False
    if len(sweep.experiments) > MOST:
        st.warning(
            f"{len(sweep.experiments):,} pictures are too many for a page, which makes at most "
            f"{MOST:,}: use `sdlab sweep` on the command line.",
            icon=":material/terminal:",
        )
        return False
    return True


def _in_words(sweep: Sweep, stored: int) -> str:
    """Return what a sweep has, and what it will take as far as that is known at once."""
    count, pace = len(sweep.experiments), lab().status().pace
    evaluations = _evaluations(sweep, facts_in_memory())
    sides = " x ".join(str(len(axis.values)) for axis in sweep.axes)
    product = f"{sides} = " if len(sweep.axes) > 1 else ""
    parts = [
        f"{product}**{count:,} picture{'' if count == 1 else 's'}**"
        + (f", {stored:,} of them stored" if stored else ""),
        f"**{evaluations:,} evaluations**",
    ]
    if pace and stored < count:
        parts.append(f"about **{readable_seconds(pace * evaluations * (1 - stored / count))}**")
    return " · ".join(parts)


@lru_cache(maxsize=16)
def _evaluations(sweep: Sweep, model: ModelFacts | None) -> int:
    return sum(evaluations_of(experiment, model) for experiment in sweep.experiments)


def _dry_run(page: str, sweep: Sweep, way: Way, stored: int) -> None:
    """Draw the button that tries two evaluations, or what they say."""
    runs = lab().runs

    def tried(model: object) -> "Estimate":
        from sdlab.models.model import Model
        from sdlab.sweeping.estimate import estimate

        assert isinstance(model, Model)
        return estimate(model, sweep, runs, mix=bool(way.mix))

    found = study_panel(
        f"{page}.dry", "Dry run", (sweep.id, way.mix, stored), once(tried), kind="secondary"
    )
    if found is not None:
        _say(found)


def _say(found: "Estimate") -> None:
    from sdlab.models.memory import readable

    kept = [
        f"{count:,} {word}"
        for count, word in ((found.stored, "stored"), (found.failed, "failed before"))
        if count
    ]
    rows = {
        "To make": f"{found.missing:,} of {found.runs:,}" + "".join(f", {said}" for said in kept),
        "Evaluations": f"{found.evaluations:,}",
        "Time": f"about {readable_seconds(found.seconds)}" if found.missing else "none",
        "Memory": f"about {readable(found.memory_bytes)} beside the model",
        "Disk": f"at most {readable(found.disk_bytes)}; {readable(found.free_bytes)} are free",
    }
    lines = ["| Dry run | |", "|---|---|", *(f"| {name} | {rows[name]} |" for name in rows)]
    st.markdown("\n".join(lines))
    if found.refused:
        run, why = next(iter(found.refused.items()))
        count = len(found.refused)
        many = "1 picture" if count == 1 else f"{count:,} pictures"
        st.warning(plain(f"{many} cannot be made by this model; run {run}: {why}"))
    if found.disk_bytes > found.free_bytes:
        st.warning("The disk may be too small.", icon=":material/hard_drive:")
