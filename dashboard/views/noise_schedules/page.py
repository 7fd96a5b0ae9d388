"""The Noise schedules page: which samplers, on which axes; charts, findings, table."""

import html
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import schedules as charts
from dashboard.charts.base import MAX_ROWS
from dashboard.charts.coinciding import (
    coinciding,
    first_of_each_step,
    one_line_each,
)
from dashboard.components.browser_files import style
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, opening, plain, sentence
from dashboard.shell.model_choice import say_no_model
from dashboard.shell.navigation import link_to
from dashboard.views.noise_schedules import seen
from dashboard.views.noise_schedules.config import (
    IN_FORCE,
    chosen_config,
    chosen_tokens,
    training_names,
    training_table,
)
from dashboard.views.noise_schedules.fit import fit_panel
from dashboard.views.noise_schedules.lint import lint_panel
from dashboard.widgets import sampler_rows as rows_
from dashboard.widgets.downloads import csv_button
from dashboard.widgets.figure import figure, why
from dashboard.widgets.sampler_adder import sampler_adder
from dashboard.widgets.sampler_rows import Row
from sdlab.noise.flow import is_flow

MOST_ROWS = 60
TABS = ("What lint says", "Step ratio", "Table", "Fit a schedule")
_COLUMNS = [
    "sampler", "step", "evaluation", "timestep", "sigma", "log_snr", "alpha_bar", "ratio",
]  # fmt: skip


