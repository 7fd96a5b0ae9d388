"""Several runs in progress that belong together: how far they are, and the button that leaves."""

from collections.abc import Iterable, Mapping

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.state import session_id, watches
from dashboard.widgets.load_progress import loading_words
from dashboard.widgets.model_facts import facts_in_memory
from dashboard.widgets.run_states import RunState, progress
from dashboard.widgets.task_panel import cancel_button, readable_seconds
from sdlab.experiment.experiment import Experiment


def live_runs(
    page: str,
    of: str,
    found: Mapping[str, RunState],
    experiments: Iterable[Experiment],
    *,
    words: str,
    others: str,
    about: str,
    key: str,
) -> bool:
    """Draw the progress of runs and keep them going; return whether any waits or runs.

    Args:
        page: For the widget keys: the page's name.
        of: The id of what the runs are parts of.
        found: Their states by id.
        experiments: The runs.
        words: What is said, with ``{ended}``, ``{count}`` and ``{evaluations}`` in it.
        others: What to say if they go on for others.
        about: What the button does.
        key: Of the row.
    """
    live = [run for run, state in found.items() if state.live]
    if not live:
        return False
    if watches(of):
        for run in live:
            lab().touch(run, session_id())
    with st.container(horizontal=True, vertical_alignment="center", key=key):
        done, total = progress(found, experiments, facts_in_memory())
        said = words.format(
            ended=len(found) - len(live),
            count=len(found),
            evaluations=f"{done:,} of {total:,} evaluations",
        )
        st.progress(min(1.0, done / max(1, total)), text=_text(said, done, total))
        cancel_button(page, of, others, live, about)
    return True


def _text(said: str, done: int, total: int) -> str:
    status = lab().status()
    if status.loading:
        return loading_words(status)
    if status.pace and done:
        said += f" · about {readable_seconds(status.pace * (total - done))} left"
    return said
