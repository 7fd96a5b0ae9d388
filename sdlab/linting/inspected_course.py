"""What a rule looks at: the request, the course, and what the steps really do."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.linting.rehearsal import Rehearsal, rehearse
from sdlab.noise import curves
from sdlab.noise.flow import dynamic_mu, is_flow, sigma_to_time
from sdlab.noise.schedule import Array, NoiseSchedule
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.course import Course, course, try_out
from sdlab.solvers.flow_course import TOKENS
from sdlab.solvers.pipeline_times import handed_mu
from sdlab.solvers.registry import solvers

if TYPE_CHECKING:
    from torch import Tensor


# Noise below this is rounding: nothing is left.
CLEAN = 1e-3


def parameters(cls: type) -> dict[str, Any]:
    """Return the parameters of a scheduler's class with their defaults."""
    found = inspect.signature(cls).parameters.values()
    skipped = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name: p.default for p in found if p.kind not in skipped}


@dataclass(frozen=True)
class Request:
    """The arguments of ``sdlab.lint``.

    Attributes:
        name: A solver's short name or a diffusers class.
        num_steps: Solver steps.
        config: The model's scheduler config.
        schedule: The model's noise schedule, or None for the config's.
        options: Arguments of the solver, or of the scheduler's class.
        curve: How sigma falls, or None.
        curve_options: Arguments of the curve.
        eta: Share of injected noise, or None.
        guidance_scale: In diffusers' convention, or None if it is not known.
        guidance_rescale: 0 ... 1.
        tokens: Latent tokens of the picture, or None if they are not known.
        mu: The logarithm of flow matching's shift, or None for that of the tokens.
        sigmas: Flow matching's times as they are handed to ``set_timesteps``, or None.
        timesteps: What the network is told, as it is handed to ``set_timesteps``, or None.
        pipeline: The class that draws and may have a formula of its own for mu, or None.
    """

    name: str
    num_steps: int
    config: Mapping[str, Any]
    schedule: NoiseSchedule | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    curve: str | None = None
    curve_options: Mapping[str, Any] = field(default_factory=dict)
    eta: float | None = None
    guidance_scale: float | None = None
    guidance_rescale: float = 0.0
    tokens: int | None = None
    mu: float | None = None
    sigmas: Sequence[float] | None = None
    timesteps: Sequence[float] | None = None
    pipeline: type | None = None

    @property
    def _mu(self) -> float | None:
        """The given mu, or the one that the pipeline hands over."""
        if self.mu is not None or self.pipeline is None or not is_flow(self.config):
            return self.mu
        return handed_mu(self.pipeline, self.num_steps, self.config, self.tokens)

    @property
    def mu_by_size(self) -> float:
        """The mu that the pipeline hands over; where that is not known, the usual one."""
        mu = replace(self, mu=None)._mu
        return dynamic_mu(self.tokens or TOKENS, self.config) if mu is None else mu

    @property
    def takes_eta(self) -> bool:
        """Whether the solver or scheduler takes ``eta``."""
        if self.name in solvers():
            return "eta" in solvers()[self.name].options
        cls = adapter.scheduler_classes().get(self.name)
        return cls is not None and adapter.takes_eta(cls)

    def course(self) -> Course:
        """Return the course; an eta that would be refused is left out.

        Raises:
            ValueError: As ``sdlab.course``.
        """
        return course(
            self.name,
            self.num_steps,
            config=self.config,
            schedule=self.schedule,
            options=self.options,
            curve=self.curve,
            curve_options=self.curve_options,
            eta=self.eta if self.takes_eta else None,
            tokens=self.tokens,
            handed={"sigmas": self.sigmas, "timesteps": self.timesteps, "mu": self._mu},
        )


