"""Equations (12) and (16) of the DDIM paper, the code that runs, and the numbers of a step."""

import inspect
import math
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.views.ddim import form
from dashboard.views.ddim.eta import EQUATION_16
from dashboard.views.ddim.work import noise_levels
from dashboard.widgets.csv_table import csv_table
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    import pandas as pd

CURVES = ("as trained", "leading", "linspace", "trailing")
MANY = 256
"""Steps of which the rounding takes a large share."""
EQUATION_12 = r"""
\begin{aligned}
x_{t-1} =\;& \sqrt{\bar\alpha_{t-1}}
\underbrace{\left(\frac{x_t - \sqrt{1 - \bar\alpha_t}\,\epsilon_\theta}{\sqrt{\bar\alpha_t}}
\right)}_{\text{x0\_pred}} \\
&+ \sqrt{1 - \bar\alpha_{t-1} - \sigma_t^2}\;\epsilon_\theta + \sigma_t\,\epsilon_t
\end{aligned}
"""


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    page = f"{page}.eq"
    steps, eta, step, table = _choices(page, model)
    row = table.iloc[step]
    paper, code = st.columns(2, gap="medium")
    with paper:
        st.subheader("The paper", anchor=False)
        st.markdown("Song et al. 2020, arXiv 2010.02502, equation (12):")
        st.latex(EQUATION_12)
        st.markdown("with the numbers of the chosen step:")
        st.latex(numbers_12(row))
        st.markdown("Equation (16), the noise injected again:")
        st.latex(EQUATION_16)
        st.latex(numbers_16(row, eta))
    with code:
        st.subheader("The code that runs", anchor=False)
        st.code(_source(), language="python", wrap_lines=True)
        st.markdown(
            "It works on x / sqrt(alpha_bar), where x = x0 + sigma n and "
            "sigma² = (1 - alpha_bar) / alpha_bar. The same step there:"
        )
        st.latex(numbers_code(row))
        st.caption(
            "eta_std = σ_t / sqrt(alpha_bar) of the next level: "
            f"{row['sigma_t']:.5g} / sqrt({row['alpha_bar_next']:.5g}) = {row['eta_std']:.5g}."
        )
    if math.isinf(table["sigma"].iloc[0]):
        st.caption(
            "Flow matching: the first step, from noise alone, is Euler's over t.",
            help="Its network is given (1 - t) x0 + t n in place of the paper's x_t, and sigma is "
            "t / (1 - t). At the first step, t = 1, sigma is infinite and alpha_bar 0, where the "
            "paper's equation divides by 0.",
        )
    elif steps > 1:
        st.markdown(why_linspace(lab().ask(lambda m: m.schedule.num_timesteps, model.hash), steps))
        form.link_to_spacings()
    st.header("All steps", anchor=False)
    csv_table(
        table, f"ddim-{steps}-steps", f"{page}.csv",
        "Every step's levels and the coefficients of equation (12).",
        {name: st.column_config.NumberColumn(name, format="%.5g") for name in map(str, table)},
    )  # fmt: skip


def why_linspace(timesteps: int, steps: int) -> str:
    """Return in sentences why diffusers' DDIM gets worse with more steps over linspace spacing.

    Args:
        timesteps: T, that the model was trained with.
        steps: N, 2 or more.
    """

    def told(count: int) -> str:
        goes, apart = timesteps // count, (timesteps - 1) / (count - 1)
        return f"{goes} timesteps where linspace's stand {apart:.3g} apart ({goes / apart:.0%})"

    return (
        "**Why does DDIM over linspace get worse with more steps?** The step above looks up the "
        "next level. diffusers' DDIMScheduler steps to t - T // N instead, rounded down: with "
        f"{steps} steps it goes {told(steps)}, with {MANY} only {told(MANY)}. From there on the "
        "network is told another noise level than its input has."
    )


def _choices(page: str, model: ModelView) -> tuple[int, float, int, "pd.DataFrame"]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        steps = form.num_steps(page, 20)
        curve = bound().selectbox("Timesteps", CURVES, key=f"{page}.curve", width=160)
        eta = bound().slider("Eta", 0.0, 1.0, 0.5, 0.05, key=f"{page}.eta", width=220)
        step = bound().slider("Step", 0, steps - 1, min(steps - 1, steps // 2),
                         key=f"{page}.step_{steps}", width=320)  # fmt: skip
    table = _table(model.hash, steps, None if curve == CURVES[0] else curve, float(eta))
    return steps, float(eta), int(step), table


@st.cache_data(max_entries=64, show_spinner=False)
def _table(model_hash: str, steps: int, curve: str | None, eta: float) -> "pd.DataFrame":
    from sdlab.ddim.eta import coefficients

    schedule, sigmas = lab().ask(
        lambda model: (model.schedule, noise_levels(model, steps, curve)), model_hash
    )
    return coefficients(sigmas, schedule, eta)


def numbers_12(row: Any) -> str:
    """Return equation (12) with a step's numbers."""
    bar, after = row["alpha_bar"], row["alpha_bar_next"]
    if bar == 0:  # x_t is noise alone
        return (
            rf"x_{{t-1}} = \sqrt{{{after:.5f}}}\,\text{{x0\_pred}} + \sqrt{{1 - "
            rf"{after:.5f}}}\;\epsilon_\theta"
        )
    return (
        rf"\begin{{aligned}} x_{{t-1}} =\;& \sqrt{{{after:.5f}}} \left(\frac{{x_t - \sqrt{{1 - "
        rf"{bar:.5f}}}\,\epsilon_\theta}}{{\sqrt{{{bar:.5f}}}}}\right) \\ &+ \sqrt{{1 - "
        rf"{after:.5f} - {row['sigma_t']:.5f}^2}}\;\epsilon_\theta + {row['sigma_t']:.5f}\,"
        rf"\epsilon_t \end{{aligned}}"
    )


def numbers_16(row: Any, eta: float) -> str:
    """Return equation (16) with a step's numbers."""
    bar, after = row["alpha_bar"], row["alpha_bar_next"]
    if bar == 0:
        return r"\sigma_t = 0 \quad\text{(the step from noise alone injects none)}"
    return (
        rf"\sigma_t = {eta:g} \sqrt{{\frac{{1 - {after:.5f}}}{{1 - {bar:.5f}}}}} \sqrt{{1 - "
        rf"\frac{{{bar:.5f}}}{{{after:.5f}}}}} = {row['sigma_t']:.5f}"
    )


def numbers_code(row: Any) -> str:
    """Return the solver's step with its numbers."""
    sigma = r"\infty" if row["alpha_bar"] == 0 else f"{row['sigma']:.5g}"
    return (
        rf"\begin{{aligned}} \sigma &= {sigma} \\ x &\leftarrow \text{{x0\_pred}} + "
        rf"\sqrt{{{row['sigma_next']:.5g}^2 - {row['eta_std']:.5g}^2}}\;\epsilon_\theta + "
        rf"{row['eta_std']:.5g}\,n \end{{aligned}}"
    )


@st.cache_data(show_spinner=False)
def _source() -> str:
    from sdlab.solvers.builtin import ddim

    return inspect.getsource(ddim.ddim)
