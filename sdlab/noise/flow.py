"""Flow matching: which configs follow it, and the time t beside sigma.

x_t = (1 - t) x0 + t n, t from 0 (the picture) to 1 (noise alone). sigma = t / (1 - t) is the noise
over the signal, as everywhere here; at t = 1 it is infinite.

A shift s multiplies sigma: t becomes s t / (1 + (s - 1) t). A picture of more latent tokens keeps
more of its signal at the same sigma, so models are trained and sampled with a shift that grows with
the size (Esser et al. 2024, arXiv 2403.03206, section 5.3.2): fixed, or exp(mu) with mu linear in
the tokens.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdlab.errors import shown

Array = NDArray[np.float64]

_NUMBERS = {
    "shift": (0.0, 1000.0),
    "flow_shift": (0.0, 1000.0),
    "base_shift": (-20.0, 20.0),
    "max_shift": (-20.0, 20.0),
    "base_image_seq_len": (0.0, 1e7),
    "max_image_seq_len": (0.0, 1e7),
    "shift_terminal": (-1e-9, 1.0),
}
"""Between which bounds the entries lie that make the times."""


def is_flow(config: Mapping[str, Any]) -> bool:
    """Return whether a diffusers scheduler config is one of flow matching.

    Args:
        config: ``scheduler.config``, or the contents of scheduler_config.json.
    """
    name = str(config.get("_class_name", ""))
    has_shift = "shift" in config and "beta_schedule" not in config
    return bool(name.startswith("FlowMatch") or config.get("use_flow_sigmas") or has_shift)


def path_of(config: Mapping[str, Any]) -> str:
    """Return "flow" for a config of flow matching, else "vp"."""
    return "flow" if is_flow(config) else "vp"


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


def shifted(time: ArrayLike, shift: float) -> Array:
    """Return s t / (1 + (s - 1) t), any shape: the times at which sigma is s times as large.

    Args:
        time: 0 ... 1.
        shift: s, above 0.

    Raises:
        ValueError: If the shift is not above 0.

    Reference: Esser et al. 2024 (arXiv 2403.03206), eq. 23.
    """
    if not 0 < shift < np.inf:
        raise ValueError(f"shift must be above 0, got {shift}.")
    t = np.asarray(time, dtype=np.float64)
    return shift * t / (1.0 + (shift - 1.0) * t)


def dynamic_mu(tokens: int, config: Mapping[str, Any]) -> float:
    """Return mu, the logarithm of the shift, for a picture of so many latent tokens.

    Args:
        tokens: Cells that the transformer sees: width / 16 x height / 16 for Flux.
        config: Of the scheduler: ``base_shift`` at ``base_image_seq_len`` tokens, ``max_shift`` at
            ``max_image_seq_len``, and a line through both.

    Raises:
        ValueError: If there is no token.

    Reference: diffusers ``calculate_shift`` of the Flux pipeline.
    """
    if tokens < 1:
        raise ValueError(f"tokens must be at least 1, got {tokens}.")
    low, high = config.get("base_image_seq_len") or 256, config.get("max_image_seq_len") or 4096
    base, top = (
        default if config.get(name) is None else config[name]
        for name, default in (("base_shift", 0.5), ("max_shift", 1.15))
    )
    return float(base + (top - base) * (tokens - low) / (high - low))


def check_flow_config(config: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if an entry of a flow-matching config that makes the times is not valid.

    Raises:
        ValueError: Naming the entry, its value and what is allowed.
    """
    for name, (low, high) in _NUMBERS.items():
        value = config.get(name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not (number and low < value < high):
            raise ValueError(
                f"{name} must be a number between {low:g} and {high:g}, got {shown(value)}."
            )


def flow_shift(config: Mapping[str, Any]) -> float:
    """Return the fixed shift of a flow-matching config, whatever its class calls it.

    1 where the shift goes by the picture's size: then a fixed one is not used.
    """
    if config.get("use_dynamic_shifting"):
        return 1.0
    return float(config.get("shift") or config.get("flow_shift") or 1.0)


def shift_in_force(config: Mapping[str, Any], mu: float) -> float:
    """Return the shift of a flow-matching config, which may go by the picture's size.

    Args:
        config: Of the scheduler.
        mu: The logarithm of the shift, or the shift itself where ``time_shift_type`` is "linear";
            read only with ``use_dynamic_shifting``.
    """
    if not config.get("use_dynamic_shifting"):
        return flow_shift(config)
    return mu if config.get("time_shift_type") == "linear" else float(np.exp(mu))
