"""The page One run: which run, and the charts, tables and files below its picture."""

import streamlit as st

from dashboard.shell.address import given, keep
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained
from dashboard.shell.navigation import link_to, page_path
from dashboard.shell.routes import zip_url
from dashboard.shell.state import note_run, own_runs
from dashboard.widgets.downloads import file_button
from dashboard.widgets.report_button import report_button
from dashboard.widgets.run_stage import read_tables
from dashboard.widgets.source_picture import latest_runs
from dashboard.widgets.ticking_panel import ticking_panel
from dashboard.worker.stored_runs import StoredRun

CHART_SECONDS = 2.0
QUICK_MS = 2000.0  # a run that is done in seconds shows its charts then
_LATEST = "run.latest"
_OF_SESSION = "run.latest_is_own"
LATEST = "The **latest** stored run, as the address named none; now it links to this one."
OWN = "The run that **you** made or opened last, as the address named none; now it links to it."
LIVE_ROWS = 400  # of a table, so that a chart that is drawn again and again costs little


def show_details(run: StoredRun) -> None:
    """Draw what there is below the picture: charts, tables, files."""
    from dashboard.views.run.causes import show_causes
    from dashboard.views.run.charts import chart_panel
    from dashboard.views.run.tables import show_tables

    with explained():
        tables = read_tables(run)
        solver = run.manifest["experiment"]["solver"]
        st.header("Measurements", anchor=False)
        more = {
            "Causes": lambda: show_causes(run, tables["steps"]["sigma"].tolist()),
            "Tables": lambda: show_tables(run.id, tables),
            "Files": lambda: _files(run),
        }
        chart_panel(tables["steps"], tables["channels"], solver, more)


def show_so_far(run: str) -> None:
    """Draw the charts of a run that is not stored, as far as it is; new ones while it goes."""
    view = lab().known_runs.get(run)
    if view is not None and view.live:
        ticking_panel(lambda: _so_far(run), CHART_SECONDS)
    elif view is not None:
        _so_far(run)


def _so_far(run: str) -> bool:
    """Draw the charts there are; return whether more will come."""
    view = lab().known_runs.get(run)
    if view is None or view.state == "done":
        return False
    if view.tables and view.tables["steps"]["ms"].sum() > QUICK_MS:
        from dashboard.charts.base import thinned
        from dashboard.views.run.charts import chart_panel

        steps, channels = (thinned(view.tables[name], LIVE_ROWS) for name in ("steps", "channels"))
        st.header("So far", anchor=False)
        later = dict.fromkeys(("Causes", "Tables", "Files"), _later)
        chart_panel(steps, channels, view.experiment.solver, later)
    return view.live


def _later() -> None:
    st.caption("Once the run is done.")


def run_to_show() -> str:
    """Return the run of the address, or else the session's last or the latest; "" for none.

    The address then names it.
    """
    run = given("id") or given("run")  # other pages write the latter
    if run:
        note_run(run)
        return run
    latest = latest_runs()
    if not latest:
        return ""
    run = latest[0][0]
    st.session_state[_LATEST] = run
    st.session_state[_OF_SESSION] = run in own_runs()
    note_run(run)
    keep("id", run)
    return run


def is_latest(run: str) -> bool:
    """Return whether a run is shown because the address named none."""
    return bool(run) and st.session_state.get(_LATEST) == run


def say_latest(run: str) -> None:
    """Draw, as the page's first sentence, which run it took, with the way to others."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(OWN if st.session_state[_OF_SESSION] else LATEST, width="stretch")
        _by_id(run)
        link_to("runs", "All runs")


def say_no_run() -> None:
    """Say that no run is stored yet, and where the first one is made."""
    st.info("No run is stored here yet.", icon=":material/frame_inspect:")
    link_to("experiment", "Make one")


def _by_id(shown: str) -> None:
    """Draw the field for the id of another run than the one shown."""
    with st.popover("Another one", type="tertiary"):
        typed = st.text_input("Run id", key="run.id", placeholder="16 digits of 0-9 and a-f")
    if typed and typed.strip() != shown:
        st.switch_page(page_path("run"), query_params={"id": typed.strip()})


def _files(run: StoredRun) -> None:
    from dashboard.views.run.again import show_again

    with st.container(horizontal=True, vertical_alignment="center"):
        st.link_button(
            "Download all (zip)",
            zip_url(run.id),
            key="run.zip",
            icon=":material/folder_zip:",
            help="The run folder with tensors and tables, every table as CSV, and every frame "
            "of the viewer as PNG. The download begins at once with what is stored; frames are "
            "drawn while it goes on, so its size is known at the end only.",
        )
        report_button("run.report", run.id)
        about = "As stored, with the parameters as text inside."
        file_button("Picture (PNG)", run.picture, f"{run.id}.png", "run.png", "image", about)
    show_again(run)
