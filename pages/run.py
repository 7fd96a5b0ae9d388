"""One run: that of an id, in the URL as ``/run?id=...``, or the latest; also while it runs."""

import streamlit as st

from dashboard.views.run.page import (
    is_latest,
    run_to_show,
    say_latest,
    say_no_run,
    show_details,
    show_so_far,
)
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
run = run_to_show()
if not is_latest(run):
    lead("From its first noise to its picture; the address of this page links to it.")
else:
    say_latest(run)
if not run:
    say_no_run()
elif (stored := show_stage(run, "run")) is not None:
    show_details(stored)
else:
    show_so_far(run)
