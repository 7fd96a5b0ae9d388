"""Inside the network: its map, its blocks at a run, time, activations, the VAE, switches."""

import streamlit as st

from dashboard.views.network.page import network_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Network",
    "title": "Inside the network",
    "icon": "account_tree",
    "place": 410,
    "answers": "What does each part of the network do?",
}

st.title("Inside the network", anchor=False)
lead(
    "The network that predicts the noise, block by block: what each is given, what it makes of it "
    "in your own run, and what the picture becomes without it."
)
network_page("network")
