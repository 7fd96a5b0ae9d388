"""Attention: where in the picture each word is read, step by step."""

import streamlit as st

from dashboard.views.attention.page import attention_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Words",
    "title": "Attention",
    "icon": "visibility",
    "place": 320,
    "answers": "Where is each word read, and does it act there?",
}

st.title("Attention", anchor=False)
lead(
    "Where in the picture each word is read: the network's attention to the text, at every step, "
    "layer and head that was recorded."
)
attention_page()
