"""Tokens: how CLIP reads a prompt, and what its text encoder makes of it."""

import streamlit as st

from dashboard.views.tokens.page import tokens_page

MENU = {"section": "Words", "title": "Tokens", "icon": "text_fields", "place": 310}

st.title("Tokens", anchor=False)
st.markdown("How CLIP cuts your words into tokens, and what the U-Net is given in their place.")
tokens_page()
