"""One run: that of an id, in the URL as ``/run?id=...``; also while it is still running."""

import streamlit as st

from dashboard.shell.address import given
from dashboard.views.run.page import ask_for_run, show_details, show_so_far
from dashboard.widgets.lead import lead
from dashboard.widgets.run_stage import show_stage

MENU = {
    "section": "Pictures",
    "title": "One run",
    "icon": "frame_inspect",
    "place": 50,
    "answers": "How was one picture made, step by step?",
}

st.title("One run", anchor=False)
lead("From its first noise to its picture; the address of this page links to it.")

run = given("id") or given("run")  # other pages write the latter
if not run:
    ask_for_run()
elif (stored := show_stage(run, "run")) is not None:
    show_details(stored)
else:
    show_so_far(run)
