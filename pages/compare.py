"""Compare: samplers side by side at equal cost, on the same noise, with a verdict in numbers."""

import streamlit as st

from dashboard.views.compare.page import compare_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Pictures",
    "title": "Compare",
    "icon": "compare",
    "place": 30,
    "answers": "Which sampler is best at the same cost?",
}

st.title("Compare", anchor=False)
lead(
    "Samplers on the same prompts and noise: how near each comes to the converged picture, at what "
    "cost, and what is luck."
)
compare_page("compare")
