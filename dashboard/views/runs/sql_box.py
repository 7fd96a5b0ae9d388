"""Free SQL over the stored runs: it reads them and can do nothing else."""

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained
from dashboard.widgets.csv_table import csv_table
from sdlab.columns import OPTIONAL_TABLES, RUNS, TABLES
from sdlab.runs.index import RunIndex

EXAMPLES = {
    "Time by sampler": (
        "SELECT solver, count(*) AS runs, avg(seconds / nfe) AS seconds_an_evaluation\n"
        "FROM runs GROUP BY solver ORDER BY seconds_an_evaluation"
    ),
    "Same words, other seeds": (
        "SELECT prompt, solver, count(*) AS runs, list(seed) AS seeds\n"
        "FROM runs GROUP BY ALL HAVING count(*) > 1 ORDER BY runs DESC"
    ),
    "Sharpest turn of each run": (
        "SELECT run, solver, max(angle_deg) AS degrees\n"
        "FROM steps JOIN runs USING (run) GROUP BY ALL ORDER BY degrees DESC"
    ),
}
_KEY = "runs.sql"


def sql_box(index: RunIndex) -> None:
    """Draw the box for a query, and what it finds."""
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.caption("Examples:", width="content")
        for number, name in enumerate(EXAMPLES):
            st.button(
                name, key=f"{_KEY}.example_{number}", type="tertiary", on_click=_take, args=(name,)
            )
    sql = bound().text_area("One SELECT, in DuckDB's SQL", key=_KEY, height=120)
    pressed = st.button(
        "Run the query", key=f"{_KEY}.go", type="primary", icon=":material/play_arrow:"
    )
    _tables()
    if not (pressed or st.session_state.get(f"{_KEY}.asked") == sql) or not sql.strip():
        return
    st.session_state[f"{_KEY}.asked"] = sql
    with explained(), st.spinner("Asking the runs …"):
        from sdlab.runs.sql import left_out, query_runs

        found = query_runs(sql, index.root, reading=0.0)  # the page reads them, and says so
    if said := left_out(found):
        st.warning(said, icon=":material/broken_image:")
    if found.empty:
        st.info("The query finds no rows.", icon=":material/search_off:")
        return
    cut = (
        "The first rows of more; LIMIT and WHERE choose."
        if found.attrs["cut"]
        else "What it finds."
    )
    csv_table(found, "query", f"{_KEY}.found", cut, parquet=True)


def _take(name: str) -> None:
    st.session_state[_KEY] = st.session_state[f"{_KEY}.asked"] = EXAMPLES[name]


def _tables() -> None:
    """Draw which tables and columns there are."""
    others = {**TABLES, **OPTIONAL_TABLES}
    with st.expander("Tables and columns", icon=":material/table:"):
        for name, columns in {"runs": RUNS, **others}.items():
            st.markdown(f"**{name}**: {', '.join(f'`{column}`' for column in columns)}")
        st.caption(
            "`runs` has a row for each run folder; the others hold those of the newest 2,000 runs."
            " A query reads; it cannot change runs, open files or reach the network. It has ten"
            " seconds."
        )
