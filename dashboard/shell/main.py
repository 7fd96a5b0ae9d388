"""The frame of every page: navigation and the sidebar panel."""

from pathlib import Path

import streamlit as st

from dashboard.shell.address import arrive
from dashboard.shell.lab import lab
from dashboard.shell.navigation import menu
from dashboard.shell.sidebar import device_panel

ICON = Path(__file__).resolve().parent / "icon.png"
# The grid's own CSV button is hidden: it would write text that a spreadsheet runs as a formula.
STYLE = """<style>
.stMainBlockContainer { padding-top: 3rem; }
[data-testid=stElementToolbarButton]:has([aria-label^="Download as CSV"]) { display: none; }
[data-testid^=stBaseButton-primary]:not(:disabled) :is(p, [data-testid=stIconMaterial]),
[data-testid=stMultiSelectTagsContainer] [data-tag]:not(:disabled)
  { color: light-dark(#ffffff, #14122b); }
</style>"""

st.set_page_config(page_title="sdlab", page_icon=str(ICON), layout="wide")
st.html(STYLE)
page = st.navigation(menu(), expanded=True)
with st.sidebar:
    device_panel()
arrive(page.url_path or "home")
try:
    page.run()
finally:
    lab().wake()
