"""Flow matching: which configs follow it, and the time t beside sigma.

x_t = (1 - t) x0 + t n, t from 0 (the picture) to 1 (noise alone). sigma = t / (1 - t) is the noise
over the signal, as everywhere here; at t = 1 it is infinite.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sdlab.noise.schedule import Array


def is_flow(config: Mapping[str, Any]) -> bool:
    """Return whether a diffusers scheduler config is one of flow matching.

    Args:
        config: ``scheduler.config``, or the contents of scheduler_config.json.
    """
    name = str(config.get("_class_name", ""))
    flows = config.get("use_flow_sigmas") or config.get("prediction_type") == "flow_prediction"
    shifted = "shift" in config and "beta_schedule" not in config
    return bool(name.startswith("FlowMatch") or flows or shifted)


def time_to_sigma(time: ArrayLike) -> Array:
    """Return sigma = t / (1 - t), any shape; infinite at t = 1.

    Args:
        time: 0 ... 1.

    Raises:
        ValueError: If a time lies outside.
    """
    t = np.asarray(time, dtype=np.float64)
    if t.size and not (np.min(t) >= 0 and np.max(t) <= 1):
        raise ValueError(f"flow times go from 0 to 1, got {t}.")
    with np.errstate(divide="ignore"):
        return t / (1.0 - t)


def sigma_to_time(sigma: ArrayLike) -> Array:
    """Return t = sigma / (1 + sigma), any shape; 1 where sigma is infinite."""
    s = np.asarray(sigma, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return 1.0 / (1.0 + 1.0 / s)
