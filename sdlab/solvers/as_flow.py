"""Any solver of ours as a diffusers scheduler for flow matching: Stable Diffusion 3, Flux and more.

The times t at which steps begin are those of diffusers' own scheduler, whatever its config asks
for: shift, dynamic shifting by the picture's size (``mu``), a terminal value, times of the
pipeline's own. ``flow`` has how a solver runs on them. Latents are x_t = (1 - t) x0 + t n.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import (
    SchedulerMixin,  # noqa: F401 - diffusers looks for it in the module that a saved pipeline names
)

from sdlab.denoisers.network import at_least_float32
from sdlab.noise import curves
from sdlab.noise.schedule import FlowTimes
from sdlab.sampler_names import unknown_solver
from sdlab.solvers.flow import flow_form
from sdlab.solvers.layout import Layout
from sdlab.solvers.registry import Solver, solvers
from sdlab.solvers.stepping import SteppedSolver

if TYPE_CHECKING:
    from torch import Tensor


WHOLE = 1e-3
"""What a timestep may lack to a whole number by rounding."""


class FlowSolverScheduler(SteppedSolver):
    """A diffusers scheduler for flow-matching pipelines that runs one of our solvers.

    Made by ``as_diffusers_scheduler`` where the config is a flow-matching one.

    Args:
        solver: A registered solver's name.
        curve: A curve over t, from 1 to the model's least time; None for the config's own times.
        solver_options: The solver's keyword arguments.
        curve_options: The curve's keyword arguments.
        num_train_timesteps: What t = 1 is called towards the network; and the rest: as in
            ``FlowMatchEulerDiscreteScheduler``.
        shift: t becomes shift t / (1 + (shift - 1) t).
        use_dynamic_shifting: Whether the shift is exp(mu), given with the picture's size.
        base_shift: mu of ``base_image_seq_len`` tokens; for the pipeline to read.
        max_shift: mu of ``max_image_seq_len`` tokens; for the pipeline to read.
        base_image_seq_len: Tokens of a small picture.
        max_image_seq_len: Tokens of a large one.
        shift_terminal: Where the times are stretched to end, or None.
        use_karras_sigmas: Whether the times are spaced by Karras' curve.
        use_exponential_sigmas: Whether they are spaced evenly in their logarithm.
        use_beta_sigmas: Whether they are spaced by the beta distribution.
        time_shift_type: "exponential" or "linear".
        invert_sigmas: Must be False: times that rise, as Mochi's, no solver runs over.

    Raises:
        ValueError: If a name or option is not valid.
    """

    _compatibles = ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"]

    @register_to_config
    def __init__(
        self,
        solver: str = "euler",
        curve: str | None = None,
        solver_options: dict[str, Any] | None = None,
        curve_options: dict[str, Any] | None = None,
        num_train_timesteps: int = 1000,
        shift: float = 1.0,
        use_dynamic_shifting: bool = False,
        base_shift: float | None = 0.5,
        max_shift: float | None = 1.15,
        base_image_seq_len: int = 256,
        max_image_seq_len: int = 4096,
        shift_terminal: float | None = None,
        use_karras_sigmas: bool = False,
        use_exponential_sigmas: bool = False,
        use_beta_sigmas: bool = False,
        time_shift_type: str = "exponential",
        invert_sigmas: bool = False,
    ) -> None:
        if invert_sigmas:
            raise ValueError(
                f"solver {solver!r} runs over times that fall from 1 to 0, and this config's"
                " invert_sigmas lets them rise (Mochi, whose network predicts the velocity the"
                " other way round); take solver='FlowMatchEulerDiscreteScheduler'."
            )
        if solver not in solvers():
            raise ValueError(unknown_solver(solver, solvers()))
        self._solver.check_options(solver_options or {})
        self._grid = self._new_grid()
        if curve is not None:
            curves.check_curve(curve, self._path(None), curve_options or {})
        self.order = self._solver.stages
        self.num_inference_steps: int | None = None
        self.init_noise_sigma = 1.0
        self.timesteps = self._grid.timesteps
        self.sigmas = self._grid.sigmas
        self.sigma_min, self.sigma_max = self._grid.sigma_min, self._grid.sigma_max
        self._layout: Layout | None = None
        self._reset()

    @property
    def shift(self) -> float:
        """How the times are shifted where that does not depend on the picture's size."""
        return float(self._grid.shift)

    def set_shift(self, shift: float) -> None:
        """Shift the times of the next ``set_timesteps`` otherwise."""
        self._grid.set_shift(shift)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: "str | torch.device | None" = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
        timesteps: Sequence[float] | None = None,
    ) -> None:
        """Lay out the evaluations of the solver's steps.

        Args:
            num_inference_steps: Solver steps; may be left out where ``sigmas`` says it.
            device: Where ``timesteps`` goes.
            sigmas: The times at which the steps begin, before the shift, descending in (0, 1].
            mu: The logarithm of the shift, where the config asks for dynamic shifting.
            timesteps: What the network is told at those times (CogView4); 1000 t if left out. Where
                all are whole numbers, so is what it is told in between.

        Raises:
            ValueError: If ``mu`` is missing, the times do not fall, or the solver does not ask at
                its start point first (EDM's churn).
        """
        told = None if timesteps is None else [float(t) for t in timesteps]
        self._grid.set_timesteps(num_inference_steps, sigmas=sigmas, mu=mu, timesteps=told)
        times = self._along_curve(self._grid.sigmas.tolist(), mu)
        if not all(a > b for a, b in zip(times, times[1:], strict=False)):
            raise ValueError(
                f"the times of the steps must fall, got {times[0]:g}, {times[1]:g}, ...,"
                f" {times[-1]:g}; this config inverts them or gives a time twice."
            )
        self._layout = Layout.of(self._form(self._solver), tuple(times), self._options)
        self.num_inference_steps = len(times) - 1
        asked = torch.tensor(self._layout.asked)
        laid_out = asked * self.config.num_train_timesteps
        if told is not None:
            laid_out = torch.tensor(self._told(self._layout.asked, told), dtype=torch.float32)
        self._times = laid_out.tolist()
        self.timesteps = laid_out.to(device)
        self.sigmas = torch.cat([asked, torch.zeros(1)])
        self._reset()

    def course(
        self,
        num_steps: int,
        mu: float | None,
        sigmas: Sequence[float] | None = None,
        timesteps: Sequence[float] | None = None,
    ) -> tuple[tuple[float, ...], ...]:
        """Return the times at which steps begin and end, those of the evaluations, what is told.

        Args:
            num_steps: Solver steps.
            mu: The logarithm of the shift, where the config asks for dynamic shifting.
            sigmas: As ``set_timesteps`` takes them.
            timesteps: As ``set_timesteps`` takes them.

        Raises:
            ValueError: As ``set_timesteps``.
        """
        self.set_timesteps(num_steps, mu=mu, sigmas=sigmas, timesteps=timesteps)
        layout = self._laid_out()
        trained = self.config.num_train_timesteps
        told = tuple(time * trained for time in layout.asked) if timesteps is None else self._times
        return layout.curve, layout.asked, tuple(told)

    def scale_noise(
        self, sample: "Tensor", timestep: "Tensor | float", noise: "Tensor"
    ) -> "Tensor":
        """Return x_t = (1 - t) x0 + t n, [B, ...]; at ``begin_index`` if that is set.

        Args:
            sample: x0, [B, ...].
            timestep: 1000 t, [B] or one for all.
            noise: n, like ``sample``.
        """
        times = torch.as_tensor(timestep).reshape(-1)
        if self._layout is not None and self._index is not None:
            levels = [self._layout.level(self._index)] * len(times)  # between steps: inpainting
        elif self._layout is not None and self._begin is not None:
            levels = [self._layout.level(self._begin)] * len(times)
        else:
            levels = [float(time) / self.config.num_train_timesteps for time in times]
        level = torch.tensor(levels, dtype=torch.float64).to(sample.device, sample.dtype)
        level = level.view(-1, *[1] * (sample.ndim - 1))
        return level * noise + (1.0 - level) * sample

    def scale_model_input(self, sample: "Tensor", timestep: Any = None) -> "Tensor":
        """Return the sample unchanged: it is in the network's own coordinates."""
        return sample

    def __len__(self) -> int:
        return int(self.config.num_train_timesteps)

    def _form(self, solver: Solver) -> Solver:
        return flow_form(solver, self._options)

    def _new_grid(self) -> FlowMatchEulerDiscreteScheduler:
        names = FlowMatchEulerDiscreteScheduler._get_init_keys(FlowMatchEulerDiscreteScheduler)
        return FlowMatchEulerDiscreteScheduler(
            **{name: value for name, value in self.config.items() if name in names}
        )

    def _told(self, asked: Sequence[float], told: list[float]) -> "np.ndarray":
        """Return what the network is told at each evaluation: between two times on a line.

        A pipeline that cuts its timesteps to whole numbers (CogView4) has those in between cut too.
        """
        grid = self._grid.sigmas.tolist()[::-1]
        between = np.interp(asked, grid, [0.0, *told[::-1]])
        whole = all(time.is_integer() for time in told)
        return np.floor(between + WHOLE) if whole else between

    def _along_curve(self, times: list[float], mu: float | None) -> list[float]:
        """Return as many times over the curve, laid over the model's own from 1 down."""
        if self.config.curve is None:
            return times
        options = self.config.curve_options or {}
        made = curves.make(self.config.curve, self._path(mu), len(times) - 1, options)
        found: list[float] = made.tolist()
        return found

    def _path(self, mu: float | None) -> FlowTimes:
        """Return the model's times under the shift in force."""
        shift = self.shift
        if self.config.use_dynamic_shifting and mu is not None:
            shift = mu if self.config.time_shift_type == "linear" else math.exp(mu)
        return FlowTimes(self.config.num_train_timesteps, shift)

    def _scale(self, index: int) -> float:
        return 1.0

    def _x0_pred(self, index: int, sample: "Tensor", model_output: "Tensor") -> "Tensor":
        return sample - self._laid_out().asked[index] * at_least_float32(model_output)