class InspectedCourse:
    """A course under inspection.

    Attributes:
        request: What was asked for.
        course: The course it gave.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.course = request.course()

    @property
    def scheduler(self) -> Any:
        """The diffusers scheduler, or None for a solver of ours."""
        return self.course.scheduler

    @property
    def num_steps(self) -> int:
        """Solver steps."""
        return self.course.num_steps

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config in force: what the scheduler's class takes; a solver of ours: the model's."""
        if self.scheduler is None:
            return dict(self.request.config)
        taken = parameters(type(self.scheduler))
        return {key: value for key, value in self.scheduler.config.items() if key in taken}

    @cached_property
    def trained(self) -> NoiseSchedule:
        """The noise schedule of the model."""
        return self.request.schedule or NoiseSchedule.from_config(self.request.config)

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise schedule in force."""
        return self.course.schedule

    @property
    def path(self) -> str:
        """What the network is given: "vp", or "flow" for flow matching."""
        return self.course.schedule.path

    @property
    def prediction_type(self) -> str:
        """What the network is taken to predict; of flow matching "flow_prediction"."""
        default = "flow_prediction" if self.path == "flow" else "epsilon"
        return self.config.get("prediction_type") or default

    @property
    def of_model(self) -> str:
        """What the model's network predicts."""
        return "flow_prediction" if self.path == "flow" else self.trained.prediction_type

    @cached_property
    def firsts(self) -> list[int]:
        """The first evaluation of each step."""
        _, index = np.unique(self.course.steps, return_index=True)
        firsts: list[int] = index.tolist()
        return firsts

    @cached_property
    def levels(self) -> Array:
        """Sigma at the start of each step, then that of the end; 0 if no noise is really left."""
        end = self.course.end if self.ends_at > CLEAN else 0.0
        return np.array([*(self.course.sigmas[i] for i in self.firsts), end])

    @cached_property
    def heights(self) -> Array:
        """What the steps run over, as ``levels``: sigma, or flow matching's time t."""
        return sigma_to_time(self.levels) if self.path == "flow" else self.levels

    def height(self, sigma: float) -> str:
        """Return "sigma 8.39" of a noise level, or "t 0.893" on flow matching's path."""
        if self.path == "flow":
            return f"t {float(sigma_to_time(sigma)):.3g}"
        return f"sigma {sigma:.3g}"

    @cached_property
    def rehearsal(self) -> Rehearsal:
        """What each step really does."""
        return rehearse(self.course, self.eta, self.first_sigma)

    @property
    def eta(self) -> float | None:
        """The eta that takes effect."""
        return self.request.eta if self.request.takes_eta else None

    @property
    def ends_at(self) -> float:
        """The noise level really left at the end; the course's own if the steps fail."""
        done = self.rehearsal
        return done.ends[-1] if len(done.ends) == self.course.nfe else self.course.end

    def variant(
        self,
        config: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> "InspectedCourse":
        """Return the subject with entries of the config and options replaced.

        Raises:
            ValueError: If the scheduler refuses them.
        """
        request = self.request
        changed = {**request.config, **(config or {})}
        options = {**request.options, **(options or {})}
        return InspectedCourse(replace(request, config=changed, options=options))

    def without(self, option: str) -> "InspectedCourse":
        """Return the subject with an option left out."""
        kept = {key: value for key, value in self.request.options.items() if key != option}
        return InspectedCourse(replace(self.request, options=kept))

    @cached_property
    def failure(self) -> str:
        """The error of a whole run on a Gaussian, or ""."""
        return self._outcome[1]

    def ends_as(self, other: "InspectedCourse") -> bool | None:
        """Return whether whole runs on a Gaussian end equal; None if one fails."""
        ours, theirs = self._outcome[0], other._outcome[0]
        return None if ours is None or theirs is None else bool((ours == theirs).all())

    @cached_property
    def _outcome(self) -> "tuple[Tensor | None, str]":
        try:
            return try_out(self.course), ""
        except Exception as error:  # whatever a class or a solver raises is a finding
            return None, str(error) if isinstance(error, ValueError) else adapter.words(error)

    def sigma_from(self, evaluation: int) -> str:
        """Return "sigma 8.39", or "t 0.893", of an evaluation."""
        return self.height(self.course.sigmas[evaluation])

    @property
    def first_sigma(self) -> float:
        """The first sigma of the curve; a solver that adds noise may ask above it."""
        if self.scheduler is not None or self.path == "flow":
            return self.course.sigmas[0]
        asked = self.request
        made = curves.make(asked.curve, self.schedule, asked.num_steps, asked.curve_options)
        return float(made[0])
