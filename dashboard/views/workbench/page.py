"""The Workbench: making, seeing, trying and saving a curve."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import workbench as charts
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, opening, plain
from dashboard.shell.model_choice import say_no_model
from dashboard.views.workbench.controls import (
    PAGE,
    Baseline,
    CurveTrial,
    baseline_controls,
    draft_controls,
    is_times,
    points_controls,
    trial_controls,
)
from dashboard.views.workbench.draft import Draft
from dashboard.views.workbench.saved_curves import keep_controls, saved_controls, use_in_experiment
from dashboard.views.workbench.trial import show_pictures, show_strip
from dashboard.widgets.downloads import csv_button
from dashboard.widgets.figure import figure, why
from dashboard.widgets.lint_choice import wants_lint
from sdlab.noise.flow import is_flow
from sdlab.noise.schedule import FlowTimes, NoiseSchedule
from sdlab.sampler_names import titled

_ICONS = {"error": ":material/error:", "warning": ":material/warning:", "note": ":material/info:"}
MOST_SAID = 3
_U = "u runs from 0 at the first step to 1 at the last."
SNR_SEEN = "Straight: even steps from noise to picture."
RATIO_SEEN = "Near 1 is a short step, 0 the last jump."
EQUATIONS = (
    r"\log \mathrm{SNR} = -2 \ln \sigma",
    r"\text{ratio}_i = \sigma_{i+1} / \sigma_i",
)
WHY = (
    "A solver errs most where a step is long in log-SNR, that is where the ratio is small. Steps "
    "at high noise decide the layout, those at low noise the fine detail: a curve shares them out. "
    "With flow matching a curve is one of the times t, and sigma = t / (1 - t)."
)
TOKENS = 4096  # of 1024 x 1024 pixels, for a shift that goes by the size


def workbench() -> None:
    """Draw the page below its title."""
    with opening(), explained():
        catalogue = lab().catalogue()
        config, name = lab().ask(lambda model: (dict(model.scheduler_config), model.name))
    if catalogue is None:
        say_no_model()
        return
    schedule = schedule_of(config)
    left, right = st.columns([3, 7], gap="large")
    with left, st.container(key=f"{PAGE}_form"), explained():
        saved_controls(schedule)
        draft = draft_controls(schedule)
        steps = draft.num_steps if draft else int(st.session_state.get(f"{PAGE}.steps", 20))
        baseline = baseline_controls(steps, schedule)
        trial = trial_controls(catalogue)
    with right, explained():
        _say_range(schedule)
        if draft is None:
            st.info("The charts come back with the next sound input.", icon=":material/show_chart:")
            return
        if draft.curve == "points":
            points_controls(draft, baseline, schedule)
        show_curve(draft, baseline, is_times(schedule))
        if draft.problems:
            return
        _show_lint(draft, trial, config)
    if baseline.sigmas is None:
        st.warning(plain(baseline.reason), icon=":material/warning:")
    use_in_experiment(draft)
    names = ["A noised image", "Pictures"] * (baseline.sigmas is not None) + ["Save and export"]
    *tried, kept = st.tabs(names)
    if tried:
        with tried[0], explained():
            show_strip(draft, baseline, trial, is_times(schedule))
        with tried[1], explained():
            show_pictures(draft, baseline, trial)
    with kept, explained():
        keep_controls(draft, schedule, config, name, trial)


def problem_table(draft: Draft) -> pd.DataFrame:
    """Return the problems as the charts take them: step, sigma, problem."""
    rows = [(p.index, p.value, p.sentence) for p in draft.problems]
    table = pd.DataFrame(rows, columns=list(charts.PROBLEMS))
    return table.astype({"step": "int64", "sigma": "float64"})


def schedule_of(config: dict[str, Any]) -> NoiseSchedule:
    """Return what curves are laid over: a config's noise schedule, or flow matching's times."""
    if is_flow(config):
        return FlowTimes.of_config(config, TOKENS)
    return NoiseSchedule.from_config(config)


def show_curve(draft: Draft, baseline: Baseline, flow: bool = False) -> None:
    """Draw the problems, the charts and the table of a draft; ``flow`` if it is one of times."""
    said = [plain(problem.sentence) for problem in draft.problems[:MOST_SAID]]
    if len(draft.problems) > MOST_SAID:
        said.append(f"… and {len(draft.problems) - MOST_SAID} more, marked in the charts.")
    if said:
        st.error("  \n".join(said), icon=":material/error:")
    curves = {"yours": draft.sigmas}
    if baseline.sigmas is not None:
        curves[baseline.label] = baseline.sigmas
    frame, problems = charts.curve_table(curves), problem_table(draft)
    frame = charts.of_times(frame) if flow else frame
    figure(charts.sigma(frame, problems), _longest(draft))
    with st.grid(2, min_column_width=290, gap="medium"):
        with st.container(gap="xsmall"):
            figure(charts.log_snr(frame, problems), SNR_SEEN)
        with st.container(gap="xsmall"):
            figure(charts.ratio(frame, problems), RATIO_SEEN)
    why(WHY, *EQUATIONS)
    _table(frame)


def _longest(draft: Draft) -> str:
    """Return at which step a curve without problems goes furthest; of others what is drawn."""
    sigmas = draft.sigmas
    if draft.problems or len(sigmas) < 3:
        return "The noise level at which each step begins."
    ratios = sigmas[1:-1] / sigmas[:-2]
    step = int(ratios.argmin())
    return f"Yours goes furthest in step {step}, to {ratios[step]:.2g} of what it was."


def _table(frame: pd.DataFrame) -> None:
    with st.expander("The numbers", key=f"{PAGE}.numbers"):
        csv_button(frame, "curves", f"{PAGE}.csv")
        st.dataframe(frame, hide_index=True, height=300, alt="Table of both curves")


def _say_range(schedule: NoiseSchedule) -> None:
    if is_times(schedule):
        st.caption(
            f"The model follows flow matching: a curve is one of its times t, from 1 to"
            f" {schedule.sigma_min:.3g}; sigma stands for t in a formula.",
            help=_U,
        )
        return
    st.caption(
        f"The model's noise levels: sigma {schedule.sigma_min:.4g} to {schedule.sigma_max:.4g},"
        f" {schedule.num_timesteps} timesteps.",
        help=_U,
    )


def _show_lint(draft: Draft, trial: CurveTrial, config: dict[str, Any]) -> None:
    if not wants_lint(draft.num_steps, f"{PAGE}.slow"):
        return
    with st.spinner("Making every step …", show_time=False):
        found = _findings(trial.solver, draft.num_steps, config, draft.curve, draft.options)
    if found.empty:
        st.caption(
            f":material/check: Lint finds nothing on this curve with {plain(titled(trial.solver))}."
        )
    row: Any  # its fields are known to pandas alone
    for row in found.itertuples():
        where = "" if pd.isna(row.step) else f"Step {row.step}: "
        with st.expander(f"{where}{plain(row.message)}", icon=_ICONS[row.severity]):
            st.markdown(f"{plain(row.explanation)} **Fix:** {plain(row.fix)}")
            st.caption(f"Rule {row.rule} · {plain(row.source)}")


@st.cache_data(max_entries=64, show_spinner=False)
def _findings(
    solver: str, num_steps: int, config: dict[str, Any], curve: str, options: dict[str, Any]
) -> pd.DataFrame:
    import sdlab

    return sdlab.lint(solver, num_steps, config=config, curve=curve, curve_options=options)
