"""The audit of a sampler: what it is worth, and which known one it equals."""

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained
from dashboard.shell.presses import press_of
from dashboard.views.solver_bench import data
from dashboard.views.solver_bench.controls import BenchSettings
from dashboard.widgets.downloads import csv_button, file_button
from dashboard.widgets.sampler_rows import Row

NOBODY = "Nobody yet"


def audits(page: str, settings: BenchSettings) -> None:
    """Draw the choice of a sampler with its audit, and the audits of known ones.

    Args:
        page: For the widget keys.
        settings: Of whom.
    """
    rows = {row.text: row for row in settings.rows}
    chosen = bound().selectbox(
        "Audit whom",
        [NOBODY, *rows],
        key=f"{page}.audited",
        width=420,
        help="One of those chosen above; it takes some seconds. The page's curve and problem do "
        "not matter: all are audited on the same.",
    )
    if chosen in rows:
        with explained():
            _shown(page, _audited(rows[chosen]), chosen)
    else:
        st.caption(
            "Order with its interval, error at equal cost, floor, noise, edges, and which known "
            "sampler it equals."
        )
    _typed(page)
    _known(page)


def _audited(row: Row) -> str:
    bar = st.progress(0.0, f"Auditing {row.text} …")

    def progress(done: int, total: int) -> None:
        bar.progress(done / total, f"Auditing {row.text}, part {done} of {total} …")

    found = data.audited(row, progress)
    bar.empty()
    return found


def _shown(page: str, markdown: str, name: str) -> None:
    """Draw a page of Markdown, its title left out and its headings small."""
    _, _, body = markdown.partition("\n")
    with st.container(border=True):
        st.markdown(body.replace("\n## ", "\n##### "))
        about = f"The audit of {name} as Markdown"
        file_button("Markdown", markdown.encode(), "audit.md", f"{page}.audit_md", about=about)


def _typed(page: str) -> None:
    """Draw the field for code, where the operator allows it."""
    from sdlab.auditing.apart import allowed, audit_of_text

    if not allowed():
        st.caption(
            "A sampler in a file: `sdlab audit FILE.py` on the command line. Typed code is run "
            "here only where the server was started with `SDLAB_ALLOW_CODE=1`."
        )
        return
    with st.expander("Audit typed code"):
        text = st.text_area(
            "A function of k-diffusion's shape",
            placeholder="def sample_mine(model, x, sigmas, extra_args=None): ...",
            key=f"{page}.audit_code",
            height=220,
        )
        press = press_of(f"{page}.audit_go")
        st.button("Audit it", key=f"{page}.audit_go", on_click=press.note)
        if press.wanted(bool(text.strip())):
            with explained(), st.spinner("Auditing …"):
                _shown(f"{page}.typed", press.begin(lambda: audit_of_text(text)), "typed code")
            press.end()


def _known(page: str) -> None:
    from sdlab.auditing.known import COLUMNS

    table = data.known_audits()
    st.markdown(f"**Known samplers, audited** ({len(table)}, {table['date'].dropna().max()})")
    column = st.column_config
    config = {n: column.Column(n, help=text) for n, text in COLUMNS.items()}
    for name in table.columns:
        if pd.api.types.is_float_dtype(table[name]):
            shown = "%.1e" if name.startswith(("error", "floor")) else "%.2f"
            config[name] = column.NumberColumn(name, help=COLUMNS[name], format=shown)
    st.dataframe(
        table,
        hide_index=True,
        height=420,
        column_config=config,
        placeholder="",
        alt="Audits of known samplers",
    )
    csv_button(table, "audits", f"{page}.csv_audits", about="The table of audits")
