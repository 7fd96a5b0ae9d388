"""Whether to lint where that takes seconds."""

import streamlit as st

SLOW_STEPS = 150


def wants_lint(num_steps: int, key: str) -> bool:
    """Return whether to lint so many steps; of many, only if the switch drawn here is on."""
    return num_steps <= SLOW_STEPS or st.toggle(
        f"Lint at {num_steps} steps (every step is made; this takes seconds)", key=key
    )
