"""One of sdlab's solvers driven step by step, as a diffusers pipeline drives its scheduler.

A dry run of the solver finds the noise levels that it will visit, and so ``timesteps``. ``step``
sends it the prediction and returns the next point it yields, so the pipeline's loop drives the
solver without knowing. A solver without memory, whose steps give the same one by one as in one run,
is run step by step: it continues from whatever latents the pipeline gives it, at any timestep.

``SteppedSolver`` is the part that does not depend on the coordinates of the latents; a subclass
gives the scale between them and the solver's own, and turns the network's output into x0_pred.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.schedulers.scheduling_utils import SchedulerMixin, SchedulerOutput

from sdlab.denoisers.network import at_least_float32
from sdlab.solvers.layout import Layout
from sdlab.solvers.registry import Solver, solvers
from sdlab.solvers.resuming import RememberedNoise, Resumable

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Generators


class SteppedSolver(SchedulerMixin, ConfigMixin, ABC):
    """A scheduler whose steps are those of the solver that its config names.

    Attributes:
        order: Evaluations of a full step.
        timesteps: The network's timestep at every evaluation.
    """

    config_name = "scheduler_config.json"

    order: int
    _layout: Layout | None
    _times: list[float]
    _index: int | None  # evaluations done, counted from the first of all
    _begin: int | None
    _running: Resumable | None
    _returned: "Tensor | None"  # what the last step returned
    _exact: "Tensor | None"  # the same before it was rounded, in the solver's coordinates
    _noise: RememberedNoise

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
            ValueError: If it is inside a step, or the solver would visit other levels from there
                than in a whole run (PLMS evaluates its first step twice).
        """
        if begin_index % self.order:
            raise ValueError(
                f"begin_index must be a multiple of {self.order}, the evaluations of a step of"
                f" {self._solver.name!r}, got {begin_index}."
            )
        if self._layout is not None and begin_index < len(self._layout.asked):
            self._layout.check_begin(begin_index)
        self._begin = begin_index

    def step(
        self,
        model_output: "Tensor",
        timestep: Any,
        sample: "Tensor",
        generator: "Generators" = None,
        return_dict: bool = True,
    ) -> SchedulerOutput | tuple["Tensor"]:
        """Send the solver a prediction and return the next point it yields, shaped as ``sample``.

        Args:
            model_output: The (guided) network output, [B, C, h, w].
            timestep: One of ``timesteps``, or None for the next. If it is not the next one, a
                solver without memory continues there, and any solver may begin there.
            sample: VP latents as the last step returned them, or changed, [B, C, h, w].
            generator: For stochastic solvers; a list has one generator an image.
            return_dict: Whether to wrap the result as diffusers does.

        Raises:
            ValueError: If timesteps were not set, ``timestep`` is none of them or not the next, all
                are done, or ``sample`` was changed between steps of a solver with memory.
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
            self._noise.generator = None  # it belongs to the caller and is not copied
        self._index = index + 1
        self._exact = x
        self._returned = (x / self._scale(index + 1)).to(sample.dtype)
        return SchedulerOutput(self._returned) if return_dict else (self._returned,)

    def _form(self, solver: Solver) -> Solver:
        """Return a solver as it runs in these coordinates."""
        return solver

    @abstractmethod
    def _scale(self, index: int) -> float:
        """Return the ratio of the solver's coordinates to the latents' at an evaluation."""

    @abstractmethod
    def _x0_pred(self, index: int, sample: "Tensor", model_output: "Tensor") -> "Tensor":
        """Return the clean latents x0_pred of an output, float32 or wider, like ``sample``.

        Args:
            index: The evaluation.
            sample: The network's input, [B, ...].
            model_output: The network's output, [B, ...].
        """

    @property
    def _solver(self) -> Solver:
        return solvers()[self.config.solver]

    @property
    def _options(self) -> dict[str, Any]:
        return dict(self.config.solver_options or {})

    def _reset(self) -> None:
        self._index = self._begin = None
        self._running = self._returned = self._exact = None
        self._noise = RememberedNoise()

    def _laid_out(self) -> Layout:
        if self._layout is None:
            raise ValueError("num_inference_steps is not set; call set_timesteps before step.")
        return self._layout

    def _place(self, timestep: Any) -> int:
        """Return the evaluation of a timestep: the next one if it fits, else the one looked up."""
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
        """Return the evaluation that has a timestep, the first of a step if there is a choice.

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

    def _is_returned(self, sample: "Tensor") -> bool:
        before = self._returned
        if before is None or sample is before:
            return before is not None
        same = sample.shape == before.shape and sample.dtype == before.dtype
        return same and torch.allclose(sample, before, rtol=0, atol=0, equal_nan=True)

    def _advance(
        self, index: int, model_output: "Tensor", sample: "Tensor", changed: bool
    ) -> "Tensor":
        """Return the next point, in the solver's coordinates."""
        layout, scale = self._laid_out(), self._scale(index)
        given = at_least_float32(sample) * scale
        if self._running is None:
            x = given if changed or self._returned is None else self._exact
            assert x is not None
            self._running = Resumable(
                self.config.solver, x, layout.stretch(index), self._noise, self._options, self._form
            )
        running = self._running
        assert running.request is not None
        x = running.request[0]
        if not changed:
            x0_pred = self._x0_pred(index, x / scale, model_output)
        else:  # the network saw the changed point; its prediction there gives the direction
            x0_pred = self._x0_pred(index, given / scale, model_output)
            x0_pred = x0_pred + (x - given)
        running.tell(x0_pred)
        if running.result is not None:
            self._running = None
            return running.result
        assert running.request is not None
        return running.request[0]
