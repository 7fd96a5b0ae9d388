"""Tokens: how a model reads a prompt, and what its text encoder computes from it."""

import streamlit as st

from dashboard.views.tokens.page import tokens_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Words",
    "title": "Tokens",
    "icon": "text_fields",
    "place": 310,
    "answers": "How are my words read?",
}

st.title("Tokens", anchor=False)
lead("How a prompt is cut into tokens, and which vectors the network is given for them.")
tokens_page()
