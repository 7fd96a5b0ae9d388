"""The charts of a run, in groups, all against the one axis that is chosen above them."""

from collections.abc import Callable

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.charts import guidance, latents, noise, path, timing
from dashboard.charts.base import AXES
from dashboard.theme import scheduler_color

_AXIS_WORDS = {"step": "step", "sigma": "sigma", "timestep": "timestep"}
_TENSOR_WORDS = {"x0_pred": "x0_pred", "x_t": "x_t"}
NO_GUIDANCE = (
    "Guidance is off (scale 1 or less), so there is no unconditional half to compare with."
)


@st.fragment
def chart_panel(steps: pd.DataFrame, channels: pd.DataFrame, solver: str) -> None:
    """Draw all charts of a run; choosing another axis redraws only them.

    Args:
        steps: The run's steps table.
        channels: Its channels table.
        solver: Whose colour its noise level has.
    """
    if steps.empty:
        st.caption("The record kept no statistics, so there is nothing to draw.")
        return
    with st.container(horizontal=True, gap="medium"):
        axis = _choice("Against", AXES, "run.axis", _AXIS_WORDS)
        tensor = _choice("Latents of", tuple(latents.TENSORS), "run.tensor", _TENSOR_WORDS)
    color = scheduler_color(solver)
    st.markdown("##### Noise")
    _grid([lambda: noise.sigma(steps, axis, color), lambda: noise.log_snr(steps, axis, color)])
    st.markdown("##### Latents")
    spread = (latents.mean, latents.std, latents.span)
    _grid([lambda f=f: f(channels, axis, tensor) for f in spread])
    st.markdown("##### Guidance")
    guided = steps["eps_uncond_norm"].notna().any()
    drawn = [guidance.eps_norms]
    if guided:
        drawn += [guidance.guidance_norm, guidance.cosine]
    _grid([lambda f=f: f(steps, axis) for f in drawn])
    if not guided:
        st.caption(NO_GUIDANCE)
    st.markdown("##### Path and time")
    ways = (path.displacement, path.angle, timing.evaluation_ms)
    _grid([lambda f=f: f(steps, axis) for f in ways])


def _choice(label: str, options: tuple[str, ...], key: str, words: dict[str, str]) -> str:
    return st.segmented_control(
        label,
        options,
        default=options[0],
        required=True,
        key=key,
        format_func=words.__getitem__,
        bind="query-params",
    )


def _grid(charts: list[Callable[[], alt.LayerChart]]) -> None:
    with st.grid(3, min_column_width=290, gap="medium"):
        for make in charts:
            chart = make()
            alt_text = str(chart.to_dict()["title"]["text"])
            st.altair_chart(chart, width="stretch", alt=alt_text)
