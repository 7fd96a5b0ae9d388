"""An entrant: a sampler in a comparison, with the curve that it follows and its options.

In a fair comparison all start at the same noise level. With the model's own spacing, "leading",
they do not: the first level depends on the number of steps. So an entrant without a curve uses the
comparison's, or the first of ``FALLBACKS`` that it can follow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sdlab.errors import check_types
from sdlab.experiment.spec import Options, Spec, options_of
from sdlab.models.scheduler_config import parameters
from sdlab.noise.spacings import SPACINGS
from sdlab.sampler_names import NAMES, translated, unknown_solver
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.catalogue import valid_names
from sdlab.solvers.registry import solvers

FALLBACKS = ("trailing", "linspace")
"""Curves that start at the last training timestep, used where the comparison's cannot be."""
WHOLE = "linspace"
"""The timestep spacing under which diffusers' karras and exponential curves span the schedule."""


@dataclass(frozen=True)
class Entrant(Spec):
    """A sampler in a comparison.

    Attributes:
        solver: A solver's short name or a diffusers class; or a name of
            ``sdlab.sampler_names.NAMES``, which then is the label.
        curve: How sigma falls; None for the comparison's curve, or the nearest that it can follow.
        curve_options: Arguments of the curve.
        solver_options: Arguments of the solver or scheduler.
        eta: Share of injected noise, for those that take it.
        label: Its name in tables and charts; made from the rest if "".

    Raises:
        ValueError: If the solver is not known.
    """

    CALLED: ClassVar[str] = "entrant field"

    solver: str
    curve: str | None = None
    curve_options: Mapping[str, Any] | Options = ()
    solver_options: Mapping[str, Any] | Options = ()
    eta: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        check_types(Entrant, solver=(self.solver, str))
        super().__post_init__()
        if self.solver not in [*valid_names(), *NAMES] and not _drives_flow(self.solver):
            raise ValueError(unknown_solver(self.solver, valid_names()))
        for name in ("curve_options", "solver_options"):
            self._set(name, options_of(name, getattr(self, name)))
        if self.solver in NAMES:
            self._translate()
        if not self.label:
            self._set("label", self._described())

    def follows(self, curve: str | None, path: str = "vp") -> str | None:
        """Return the curve that it follows in a comparison over ``curve``.

        Over flow matching's times only sdlab's solvers follow one; diffusers' classes have options
        of their own. A timestep spacing among its options counts as a curve of its own: then it
        follows only those curves that its class combines with that spacing.
        """
        if self.curve is not None or self.solver in solvers():
            return self.curve or curve
        if path == "flow" or self.solver not in adapter.compatible_classes():
            return None
        known = adapter.scheduler_curves(adapter.compatible_classes()[self.solver])
        spacing = dict(self.solver_options).get("timestep_spacing")
        if spacing is not None:
            asked = () if curve in SPACINGS else (curve,)
            return next((name for name in (*asked, spacing) if name in known), None)
        return next((name for name in (curve, *FALLBACKS) if curve and name in known), None)

    def options(self, curve: str | None, path: str = "vp") -> Options:
        """Return the solver's arguments in a comparison over ``curve``.

        Some of diffusers' classes stretch karras and exponential over the noise levels that their
        spacing picks, so that over "leading" the start depends on the number of steps (sigma 11.0
        instead of 14.6 at 20). Unless the entrant says otherwise they are given the whole range.
        """
        follows = self.follows(curve, path)
        given = dict(self.solver_options)
        settled = self.curve is not None or "timestep_spacing" in given
        if follows is None or settled or self.solver in solvers():
            return options_of("solver_options", given)
        valid = parameters(adapter.compatible_classes()[self.solver])
        if follows in ("karras", "exponential") and "timestep_spacing" in valid:
            given["timestep_spacing"] = WHOLE
        return options_of("solver_options", given)

    def _translate(self) -> None:
        """Put solver, curve and options in the place of a web UI's name of all three."""
        alone = (self.curve, self.curve_options, self.solver_options) == (None, (), ())
        if alone and self.eta is None and not self.label:
            self._set("label", self.solver)
        found = translated(self.solver, self.curve, dict(self.solver_options))
        self._set("solver", found[0])
        self._set("curve", found[1])
        self._set("solver_options", options_of("solver_options", found[2]))

    def _described(self) -> str:
        parts = [self.solver]
        parts += [self.curve] if self.curve else []
        parts += [f"eta {self.eta:g}"] if self.eta is not None else []
        parts += [f"{key} {value}" for key, value in (*self.curve_options, *self.solver_options)]
        return ", ".join(parts)


def _drives_flow(name: str) -> bool:
    """Return whether a name is that of a diffusers class for flow matching."""
    from sdlab.solvers.flow_course import flow_classes  # which loads torch

    return name in flow_classes()
