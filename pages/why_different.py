"""Why different?: what differs between two pictures, what it costs, and how to mend it."""

import streamlit as st

from dashboard.views.why_different.page import why_different_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Pictures",
    "title": "Why different?",
    "icon": "difference",
    "place": 45,
    "answers": "Why does the same seed look different elsewhere?",
}

st.title("Why different?", anchor=False)
lead(
    "Two pictures of the same words and seed that do not look alike: what differs in how they were "
    "made, the largest effect first, and how to mend it."
)
why_different_page("why")
