r"""How much signal and how much noise there is at each training timestep.

A diffusion model is trained on x_t = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) eps, with
alpha_bar_t = prod_{s<=t} (1 - beta_s) (Ho et al. 2020, arXiv 2006.11239, eq. 4). All else follows
from alpha_bar: sigma = sqrt((1 - alpha_bar) / alpha_bar), the noise level of x_t / sqrt(alpha_bar)
= x0 + sigma eps (variance exploding, Karras et al. 2022, arXiv 2206.00364), and
log SNR = -2 ln sigma. So EDM, which has sigmas only, and flow matching, x_t = (1 - t) x0 + t eps
with sigma = t / (1 - t), are schedules too.

Between the integer timesteps ln sigma is taken as linear in t, as k-diffusion and diffusers do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdlab.bounds import MAX_TIMESTEPS, check_config, check_whole
from sdlab.errors import unknown
from sdlab.noise.flow import (
    dynamic_mu,
    flow_shift,
    is_flow,
    shift_in_force,
    shifted,
    sigma_to_time,
)

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
FOREIGN_PREDICTIONS = ("flow_prediction", "trigflow")
BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid")

# diffusers' Euler, DPM++ and UniPC put this in place of an alpha_bar of exactly 0 (zero terminal
# SNR), so that the largest sigma is 4096 instead of infinite.
ALPHA_BAR_FLOOR = 2.0**-24


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """alpha_bar at each training timestep, and what follows from it.

    Attributes:
        alpha_bar: float64 [T], descending, in [0, 1); 0 only at the end (zero terminal SNR).
        prediction_type: What the network predicts: "epsilon", "v_prediction" or "sample".
        steps_offset: What "leading" spacing adds to its timesteps (diffusers' option).
        timestep_spacing: The model's own spacing: "leading", "linspace" or "trailing".
        path: What the network is given: "vp", or "flow" for x_t = (1 - t) x0 + t eps, of which it
            predicts the velocity eps - x0 and is told ``num_timesteps`` t.

    Raises:
        ValueError: If alpha_bar does not fall strictly from below 1 to 0 or more, or the
            prediction type is unknown.
    """

    alpha_bar: Array
    prediction_type: str = "epsilon"
    steps_offset: int = 0
    timestep_spacing: str = "leading"
    path: str = "vp"

    def __post_init__(self) -> None:
        values = np.array(self.alpha_bar, dtype=np.float64)
        if values.ndim != 1 or len(values) < 2:
            raise ValueError(f"alpha_bar must be a 1-D array of 2 or more, got {values.shape}.")
        bad = ~((values[1:] < values[:-1]) & (values[1:] >= 0) & (values[:-1] < 1))
        if bad.any() or not np.isfinite(values).all():
            at = int(np.argmax(bad)) + 1
            raise ValueError(
                f"alpha_bar must fall strictly within [0, 1); at timestep {at} it goes from"
                f" {values[at - 1]:g} to {values[at]:g}."
            )
        if self.prediction_type not in PREDICTION_TYPES:
            raise ValueError(unknown_prediction(self.prediction_type))
        values.setflags(write=False)
        object.__setattr__(self, "alpha_bar", values)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "NoiseSchedule":
        """Return the schedule that a diffusers scheduler config describes.

        Args:
            config: ``scheduler.config``, or the contents of scheduler_config.json. Missing
                entries take diffusers' defaults (linear betas from 0.0001 to 0.02).

        Raises:
            ValueError: If ``beta_schedule`` or ``prediction_type`` is unknown, or an entry is out
                of its bounds.

        Reference: diffusers ``DDIMScheduler.__init__`` and ``rescale_zero_terminal_snr``
        (Lin et al. 2023, arXiv 2305.08891, algorithm 1).
        """
        check_config(config)
        if is_flow(config):
            trained = config.get("num_train_timesteps") or 1000
            return cls.flow_matching(trained, flow_shift(config))
        alpha_bar: Array = np.cumprod(1.0 - _betas(config), dtype=np.float64)
        if config.get("rescale_betas_zero_snr"):
            root = np.sqrt(alpha_bar)
            root = (root - root[-1]) * root[0] / (root[0] - root[-1])
            alpha_bar = root**2
        return cls(
            alpha_bar,
            prediction_type=config.get("prediction_type") or "epsilon",
            steps_offset=config.get("steps_offset") or 0,
            timestep_spacing=config.get("timestep_spacing") or "leading",
        )

    @classmethod
    def edm(
        cls,
        num_timesteps: int = 1000,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        rho: float = 7.0,
    ) -> "NoiseSchedule":
        """Return EDM's noise levels as a schedule, even in sigma^(1/rho) from low to high.

        EDM has no training timesteps: its network is given c_noise = ln(sigma) / 4
        (``edm_c_noise``) for any sigma. The timesteps here only count the levels.

        Args:
            num_timesteps: Levels, 2 to 10,000.
            sigma_min: The smallest, > 0.
            sigma_max: The largest.
            rho: Curvature, > 0.

        Raises:
            ValueError: If an argument is out of range.

        Reference: Karras et al. 2022 (arXiv 2206.00364), eq. 5 and table 1; diffusers
        ``EDMEulerScheduler``.
        """
        from sdlab.noise.curves.builtin.karras import karras

        _check_count(num_timesteps)
        sigma = karras(num_timesteps, sigma_min, sigma_max, rho)[-2::-1]
        return cls(1.0 / (1.0 + sigma**2), timestep_spacing="linspace")

    @classmethod
    def flow_matching(cls, num_timesteps: int = 1000, shift: float = 1.0) -> "NoiseSchedule":
        """Return flow matching's x_t = (1 - t) x0 + t eps as a schedule: sigma = t / (1 - t).

        x_t over sqrt((1 - t)^2 + t^2) is the VP x_t of the same sigma. The last time is 1, where
        sigma is infinite; it is treated as that of zero terminal SNR.

        Args:
            num_timesteps: T; the times are 1/T ... 1 before the shift. 2 to 10,000.
            shift: t becomes shift t / (1 + (shift - 1) t), which multiplies sigma by it; > 0.

        Raises:
            ValueError: If an argument is out of range.

        Reference: Lipman et al. 2023 (arXiv 2210.02747); Esser et al. 2024 (arXiv 2403.03206),
        eq. 23; diffusers ``FlowMatchEulerDiscreteScheduler``, whose "sigmas" are the times.
        """
        _check_count(num_timesteps)
        if not 0 < shift < np.inf:
            raise ValueError(f"shift must be above 0, got {shift}.")
        time = np.arange(1, num_timesteps) / num_timesteps
        sigma = shift * time / (1.0 - time)
        alpha_bar = np.append(1.0 / (1.0 + sigma**2), 0.0)
        return cls(alpha_bar, timestep_spacing="linspace", path="flow")

    @property
    def num_timesteps(self) -> int:
        """Training timesteps T."""
        return len(self.alpha_bar)

    @cached_property
    def sigma(self) -> Array:
        """sqrt((1 - alpha_bar) / alpha_bar), float64 [T], ascending; the last may be inf."""
        with np.errstate(divide="ignore"):
            return np.sqrt((1.0 - self.alpha_bar) / self.alpha_bar)

    @cached_property
    def log_snr(self) -> Array:
        """-2 ln sigma, float64 [T], descending; the last may be -inf."""
        return -2.0 * np.log(self.sigma)

    @cached_property
    def _log_sigma(self) -> Array:
        bar = self.alpha_bar
        floored = np.where(bar == 0, min(ALPHA_BAR_FLOOR, bar[-2] / 2), bar)
        return 0.5 * np.log((1.0 - floored) / floored)

    @property
    def sigma_min(self) -> float:
        """The noise level of timestep 0."""
        return float(np.exp(self._log_sigma[0]))

    @property
    def sigma_max(self) -> float:
        """The noise level of the last timestep.

        Where it would be infinite, 4096, or a little above the one before it if that is larger.
        """
        return float(np.exp(self._log_sigma[-1]))

    def timestep_to_sigma(self, timestep: ArrayLike) -> Array:
        """Return sigma at (fractional) timesteps, by log-linear interpolation.

        Args:
            timestep: Any shape, 0 ... T - 1.

        Raises:
            ValueError: If a timestep lies outside the schedule.
        """
        t = np.asarray(timestep, dtype=np.float64)
        if t.size and not (np.min(t) >= 0 and np.max(t) <= self.num_timesteps - 1):
            raise ValueError(f"timestep must be from 0 to {self.num_timesteps - 1}, got {t}.")
        return np.exp(np.interp(t, np.arange(self.num_timesteps), self._log_sigma))

    def sigma_to_timestep(self, sigma: ArrayLike) -> Array:
        """Return the fractional timestep of each sigma, clipped to the schedule's ends.

        Args:
            sigma: Any shape, > 0 (0 gives timestep 0).
        """
        with np.errstate(divide="ignore"):
            log_sigma = np.log(np.asarray(sigma, dtype=np.float64))
        timestep: Array = np.interp(
            log_sigma, self._log_sigma, np.arange(self.num_timesteps, dtype=float)
        )
        return timestep

    def told_timestep(self, sigma: ArrayLike) -> Array:
        """Return what the network is told for each sigma: its timestep, or for flow matching T t.

        Args:
            sigma: Any shape, > 0; infinite too on the path of flow matching.
        """
        if self.path == "flow":
            return self.num_timesteps * sigma_to_time(sigma)
        return self.sigma_to_timestep(sigma)

    def table(self) -> "pd.DataFrame":
        """Return every view of the schedule, one row a timestep.

        Returns:
            Columns ``timestep``, ``alpha_bar``, ``sigma``, ``log_snr`` (nat) and ``snr_db``
            (-20 log10 sigma); with zero terminal SNR the last row is 0, inf, -inf, -inf. Of flow
            matching also ``flow_time``, and ``timestep`` is T times that.
        """
        import pandas as pd

        table = pd.DataFrame(
            {
                "timestep": np.arange(self.num_timesteps),
                "alpha_bar": self.alpha_bar,
                "sigma": self.sigma,
                "log_snr": self.log_snr,
                "snr_db": self.log_snr * (10.0 / np.log(10.0)),
            }
        )
        if self.path != "flow":
            return table
        time = sigma_to_time(self.sigma)
        return table.assign(timestep=self.num_timesteps * time, flow_time=time)


class FlowTimes(NoiseSchedule):
    """Flow matching's times t in the place of sigma, so that every curve can be laid over them.

    Its "sigmas" are the times: ``sigma_max`` is 1, "linspace" is even in t before the shift, and
    Karras' curve is even in t^(1/rho).

    Args:
        num_timesteps: T; the times are 1/T ... 1 before the shift. 2 to 10,000.
        shift: t becomes shift t / (1 + (shift - 1) t); > 0.
    """

    def __init__(self, num_timesteps: int = 1000, shift: float = 1.0) -> None:
        made = NoiseSchedule.flow_matching(num_timesteps, shift)
        super().__init__(made.alpha_bar, timestep_spacing="linspace", path="flow")
        times = shifted(np.arange(1, num_timesteps + 1) / num_timesteps, shift)
        object.__setattr__(self, "_log_sigma", np.log(times))  # every view follows from it

    @classmethod
    def of_config(
        cls, config: Mapping[str, Any], tokens: int, mu: float | None = None
    ) -> "FlowTimes":
        """Return the times of a flow-matching config.

        Args:
            config: ``scheduler.config``.
            tokens: Latent tokens of the picture, for a shift that goes by them.
            mu: The logarithm of that shift, if not the usual one of the tokens.

        Raises:
            ValueError: If an entry is out of its bounds.
        """
        check_config(config)
        if mu is None and config.get("use_dynamic_shifting"):
            mu = dynamic_mu(tokens, config)
        return cls(config.get("num_train_timesteps") or 1000, shift_in_force(config, mu or 0.0))

    @cached_property
    def sigma(self) -> Array:
        """The times, float64 [T], ascending to 1."""
        return np.exp(self._log_sigma)


def unknown_prediction(kind: object) -> str:
    """Return the message for a prediction type that is none of ``PREDICTION_TYPES``."""
    if kind in FOREIGN_PREDICTIONS:
        return (
            f"prediction_type {kind!r} belongs to flow-matching models, which this laboratory does"
            f" not sample; its models predict {', '.join(PREDICTION_TYPES)}."
        )
    return unknown("prediction_type", kind, PREDICTION_TYPES)


def edm_c_noise(sigma: ArrayLike) -> Array:
    """Return c_noise = ln(sigma) / 4, which EDM's network takes for the noise level; any shape.

    Reference: Karras et al. 2022 (arXiv 2206.00364), table 1.
    """
    return np.log(np.asarray(sigma, dtype=np.float64)) / 4.0


def _check_count(num_timesteps: int) -> None:
    check_whole("num_timesteps", num_timesteps, 2, MAX_TIMESTEPS)


def _betas(config: Mapping[str, Any]) -> Array:
    trained = config.get("trained_betas")
    if trained is not None:
        return np.asarray(trained, dtype=np.float64)
    defaults = {
        "num_train_timesteps": 1000,
        "beta_start": 0.0001,
        "beta_end": 0.02,
        "beta_schedule": "linear",
    }
    given = {key: config[key] for key in defaults if config.get(key) is not None}
    num, start, end, kind = {**defaults, **given}.values()
    if kind == "linear":
        return np.linspace(start, end, num)
    if kind == "scaled_linear":
        return np.linspace(start**0.5, end**0.5, num) ** 2
    if kind == "squaredcos_cap_v2":
        # Nichol & Dhariwal 2021 (arXiv 2102.09672), eq. 17, betas capped at 0.999.
        u = np.arange(num + 1) / num
        bar = np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2
        betas: Array = np.minimum(1.0 - bar[1:] / bar[:-1], 0.999)
        return betas
    if kind == "sigmoid":
        # Xu et al. 2022 (GeoDiff, arXiv 2203.02923), as diffusers' DDPMScheduler has it.
        betas = start + (end - start) / (1.0 + np.exp(-np.linspace(-6.0, 6.0, num)))
        return betas
    raise ValueError(unknown("beta_schedule", kind, BETA_SCHEDULES))
