"""Tables as a run leaves them, made without a run."""

import numpy as np
import pandas as pd

from sdlab.columns import CHANNELS, STEPS


def _where(n: int) -> dict[str, np.ndarray]:
    sigma = np.geomspace(14.6, 0.03, n)
    return {
        "run": np.full(n, "0123456789abcdef"),
        "step": np.arange(n),
        "evaluation": np.arange(n),
        "timestep": np.linspace(999, 0, n),
        "sigma": sigma,
    }


def steps_table(n: int = 25, guided: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(_where(n))
    for name in STEPS:
        if name not in frame:
            frame[name] = rng.normal(size=n)
    frame["alpha_bar"] = 1 / (1 + frame["sigma"] ** 2)
    frame["log_snr"] = -2 * np.log(frame["sigma"])
    frame["ms"], frame["samples"] = 40.0, 2
    frame.loc[0, "angle_deg"] = np.nan
    if not guided:
        frame[["eps_uncond_norm", "guidance_norm", "cosine"]] = np.nan
    return frame[list(STEPS)]


def channels_table(n: int = 25) -> pd.DataFrame:
    parts = [steps_table(n).assign(channel=channel) for channel in range(4)]
    return pd.concat(parts, ignore_index=True)[list(CHANNELS)]
