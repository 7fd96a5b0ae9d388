"""Glossary: what the words of the pages mean."""

import streamlit as st

from dashboard.views.glossary.page import glossary_page

MENU = {
    "section": "Learn",
    "title": "Glossary",
    "icon": "dictionary",
    "place": 75,
    "answers": "What does this word mean?",
}

st.title("Glossary", anchor=False)
st.markdown("What the words on these pages mean, and where each is seen.")
glossary_page()
