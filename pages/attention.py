"""Attention: where each word guides the picture, step by step."""

import streamlit as st

from dashboard.views.attention.page import attention_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Words",
    "title": "Attention",
    "icon": "visibility",
    "place": 320,
    "answers": "Which word made which part of the picture?",
}

st.title("Attention", anchor=False)
lead(
    "Where each word guides the picture: the network's attention to the text, at every step, "
    "layer and head that was recorded."
)
attention_page()
