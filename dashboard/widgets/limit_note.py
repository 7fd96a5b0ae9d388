"""Says, before a button is pressed, that runs are more than one person may have here."""

from collections.abc import Sequence

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.state import session_id
from dashboard.shell.visitor import visitor
from sdlab.experiment.experiment import Experiment


def within_limits(experiments: Sequence[Experiment], queued: bool = True) -> bool:
    """Draw why runs may not be asked for now, if so; return whether they may.

    Args:
        experiments: The runs.
        queued: Whether they would wait in the queue, as a sweep's do not.
    """
    told = lab().limits.over(experiments, visitor().id, session_id(), queued)
    if told:
        st.warning(plain(told), icon=":material/front_hand:")
    return not told
