"""The Runs page: runs found, looked at, marked, deleted; grids; SQL; the trash."""

from dashboard.shell.address import given
from dashboard.shell.lab import lab
from dashboard.views.runs.compared import compared
from dashboard.views.runs.found import found_runs
from dashboard.views.runs.going_soon import going_soon
from dashboard.views.runs.grids import grids
from dashboard.views.runs.reading import reading
from dashboard.views.runs.sql_box import sql_box
from dashboard.views.runs.trash import trash
from dashboard.views.runs.unfinished import unfinished
from dashboard.widgets.queue_news import queue_news
from dashboard.widgets.section_choice import choose_section
from sdlab.runs.index import index_of


def show_runs() -> None:
    """Draw the section that is chosen, or the comparison of runs that the address names."""
    index = index_of(lab().runs)
    if runs := given("of"):
        compared([run for run in runs.split(",") if run])
        return
    sections = {"Runs": found_runs, "Grids": grids, "SQL": sql_box, "Trash": trash}
    chosen = choose_section("runs", sections)
    reading(index)
    queue_news("runs")
    sections[chosen](index)
    if chosen in ("Runs", "Trash"):
        going_soon(index)
    if chosen == "Runs":
        unfinished()
