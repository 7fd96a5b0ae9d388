"""Price of a speed-up: what half precision, caches and the like cost, told in steps."""

import streamlit as st

from dashboard.views.price.page import price_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Noise",
    "title": "Price of a speed-up",
    "icon": "sell",
    "place": 135,
    "answers": "Is this cache or half precision worth it?",
}

st.title("Price of a speed-up", anchor=False)
lead(
    "A sped-up picture is a little off, as every sampler is at a finite number of steps: what half "
    "precision, a cache or merged tokens cost, told in steps of the plain sampler."
)
price_page("price")
