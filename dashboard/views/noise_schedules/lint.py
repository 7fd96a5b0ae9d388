"""The lint findings for each sampler on the page, with reasons to unfold, and as CSV."""

import html
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.components.browser_files import style
from dashboard.shell.address import bound
from dashboard.shell.navigation import link_to
from dashboard.widgets.downloads import csv_button
from dashboard.widgets.lint_choice import wants_lint
from dashboard.widgets.sampler_rows import Row, parse_row

MISMATCH, BENCH = "spacing-mismatch", "bench.solvers"
SEVERITIES = ("error", "warning", "note")
NAMED = 3
_COLORS = {
    "error": "light-dark(#c01c28, #ff8a8a)",
    "warning": "light-dark(#9a5b00, #ffb454)",
    "note": "light-dark(#4a5568, #a9b2c8)",
}
_SIGNS = {"error": "✖", "warning": "▲", "note": "●"}


@st.cache_data(max_entries=512, show_spinner=False)
def row_lint(
    text: str, num_steps: int, config: dict[str, Any], tokens: int | None = None
) -> pd.DataFrame:
    """Return ``sdlab.lint`` of a row.

    Raises:
        ValueError: As ``sdlab.lint``.
    """
    import sdlab

    row = parse_row(text)
    return sdlab.lint(row.name, num_steps, config=config, tokens=tokens, **row.arguments())


@st.fragment
def lint_panel(
    page: str,
    rows: dict[str, Row],
    num_steps: int,
    config: dict[str, Any],
    colors: dict[str, str],
    tokens: int | None = None,
) -> None:
    """Draw the findings of every row.

    Args:
        page: For the widget keys.
        rows: What is on the charts, by label.
        num_steps: Solver steps.
        config: The scheduler config in force.
        colors: The colour of each label.
        tokens: Latent tokens of the picture, for a shift that goes by them.
    """
    if not wants_lint(num_steps, f"{page}.slow"):
        return
    with st.spinner("Making every step …", show_time=False):
        found = {
            label: row_lint(row.text, num_steps, config, tokens) for label, row in rows.items()
        }
    table = pd.concat(
        [frame.assign(sampler=rows[label].text) for label, frame in found.items()],
        ignore_index=True,
    )
    table = table[["sampler", *table.columns.drop("sampler")]]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        counts = table["severity"].value_counts()
        kinds = bound().pills(
            "Show",
            SEVERITIES,
            selection_mode="multi",
            default=["error", "warning"],
            key=f"{page}.severity",
        )
        grouped = bound().segmented_control("By", ("rule", "sampler"), key=f"{page}.by")
        csv_button(table, "lint", f"{page}.csv_lint", "Findings (CSV)")
    told = [f"{counts.get(k, 0)} {k}{'' if counts.get(k, 0) == 1 else 's'}" for k in SEVERITIES]
    st.caption(f"Found: {', '.join(told)}. Open one for its reason, what to do, and the source.")
    shown = table[table["severity"].isin(kinds)]
    if shown.empty:
        st.caption("Nothing of this kind was found.")
        return
    labels = {row.text: label for label, row in rows.items()}
    by_sampler = grouped == "sampler"
    st.html(style(__file__) + (_by_sampler if by_sampler else _by_rule)(shown, labels, colors))
    missing = table.loc[table["rule"] == MISMATCH, "sampler"].unique().tolist()
    if missing:
        link_to("solver_bench", "What a missed timestep costs, measured", **{BENCH: missing})


def _by_sampler(table: pd.DataFrame, labels: dict[str, str], colors: dict[str, str]) -> str:
    details = _details()
    out = []
    for text, rows in table.groupby("sampler", sort=False):
        label = labels[str(text)]
        dot = f'<span class="dot" style="background:{colors[label]}"></span>'
        out.append(f"<h2>{dot}{html.escape(str(text)[:200])}</h2>")
        out += [_finding(row, row.message, details) for row in _findings(rows)]
    return f'<div class="lint">{"".join(out)}</div>'


def _by_rule(table: pd.DataFrame, labels: dict[str, str], colors: dict[str, str]) -> str:
    details = _details()
    out = []
    for rank in SEVERITIES:
        for _, rows in table[table["severity"] == rank].groupby("rule", sort=False):
            said = "".join(
                f"<li>{_dotted(same, labels, colors)}: {html.escape(str(message))}</li>"
                for message, same in rows.groupby("message", sort=False)
            )
            first = _findings(rows)[0]
            names = [labels[text] for text in rows["sampler"].unique()]
            what = f"{first.explanation} {_some(names)}"
            out.append(_finding(first, what, details, f"<ul>{said}</ul>"))
    return f'<div class="lint">{"".join(out)}</div>'


def _dotted(rows: pd.DataFrame, labels: dict[str, str], colors: dict[str, str]) -> str:
    """Return the samplers of findings, each with its colour."""
    names = [labels[text] for text in rows["sampler"].unique()]
    return ", ".join(
        f'<span class="dot" style="background:{colors[name]}"></span>{html.escape(name)}'
        for name in names
    )


def _some(names: list[str]) -> str:
    """Return which samplers a rule found, of many how many."""
    return f"({', '.join(names)})" if len(names) <= NAMED else f"({len(names)} samplers)"


def _findings(rows: pd.DataFrame) -> list[Any]:
    """Return the rows as named tuples, whose fields pandas alone knows."""
    return list(rows.itertuples())


def _finding(row: Any, said: str, details: dict[str, str], more: str = "") -> str:
    step = "" if pd.isna(row.step) or more else f" (step {row.step})"
    color = _COLORS[row.severity]
    sign = f'<span class="sign" aria-hidden="true">{_SIGNS[row.severity]}</span>'
    return (
        f'<details><summary><span class="tag" style="color:{color}">'
        f"{sign} {row.severity}</span> "
        f"{html.escape(said)}{step}</summary>"
        f'<div class="more">{more}<b>{html.escape(row.explanation)}</b> '
        f"{html.escape(details[row.rule])}<br><b>What to do:</b> {html.escape(row.fix)}"
        f"<br><b>Source:</b> {html.escape(row.source)} · rule <code>{row.rule}</code></div>"
        f"</details>"
    )


@st.cache_data(show_spinner=False)
def _details() -> dict[str, str]:
    from sdlab.linting import rules

    table = rules()
    return dict(zip(table["rule"], table["details"], strict=True))
