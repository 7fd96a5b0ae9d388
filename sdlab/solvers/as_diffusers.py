"""Any solver of ours as a diffusers scheduler, for anybody's pipeline.

A dry run of the generator tells at which sigmas it will ask, hence ``timesteps``. ``step`` sends
the prediction in and returns the next point asked for, so the pipeline's loop drives the solver
without knowing. Latents are in VE coordinates, as with diffusers' Euler and Heun.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin, SchedulerOutput

from sdlab.denoisers.network import at_least_float32, predictions
from sdlab.noise import curves
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.everyday import unknown_solver
from sdlab.solvers.randomness import Noise
from sdlab.solvers.registry import Solver, solvers

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Generators
    from sdlab.solvers.registry import SolverGenerator


class SolverScheduler(SchedulerMixin, ConfigMixin):
    """A diffusers scheduler that runs one of our solvers.

    Made by ``as_diffusers_scheduler``. ``SolverScheduler.from_config(pipe.scheduler.config,
    solver="heun", curve="karras")`` is the same. A solver keeps its own x, so a pipeline that
    changes the latents between steps (inpainting with a 4-channel network) gets an error.

    Args:
        solver: A registered solver's name.
        curve: A curve's name, or None for ``timestep_spacing``.
        solver_options: The solver's keyword arguments.
        curve_options: The curve's keyword arguments.
        num_train_timesteps: And the rest: the model's own scheduler config.
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

    config_name = "scheduler_config.json"

    _index: int | None  # evaluations done, counted from the first of all
    _begin: int | None
    _running: "SolverGenerator | None"
    _request: "tuple[Tensor, float]"  # the point that waits for its answer
    _returned: "Tensor | None"  # what the last step gave back
    _noise: Noise

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
        self._solver: Solver = solvers()[solver]
        self._solver.check_options(solver_options or {})
        self.schedule = NoiseSchedule.from_config(self.config)
        self.order = self._solver.stages
        steps = curves.fixed_steps(curve, curve_options or {}) or 1
        curves.make(curve, self.schedule, steps, curve_options or {})  # an invalid curve fails now
        self.num_inference_steps: int | None = None
        self.init_noise_sigma = math.sqrt(1.0 + self.schedule.sigma_max**2)
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1, dtype=torch.float32)
        self._curve: tuple[float, ...] = ()
        self._asked: list[float] = []
        self._reset()

    @property
    def step_index(self) -> int | None:
        """Evaluations done since ``set_timesteps``, plus ``begin_index``; None before the first."""
        return self._index

    @property
    def begin_index(self) -> int | None:
        """The evaluation at which the loop begins (img2img), or None for the first."""
        return self._begin

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Let the loop begin at an evaluation, which must be the first of a step.

        Raises:
            ValueError: If it lies inside a step, or the solver would ask for other levels from
                there than it does in the whole (PLMS evaluates its first step twice).
        """
        if begin_index % self.order:
            raise ValueError(
                f"begin_index must be a multiple of {self.order}, the evaluations of a step of"
                f" {self._solver.name!r}, got {begin_index}."
            )
        if begin_index and self._curve:
            rest = self._solver.asked_sigmas(self._curve[self._first(begin_index) :], self._options)
            if rest != self._asked[begin_index:]:
                raise ValueError(
                    f"solver {self._solver.name!r} cannot begin at evaluation {begin_index}: its"
                    " first step is unlike the others; choose another solver for img2img."
                )
        self._begin = begin_index

    def set_timesteps(
        self, num_inference_steps: int, device: "str | torch.device | None" = None
    ) -> None:
        """Lay out the evaluations of ``num_inference_steps`` solver steps.

        Raises:
            ValueError: If there are more steps than the schedule has timesteps, or the solver
                does not ask at its start point first (EDM's churn).
        """
        options = dict(self.config.curve_options or {})
        sigmas = curves.make(self.config.curve, self.schedule, num_inference_steps, options)
        self._curve = tuple(sigmas.tolist())
        self._asked = self._solver.asked_sigmas(self._curve, self._options)
        if self._asked[0] != self._curve[0]:
            raise ValueError(
                f"solver {self._solver.name!r} moves x before its first evaluation, which a"
                " pipeline cannot follow; run it with sdlab.run."
            )
        self.num_inference_steps = num_inference_steps
        self.init_noise_sigma = math.sqrt(1.0 + self._curve[0] ** 2)
        timesteps = self.schedule.sigma_to_timestep(self._asked).astype(np.float32)
        self.timesteps = torch.from_numpy(timesteps).to(device)
        self.sigmas = torch.tensor([*self._asked, self._curve[-1]])
        self._reset()

    def scale_model_input(self, sample: "Tensor", timestep: Any = None) -> "Tensor":
        """Return x / sqrt(1 + sigma^2) for the evaluation that comes next."""
        if self._index is None:
            self._index = self._begin or 0
        return sample / math.sqrt(1.0 + self._asked[self._index] ** 2)

    def step(
        self,
        model_output: "Tensor",
        timestep: Any,
        sample: "Tensor",
        generator: "Generators" = None,
        return_dict: bool = True,
    ) -> SchedulerOutput | tuple["Tensor"]:
        """Answer the solver and return the next point it asks for, in the shape of ``sample``.

        Args:
            model_output: The (guided) network output, [B, C, h, w].
            timestep: Not used: timesteps may repeat, so evaluations are counted.
            sample: VE latents as the last step returned them, [B, C, h, w].
            generator: For stochastic solvers; a list has one generator an image.
            return_dict: Whether to wrap the result as diffusers does.

        Raises:
            ValueError: If timesteps were not set, all are done, or ``sample`` was changed
                between steps.
        """
        if self._index is None:
            self._index = self._begin or 0
        if self._index >= len(self._asked):
            raise ValueError("all steps are done; call set_timesteps before the next picture.")
        self._noise.generator = generator
        if self._running is None:
            self._start(sample)
        elif sample is not self._returned and not self._unchanged(sample):
            raise ValueError(
                f"the latents were changed between steps, but solver {self._solver.name!r} keeps"
                " its own; use a diffusers scheduler for inpainting and callbacks that edit them."
            )
        result = self._send(model_output).to(sample.dtype)
        self._index += 1
        self._returned = result
        return SchedulerOutput(prev_sample=result) if return_dict else (result,)

    def add_noise(
        self, original_samples: "Tensor", noise: "Tensor", timesteps: "Tensor"
    ) -> "Tensor":
        """Return x0 + sigma n at the timesteps, [B, C, h, w]; at ``begin_index`` if that is set."""
        if self._begin is not None and self._index is None:
            sigma = torch.full((len(timesteps),), self._asked[self._begin])
        else:
            sigma = torch.from_numpy(self.schedule.timestep_to_sigma(timesteps.cpu().numpy()))
        sigma = sigma.to(original_samples.device, original_samples.dtype)
        return original_samples + noise * sigma.view(-1, *[1] * (original_samples.ndim - 1))

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    @property
    def _options(self) -> dict[str, Any]:
        return dict(self.config.solver_options or {})

    def _first(self, evaluation: int) -> int:
        return self._solver.step_of(evaluation, len(self._curve))

    def _reset(self) -> None:
        self._index = self._begin = None
        self._running = self._returned = None
        self._noise = Noise()

    def _unchanged(self, sample: "Tensor") -> bool:
        before = self._returned
        return before is not None and torch.allclose(sample, before, rtol=0, atol=0, equal_nan=True)

    def _start(self, sample: "Tensor") -> None:
        x, sigmas = at_least_float32(sample), self._curve[self._first(self._begin or 0) :]
        self._running = self._solver.function(x, sigmas, self._noise, **self._options)
        self._request = next(self._running)

    def _send(self, model_output: "Tensor") -> "Tensor":
        assert self._running is not None
        x, sigma = self._request
        x_t = x / math.sqrt(1.0 + sigma**2)
        x0_pred, _ = predictions(self.schedule, x_t, sigma, model_output)
        try:
            self._request = self._running.send(x0_pred)
        except StopIteration as stop:
            return stop.value / math.sqrt(1.0 + self._curve[-1] ** 2)
        return self._request[0]


def as_diffusers_scheduler(
    solver: str,
    *,
    curve: str | None = None,
    curve_options: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    **solver_options: Any,
) -> SolverScheduler:
    """Return a diffusers scheduler that runs a solver of ours.

    Args:
        solver: A registered solver's name, "heun" or your own.
        curve: A curve's name, or None for the config's timestep spacing.
        curve_options: Arguments of the curve.
        config: The model's ``pipe.scheduler.config``. None means Stable Diffusion 1.x's.
        solver_options: Arguments of the solver.

    Raises:
        ValueError: If a name or an option is not valid.

    Example:
        pipe.scheduler = sdlab.as_diffusers_scheduler(
            "heun", curve="karras", config=pipe.scheduler.config
        )
    """
    names = SolverScheduler._get_init_keys(SolverScheduler)
    kept = {key: value for key, value in (config or {}).items() if key in names}
    own = {
        "solver": solver,
        "curve": curve,
        "solver_options": solver_options,
        "curve_options": dict(curve_options or {}),
    }
    return SolverScheduler(**{**kept, **own})
