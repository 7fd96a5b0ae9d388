"""Any solver of sdlab as a diffusers scheduler, for any pipeline.

``stepping`` is how a pipeline's loop drives a solver. Latents are in VP coordinates, as with
diffusers' DDIM and DPM++, so that what a pipeline computes from ``alphas_cumprod`` is right.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import (
    KarrasDiffusionSchedulers,
    SchedulerMixin,  # noqa: F401 - diffusers looks for it in the module that a saved pipeline names
)

from sdlab.denoisers.network import predictions
from sdlab.errors import check_types
from sdlab.noise import curves
from sdlab.noise.flow import is_flow
from sdlab.noise.schedule import NoiseSchedule
from sdlab.sampler_names import unknown_solver
from sdlab.solvers.layout import Layout
from sdlab.solvers.registry import solvers
from sdlab.solvers.stepping import SteppedSolver

if TYPE_CHECKING:
    from torch import Tensor


class SolverScheduler(SteppedSolver):
    """A diffusers scheduler that runs one of our solvers.

    Made by ``as_diffusers_scheduler``. ``SolverScheduler.from_config(pipe.scheduler.config,
    solver="heun", curve="karras")`` is the same. A solver with a memory (multistep ones) keeps its
    own x, so with one a pipeline that changes the latents between steps (inpainting with a
    4-channel network) gets an error; the others go on from the changed latents.

    Args:
        solver: A registered solver's name.
        curve: A curve's name, or None for ``timestep_spacing``.
        solver_options: The solver's keyword arguments.
        curve_options: The curve's keyword arguments.
        num_train_timesteps: This and the rest: the model's own scheduler config.
        beta_start: First beta.
        beta_end: Last beta.
        beta_schedule: "linear", "scaled_linear", "squaredcos_cap_v2" or "sigmoid".
        trained_betas: Betas themselves, instead.
        prediction_type: "epsilon", "v_prediction" or "sample".
        rescale_betas_zero_snr: Whether to rescale to zero terminal SNR.
        timestep_spacing: "leading", "linspace" or "trailing".
        steps_offset: Added to leading timesteps.

    Raises:
        ValueError: If a name or option is not valid.
    """

    _compatibles = [scheduler.name for scheduler in KarrasDiffusionSchedulers]

    @register_to_config
    def __init__(
        self,
        solver: str = "euler",
        curve: str | None = None,
        solver_options: dict[str, Any] | None = None,
        curve_options: dict[str, Any] | None = None,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: str = "scaled_linear",
        trained_betas: list[float] | None = None,
        prediction_type: str = "epsilon",
        rescale_betas_zero_snr: bool = False,
        timestep_spacing: str = "leading",
        steps_offset: int = 1,
    ) -> None:
        if solver not in solvers():
            raise ValueError(unknown_solver(solver, solvers()))
        self._solver.check_options(solver_options or {})
        self._read_config()
        self.order = self._solver.stages
        curves.check_curve(curve, self.schedule, curve_options or {})
        self.num_inference_steps: int | None = None
        self.init_noise_sigma = 1.0
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)
        self._layout: Layout | None = None
        self._reset()

    @classmethod
    def extract_init_dict(cls, config_dict: Any, **kwargs: Any) -> Any:
        """Complete the model's config as its own class would: this class has other defaults."""
        whole = {key: value for key, value in config_dict.items() if key != "_use_default_values"}
        return super().extract_init_dict(whole, **kwargs)

    def set_timesteps(
        self, num_inference_steps: int, device: "str | torch.device | None" = None
    ) -> None:
        """Lay out the evaluations of ``num_inference_steps`` solver steps.

        Raises:
            ValueError: If there are more steps than the schedule has timesteps, or the solver
                does not ask at its start point first (EDM's churn).
        """
        self._read_config()
        options = dict(self.config.curve_options or {})
        sigmas = curves.make(self.config.curve, self.schedule, num_inference_steps, options)
        self._layout = Layout.of(self._solver, tuple(sigmas.tolist()), self._options)
        self.num_inference_steps = num_inference_steps
        exact = self.schedule.sigma_to_timestep(self._layout.asked)
        whole = np.round(exact)
        # Whole ones as integers, as diffusers' own: pipelines look alphas_cumprod up with them.
        timesteps = whole.astype(np.int64) if np.allclose(exact, whole, 0, 1e-6) else exact
        self._times = timesteps.astype(np.float32).tolist()
        dtype = torch.int64 if timesteps is not exact else torch.float32
        self.timesteps = torch.from_numpy(timesteps).to(device=device, dtype=dtype)
        self.sigmas = torch.tensor([*self._layout.asked, self._layout.curve[-1]])
        self._reset()

    def scale_model_input(self, sample: "Tensor", timestep: Any = None) -> "Tensor":
        """Return the sample unchanged: it is in the network's own coordinates.

        Raises:
            ValueError: If it is a single number: a pipeline that scales a sigma (the latent
                upscaler) expects latents in VE coordinates.
        """
        if sample.ndim == 0:
            raise ValueError(
                "this pipeline reckons with latents in VE coordinates, and a solver of sdlab's has"
                " VP ones; give it diffusers' EulerDiscreteScheduler."
            )
        return sample

    def add_noise(
        self, original_samples: "Tensor", noise: "Tensor", timesteps: "Tensor"
    ) -> "Tensor":
        """Return VP latents at the timesteps, [B, C, h, w]; at ``begin_index`` if that is set.

        They are (x0 + sigma n) / sqrt(1 + sigma^2).
        """
        times = torch.as_tensor(timesteps).reshape(-1)
        if self._begin is not None and self._index is None and self._layout is not None:
            levels = [self._layout.level(self._begin)] * len(times)
        else:
            levels = [self._level(float(time)) for time in times]
        sigma = torch.tensor(levels, device=original_samples.device, dtype=torch.float64)
        sigma = sigma.view(-1, *[1] * (original_samples.ndim - 1))
        signal = (1.0 + sigma**2).rsqrt()
        kind = original_samples.dtype
        return original_samples * signal.to(kind) + noise * (sigma * signal).to(kind)

    def __len__(self) -> int:
        return int(self.config.num_train_timesteps)

    def _scale(self, index: int) -> float:
        return self._laid_out().scale(index)

    def _x0_pred(self, index: int, sample: "Tensor", model_output: "Tensor") -> "Tensor":
        sigma = self._laid_out().asked[index]
        return predictions(self.schedule, sample, sigma, model_output)[0]

    def _read_config(self) -> None:
        """Read the noise schedule again: pipelines complete the config of a scheduler they get."""
        self.schedule = NoiseSchedule.from_config(self.config)
        self.alphas_cumprod = torch.tensor(self.schedule.alpha_bar, dtype=torch.float32)

    def _level(self, time: float) -> float:
        """Return the sigma of a timestep, from the layout if it has that one, else the model's."""
        if self._layout is not None and time in self._times:
            return self._layout.asked[self._times.index(time)]
        return float(self.schedule.timestep_to_sigma(time))


