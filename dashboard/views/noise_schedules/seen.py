"""What is seen in the charts of noise schedules, and the theory behind them."""

import pandas as pd

EQUATIONS = (
    r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\;\epsilon",
    r"\sigma_t = \sqrt{\frac{1 - \bar\alpha_t}{\bar\alpha_t}}",
)
WHY = (
    "**Training** knows a noise level for each of its timesteps (grey); a **sampler** visits a few "
    "of them. Which, is decided by its spacing of timesteps or by a sigma curve, so two samplers "
    "of equal steps can start at different noise: *leading* spacing leaves the noisiest timesteps "
    "out, *trailing* and *linspace* begin with them. Steps at high noise decide the layout, steps "
    "at low noise the fine detail."
)
RATIO = r"\text{ratio}_i = \sigma_{i+1} / \sigma_i"
WHY_RATIO = (
    "Equal ratios are equal steps of log-SNR. The smaller the ratio, the longer the step, and the "
    "more a solver of low order errs in it."
)
HOW_TO_READ = (
    "Hover to bring a line forward; click names to see only those, with Shift several. A "
    "sampler has the same colour on every page; dashes show the "
    "curve. Samplers share a line if their noise levels agree to four figures. Grey is the "
    "training schedule in even steps. Names in small letters are sdlab's solvers; Euler is "
    "diffusers' EulerDiscreteScheduler, and so on."
)


def span(frame: pd.DataFrame) -> str:
    """Return between which noise levels the samplers start, and their smallest above 0."""
    sigmas = frame[frame["sigma"] > 0].groupby("series", sort=False)["sigma"]
    first, least = _between(sigmas.first()), _between(sigmas.min())
    return f"They start at sigma {first}; the last noise above 0 is {least}."


def _between(values: pd.Series) -> str:
    """Return one value or the range of several: '14.6', '8.39 to 14.6'."""
    ends = values.min(), values.max()
    low, high = (f"{end:.3g}".replace("inf", "infinity") for end in ends)
    return low if low == high else f"{low} to {high}"
