"""What of a comparison cannot be compared fairly, before it runs and beside its verdict."""

from collections.abc import Mapping

import streamlit as st

from dashboard.shell.messages import plain
from sdlab.comparing.comparison import Comparison

OWN_STEPS = "Alone such a sampler takes the model's own timesteps, as its authors and web UIs do."


def say_off_curve(comparison: Comparison) -> None:
    """Draw which samplers follow a curve that they were not made with."""
    from sdlab.comparing.fairness import off_curve

    if said := off_curve(comparison):
        st.caption(f":material/conversion_path: {plain(said)}", help=OWN_STEPS)


def say_unfair(page: str, notes: Mapping[str, str]) -> None:
    """Draw a folded list of what cannot be compared fairly.

    Args:
        page: For the key.
        notes: Sentences by sampler, only of samplers that have some.
    """
    word = "sampler" if len(notes) == 1 else "samplers"
    with st.expander(
        f"What cannot be compared fairly: {len(notes)} {word}",
        icon=":material/balance:",
        key=f"{page}.unfair",
    ):
        for label, said in notes.items():
            st.markdown(f"**{plain(label)}** " + plain(said))
