"""The Schedule passport page: fields, the chart, what parts the lines, ways out."""

import html
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.charts import passport as looks
from dashboard.charts import schedules as charts
from dashboard.charts.base import MAX_ROWS
from dashboard.charts.coinciding import coinciding, one_line_each
from dashboard.components.browser_files import style
from dashboard.shell.address import bound
from dashboard.shell.messages import explained, plain
from dashboard.shell.navigation import link_to
from dashboard.views.passport import rows as rows_
from dashboard.views.passport import seen
from dashboard.views.passport.file import dropped, kept_config
from dashboard.views.passport.ways import equal_panel, export_panel
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.widgets.sampler_rows import thinned

if TYPE_CHECKING:
    from sdlab.passports.passport import Passport
    from sdlab.passports.presets import Preset

TABS = ("What each runs", "Sigmas", "Equal setting", "For another program", "Notes")


def passport_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    link_to("why_different", "Two pictures that differ? See why")
    with explained():
        dropped(page)
        chosen = _fields(page)
        if chosen is None:
            return
        passports, refused = chosen
        for row, reason in refused.items():
            st.caption(f":material/block: {plain(row)}: {plain(reason)}")
        if not passports:
            st.info("Choose a line that can run these steps.", icon=":material/badge:")
            return
        _chart(page, passports)
        _differences(passports)
        why(seen.WHY, *seen.EQUATIONS)
        _tabs(page, passports)


def _fields(page: str) -> "tuple[dict[str, Passport], dict[str, str]] | None":
    """Draw the fields and return the passports of the lines, and why others have none."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        preset = _model(page)
        steps = bound().number_input(
            "Steps", 1, 1000, 20, key=f"{page}.steps", width=120,
            help="What the program's own field says; how many then run is below.",
        )  # fmt: skip
        denoise = bound().number_input(
            "Denoise", rows_.LEAST_DENOISE, 1.0, 1.0, 0.05, key=f"{page}.denoise", width=120,
            format="%g", help="Below 1 a picture is changed: img2img's denoising strength.",
        )  # fmt: skip
        sampler = bound().selectbox(
            "Sampler", rows_.SAMPLERS, key=f"{page}.sampler", width=190,
            help="Of ComfyUI, AUTOMATIC1111, Forge and k-diffusion: how often the network is "
            "called, and whether the last sigma above 0 is left out. In diffusers and InvokeAI "
            "the scheduler is the sampler too.",
        )  # fmt: skip
        size = _size(page, preset)
    with st.spinner("Asking diffusers …", show_time=False):
        offers = rows_.offered(preset)
    key = f"{page}.rows.{preset.path}.{preset.kind}"
    lines = bound().multiselect(
        "Lines, held against the first",
        offers,
        rows_.first_rows(preset, offers),
        key=key,
        max_selections=12,
        help="A program and one of its schedulers, by its own name.",
    )
    if not lines:
        st.info("Choose a program and a scheduler above.", icon=":material/badge:")
        return None
    with st.spinner("Laying out …", show_time=False):
        return rows_.made(list(lines), preset, int(steps), float(denoise), sampler, size)


def _model(page: str) -> "Preset":
    from sdlab.passports.presets import PRESETS, preset_of

    own = kept_config(page)
    names = [*PRESETS, *(["config"] if own else [])]
    name = bound().selectbox(
        "Model",
        names,
        key=f"{page}.model",
        format_func=lambda one: PRESETS[one].title if one in PRESETS else "the dropped config",
        width=330,
        help="Its noise schedule: betas, EDM's range or flow matching's shift. Drop a "
        "scheduler_config.json for another.",
    )
    return preset_of(own) if name == "config" and own else PRESETS[str(name)]


def _size(page: str, preset: "Preset") -> tuple[int, int] | None:
    """Draw width and height where a program shifts by them."""
    if preset.name not in rows_.SIZED and preset.kind != "flux":
        return None
    width, height = (
        bound().number_input(
            label, 64, 8192, 1024, 16, key=f"{page}.{label.lower()}", width=120,
            help="In pixels: diffusers and InvokeAI shift the times by the picture's size.",
        )
        for label in ("Width", "Height")
    )  # fmt: skip
    return int(width), int(height)


def _chart(page: str, passports: "dict[str, Passport]") -> None:
    flow = next(iter(passports.values())).path == "flow"
    y = charts.TIME if flow else "sigma"
    levels = rows_.levels_table(passports)
    styles = looks.styles({row: one.engine for row, one in passports.items()})
    lines, colors, dashes = one_line_each(
        levels, coinciding(levels, charts.drawn_columns("step", y)[:2]), *styles
    )
    frame = thinned(lines, MAX_ROWS - 2 * len(passports))
    chart = charts.levels(frame, frame.iloc[:0], "step", y, not flow, colors, dashes)
    alt = f"{y} against step, a line each program"
    figure(chart, seen.span(passports), alt=alt, more=seen.HOW_TO_READ)
    if len(frame) < len(lines):
        st.caption(f"{len(frame):,} of {len(lines):,} points are drawn; the table has all.")


def _differences(passports: "dict[str, Passport]") -> None:
    """Say of every line what parts it from the first."""
    from sdlab.passports.comparing import compare

    (first_row, first), *rest = passports.items()
    said = [_line(first_row, first, "The others are held against this one.")]
    said += [_line(row, one, compare(first, one).sentence) for row, one in rest]
    st.html(style(__file__) + f'<div class="passports">{"".join(said)}</div>')


def _line(row: str, one: "Passport", words: str) -> str:
    dot = f'<span class="dot" style="background:{looks.engine_color(one.engine)}"></span>'
    return f"<div>{dot}<b>{html.escape(row)}</b>: {html.escape(words)}</div>"


def _tabs(page: str, passports: "dict[str, Passport]") -> None:
    summary, sigmas, equal, export, notes = st.tabs(TABS)
    with summary:
        csv_table(
            rows_.summary_table(passports), "passports", f"{page}.csv", seen.ABOUT_SUMMARY,
            columns=_columns(),
        )  # fmt: skip
    with sigmas:
        csv_table(rows_.sigmas_table(passports), "sigmas", f"{page}.csv_sigmas", seen.ABOUT_SIGMAS)
    with equal:
        equal_panel(page, passports)
    with export:
        export_panel(page, passports)
    with notes:
        for row, one in passports.items():
            told = "".join(f"\n- {plain(note)}" for note in one.notes) or "\n- Nothing to note."
            st.markdown(f"**{plain(row)}** ({plain(one.source)}){told}")


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "first": number("first level", format="%.4f"),
        "last": number("last level", format="%.4f"),
        "start noise": number(format="%.4f"),
        "largest difference": number(format="%.5f"),
    }
