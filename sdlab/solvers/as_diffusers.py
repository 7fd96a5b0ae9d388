"""Any solver of ours as a diffusers scheduler, for anybody's pipeline.

A dry run of the solver tells at which sigmas it will ask, hence ``timesteps``. ``step`` sends the
prediction in and returns the next point asked for, so the pipeline's loop drives the solver without
knowing. Latents are in VP coordinates, as with diffusers' DDIM and DPM++, so that what a pipeline
works out from ``alphas_cumprod`` is right.

A solver without memory, whose steps one by one are the same as all at once, is run step by step: it
goes on from whatever latents the pipeline hands it, at whatever timestep.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import (
    KarrasDiffusionSchedulers,
    SchedulerMixin,
    SchedulerOutput,
)

from sdlab.denoisers.network import at_least_float32, predictions
from sdlab.noise import curves
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.everyday import unknown_solver
from sdlab.solvers.layout import Layout
from sdlab.solvers.registry import Solver, solvers
from sdlab.solvers.resuming import RememberedNoise, Resumable

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Generators


class SolverScheduler(SchedulerMixin, ConfigMixin):
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
    _compatibles = [scheduler.name for scheduler in KarrasDiffusionSchedulers]

    _index: int | None  # evaluations done, counted from the first of all
    _begin: int | None
    _running: Resumable | None
    _returned: "Tensor | None"  # what the last step gave back
    _exact: "Tensor | None"  # the same before it was rounded, in VE coordinates
    _noise: RememberedNoise

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
        steps = curves.fixed_steps(curve, curve_options or {}) or 1
        curves.make(curve, self.schedule, steps, curve_options or {})  # an invalid curve fails now
        self.num_inference_steps: int | None = None
        self.init_noise_sigma = 1.0
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)
        self._layout: Layout | None = None
        self._reset()

    @classmethod
    def extract_init_dict(cls, config_dict: Any, **kwargs: Any) -> Any:
        """Take the model's config as it is in force: its class has other defaults than this one."""
        whole = {key: value for key, value in config_dict.items() if key != "_use_default_values"}
        return super().extract_init_dict(whole, **kwargs)

    @property
    def step_index(self) -> int | None:
        """The evaluation that comes next, counted from the first of all; None before the first."""
        return self._index

    @property
    def begin_index(self) -> int | None:
        """The evaluation at which the loop begins (img2img), or None for the timestep's own."""
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
        if self._layout is not None and begin_index < len(self._layout.asked):
            self._layout.check_begin(begin_index)
        self._begin = begin_index

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
        """Return the sample as it is: it is in the network's own coordinates.

        Raises:
            ValueError: If it is a single number: a pipeline that scales a sigma (the latent
                upscaler) takes the latents for VE ones.
        """
        if sample.ndim == 0:
            raise ValueError(
                "this pipeline reckons with latents in VE coordinates, and a solver of sdlab's has"
                " VP ones; give it diffusers' EulerDiscreteScheduler."
            )
        return sample

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
            timestep: One of ``timesteps``, or None for the next. Where it is not the next one, a
                solver without memory goes there, and any may begin there.
            sample: VP latents as the last step returned them, or changed, [B, C, h, w].
            generator: For stochastic solvers; a list has one generator an image.
            return_dict: Whether to wrap the result as diffusers does.

        Raises:
            ValueError: If timesteps were not set, ``timestep`` is none of them or not the next, all
                are done, or ``sample`` was changed between steps of a solver with a memory.
        """
        layout, index = self._laid_out(), self._place(timestep)
        if index != self._index:
            self._running = self._returned = None
        changed = self._returned is not None and not self._is_returned(sample)
        if changed and not layout.memoryless:
            raise ValueError(
                f"the latents were changed between steps, but solver {self._solver.name!r} keeps"
                " its own; for inpainting and callbacks that edit them use a solver without memory,"
                " such as 'ddim', 'euler' or 'heun', or a diffusers scheduler."
            )
        self._noise.generator = generator
        try:
            x = self._advance(index, model_output, sample, changed)
        finally:
            self._noise.generator = None  # it is the caller's, also when this is copied
        self._index = index + 1
        self._exact = x
        self._returned = (x / layout.scale(index + 1)).to(sample.dtype)
        return SchedulerOutput(self._returned) if return_dict else (self._returned,)

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
        return self.config.num_train_timesteps

    @property
    def _solver(self) -> Solver:
        return solvers()[self.config.solver]

    @property
    def _options(self) -> dict[str, Any]:
        return dict(self.config.solver_options or {})

    def _read_config(self) -> None:
        """Read the noise schedule anew: pipelines complete the config of a scheduler they get."""
        self.schedule = NoiseSchedule.from_config(self.config)
        self.alphas_cumprod = torch.tensor(self.schedule.alpha_bar, dtype=torch.float32)

    def _reset(self) -> None:
        self._index = self._begin = None
        self._running = self._returned = self._exact = None
        self._noise = RememberedNoise()

    def _laid_out(self) -> Layout:
        if self._layout is None:
            raise ValueError("num_inference_steps is not set; call set_timesteps before step.")
        return self._layout

    def _place(self, timestep: Any) -> int:
        """Return the evaluation of a timestep: the next one, if it fits, else the one it names."""
        layout = self._laid_out()
        index = self._index if self._index is not None else self._begin or 0
        time = None if timestep is None else float(torch.as_tensor(timestep, dtype=torch.float32))
        left = index < len(self._times)
        if not left or time not in (None, self._times[index]):
            index = self._looked_up(time, left)
        elif self._index is not None:
            return index
        layout.check_begin(index)
        return index

    def _looked_up(self, time: float | None, left: bool) -> int:
        """Return the evaluation that a timestep names, the first of a step if there is a choice.

        diffusers takes the second of two equal timesteps, which in its Heun begins a step too.
        """
        layout = self._laid_out()
        if not left and (time is None or not layout.memoryless):
            raise ValueError("all steps are done; call set_timesteps before the next picture.")
        found = [index for index, other in enumerate(self._times) if other == time]
        if not found:
            raise ValueError(
                f"timestep must be one of scheduler.timesteps, got {time:g}; they go from"
                f" {self._times[0]:g} to {self._times[-1]:g}."
            )
        if self._index is not None and not layout.memoryless:
            raise ValueError(
                f"timestep {time:g} is not the next one, {self._times[self._index]:g}, but solver"
                f" {self._solver.name!r} goes by the steps before; call set_timesteps to begin"
                " anew."
            )
        return next((index for index in found if index in layout.starts), found[0])

    def _level(self, time: float) -> float:
        """Return the sigma of a timestep: of the layout if it is one of its, else the model's."""
        if self._layout is not None and time in self._times:
            return self._layout.asked[self._times.index(time)]
        return float(self.schedule.timestep_to_sigma(time))

    def _is_returned(self, sample: "Tensor") -> bool:
        before = self._returned
        if before is None or sample is before:
            return before is not None
        same = sample.shape == before.shape and sample.dtype == before.dtype
        return same and torch.allclose(sample, before, rtol=0, atol=0, equal_nan=True)

    def _advance(
        self, index: int, model_output: "Tensor", sample: "Tensor", changed: bool
    ) -> "Tensor":
        """Return the next point, in VE coordinates."""
        layout = self._laid_out()
        sigma, scale = layout.asked[index], layout.scale(index)
        given = at_least_float32(sample) * scale
        if self._running is None:
            x = given if changed or self._returned is None else self._exact
            assert x is not None
            self._running = Resumable(
                self.config.solver, x, layout.stretch(index), self._noise, self._options
            )
        running = self._running
        assert running.request is not None
        x = running.request[0]
        if not changed:
            x0_pred, _ = predictions(self.schedule, x / scale, sigma, model_output)
        else:  # the network looked at the changed point; what it tells there is the direction
            x0_pred, _ = predictions(self.schedule, given / scale, sigma, model_output)
            x0_pred = x0_pred + (x - given)
        running.tell(x0_pred)
        if running.result is not None:
            self._running = None
            return running.result
        assert running.request is not None
        return running.request[0]


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