def noise_schedules(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    with opening():
        catalogue = lab().catalogue()
    if catalogue is None:
        say_no_model()
        return
    with explained():
        place = st.container()
        config = chosen_config(page)
        tokens = chosen_tokens(page, config)
        with place:
            texts, num_steps = _who(page, _fitting(catalogue, config), is_flow(config))
        x, y, log, behind, every = _axes(page, is_flow(config))
    rows, frame = _courses(texts, num_steps, config, tokens)
    if not rows:
        st.info("Choose a sampler above, or press a preset.", icon=":material/show_chart:")
        return
    with explained():
        drawn = frame if every else first_of_each_step(frame)
        groups = coinciding(drawn, charts.drawn_columns(x, y))
        looks = rows_.styles(rows)
        training = training_table(behind, config, num_steps)
        lines, ink, dashes = one_line_each(drawn, groups, *looks)
        thin = rows_.thinned(lines, MAX_ROWS - len(training) - 2 * len(groups))
        levels = charts.levels(thin, training, x, y, log, ink, dashes)
        figure(levels, seen.span(drawn), alt=f"{y} against {x}", more=seen.HOW_TO_READ)
        _say_same(groups, looks[0])
        why(seen.WHY, *seen.EQUATIONS)
        link_to("compare", "Compare their pictures", **{"compare.samplers": texts})
        if len(thin) < len(lines):
            st.caption(f"{len(thin):,} of {len(lines):,} points are drawn; the table has all.")
        lint, ratio, table, fit = st.tabs(TABS)
        with lint:
            lint_panel(page, rows, num_steps, config, looks[0], tokens)
        with ratio:
            figure(
                charts.ratios(thin, x, ink, dashes),
                "How much of the noise each step leaves; 0 is the jump to the clean picture.",
                alt=f"Step ratio against {x}",
            )
            why(seen.WHY_RATIO, seen.RATIO)
        with table:
            _table(page, frame)
        with fit:
            fit_panel(page)


def _say_same(groups: list[list[str]], colors: dict[str, str]) -> None:
    """Say which samplers share a line."""
    shared = [
        f'<div><span class="dot" style="background:{colors[names[0]]}"></span>'
        f"<b>These {len(names)} are the same:</b> {html.escape(', '.join(names))}</div>"
        for names in groups
        if len(names) > 1
    ]
    if shared:
        st.html(style(__file__) + f'<div class="same">{"".join(shared)}</div>')


def _fitting(catalogue: pd.DataFrame, config: dict[str, Any]) -> pd.DataFrame:
    """Return the loaded model's catalogue, or that of a config on the other path."""
    same = is_flow(config) == ("flow" in set(catalogue["coordinates"]))
    return catalogue if same else _catalogue_of(config)


@st.cache_data(max_entries=8, show_spinner="Trying every scheduler …")
def _catalogue_of(config: dict[str, Any]) -> pd.DataFrame:
    import sdlab

    return sdlab.schedulers(config=config)


def _who(page: str, catalogue: pd.DataFrame, flow: bool) -> tuple[list[str], int]:
    key = f"{page}.flow_rows" if flow else f"{page}.rows"
    first = rows_.FLOW_DEFAULT if flow else rows_.DEFAULT
    offered = rows_.offers(catalogue)
    own = [text for text in offered if "+" not in text and text.islower()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name in rows_.PRESETS:
            st.button(
                name,
                key=f"{page}.preset_{rows_.PRESETS.index(name)}",
                on_click=_take,
                args=(key, name, catalogue, own),
            )
        sampler_adder(page, key, catalogue, first)
    left, right = st.columns([6, 1], vertical_alignment="bottom")
    texts = bound(left).multiselect(
        "Samplers",
        offered,
        [text for text in first if text in offered],
        key=key,
        accept_new_options=True,
        max_selections=MOST_ROWS,
        wrap=True,
        help="First what A1111, ComfyUI and Civitai call them; then solvers and schedulers, alone "
        "or + curve. You may also type one: "
        "`heun {option=value} + karras [rho=5]`.",
    )
    steps = bound(right).number_input("Steps", 1, 1000, 20, key=f"{page}.steps")
    return list(dict.fromkeys(texts)), int(steps)


def _take(key: str, name: str, catalogue: pd.DataFrame, own: list[str]) -> None:
    shown = [text.partition(" ")[0] for text in st.session_state.get(key, ())]
    solver = next((text for text in shown if text in own), "euler")
    st.session_state[key] = rows_.preset(name, catalogue, solver)


def _axes(page: str, flow: bool) -> tuple[str, str, bool, list[str], bool]:
    own = (charts.TIME,) * flow
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        y = bound().segmented_control("Show", (*own, *charts.Y_AXES), key=f"{page}.y")
        x = bound().segmented_control("Against", (*charts.X_AXES, *own), key=f"{page}.x")
        log = True
        if y in charts.LOGARITHMIC:
            log = bound().toggle("Log scale", y == "sigma", key=f"{page}.log_{y}")
        behind = bound().multiselect(
            "Training schedules behind",
            training_names(),
            [IN_FORCE],
            key=f"{page}.training",
        )
        every = bound().toggle(
            "Every evaluation",
            False,
            key=f"{page}.evaluations",
            help="Solvers such as Heun evaluate the network twice a step, at two noise levels. "
            "Off, each step shows the level at which it starts; the table has all.",
        )
    return x, y, log, behind, bool(every)


def _courses(
    texts: list[str], num_steps: int, config: dict[str, Any], tokens: int | None
) -> tuple[dict[str, Row], pd.DataFrame]:
    """Return the rows that can be drawn, by label, and their tables; shows what is wrong."""
    rows: dict[str, Row] = {}
    parts = []
    for text in texts:
        try:
            row = rows_.parse_row(text)
            table = rows_.row_table(text, num_steps, config, tokens)
        except ValueError as error:
            said = plain(_brief(sentence(error)))
            st.error(f"**{_plain(text)}**: {said}", icon=":material/error:")
            continue
        label = row.label
        while label in rows:
            label += " '"
        rows[label] = row
        parts.append(table.assign(series=label, sampler=row.text))
    return rows, pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _table(page: str, frame: pd.DataFrame) -> None:
    table = frame[[*_COLUMNS, *(name for name in ("flow_time",) if name in frame)]]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"One row an evaluation, and one for the end. {len(table):,} rows.",
            width="stretch",
            help="The address of this page holds every choice: copy it to share.",
        )
        csv_button(table, "noise-schedules", f"{page}.csv")
    st.dataframe(table, hide_index=True, height=330, alt="Table of the noise schedules")


def _brief(said: str) -> str:
    """Return a message; of a long one not the names that would be valid, which the menu shows."""
    return said if len(said) < 300 else said.partition(" Valid: ")[0][:600]


def _plain(text: str) -> str:
    return plain(text[:120])