def as_diffusers_scheduler(
    solver: str,
    *,
    curve: str | None = None,
    curve_options: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    **solver_options: Any,
) -> SteppedSolver:
    """Return a diffusers scheduler that runs a solver of ours.

    A ``SolverScheduler``; for a flow-matching config (Stable Diffusion 3, Flux) a
    ``FlowSolverScheduler``.

    Args:
        solver: A registered solver's name, "heun" or your own.
        curve: A curve's name, or None for the config's timestep spacing.
        curve_options: Arguments of the curve.
        config: The model's ``pipe.scheduler.config``. None means Stable Diffusion 1.x's.
        solver_options: Arguments of the solver.

    Raises:
        ValueError: If a name or an option is not valid.
        TypeError: If ``solver`` is no name or ``config`` no mapping.

    Example:
        pipe.scheduler = sdlab.as_diffusers_scheduler(
            "heun", curve="karras", config=pipe.scheduler.config
        )
    """
    check_types(
        as_diffusers_scheduler, solver=(solver, str), config=(config, (Mapping, type(None)))
    )
    cls = _scheduler_class(config or {})
    names = cls._get_init_keys(cls)
    kept = {key: value for key, value in (config or {}).items() if key in names}
    own = {
        "solver": solver,
        "curve": curve,
        "solver_options": solver_options,
        "curve_options": dict(curve_options or {}),
    }
    scheduler: SteppedSolver = cls(**{**kept, **own})
    return scheduler


def _scheduler_class(config: Mapping[str, Any]) -> type[SteppedSolver]:
    """Return the scheduler for the path that a model's config describes."""
    from sdlab.solvers.as_flow import FlowSolverScheduler

    found: type[SteppedSolver] = FlowSolverScheduler if is_flow(config) else SolverScheduler
    return found
