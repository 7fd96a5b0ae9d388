"""The frame of every page: navigation and the sidebar panel."""

import time
from pathlib import Path

import streamlit as st

from dashboard.components.browser_files import style
from dashboard.shell.address import arrive
from dashboard.shell.hover import hovers
from dashboard.shell.keyboard import keys
from dashboard.shell.lab import lab
from dashboard.shell.navigation import menu
from dashboard.shell.sidebar import device_panel
from dashboard.shell.signed_in import signed_in

ICON = Path(__file__).resolve().parent / "icon.png"

st.set_page_config(page_title="sdlab", page_icon=str(ICON), layout="wide")
st.html(style(__file__))
page = st.navigation(menu(), expanded=True)
with st.sidebar:
    signed_in()
    device_panel()
    keys()
    hovers()
arrive(page.url_path or "home")
try:
    page.run()
except ModuleNotFoundError:
    raise
except ImportError:  # of a module that the worker is in the midst of importing: see held_model.py
    if not lab().status().loading:
        raise
    while lab().status().loading:
        time.sleep(0.1)
    st.rerun()
finally:
    lab().wake()
