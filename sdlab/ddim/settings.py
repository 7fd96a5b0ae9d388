"""How DDIM goes there and back: under which words, by which method, over which noise levels."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict

from sdlab.ddim.schemes import ITERATIONS, MIX, Scheme, scheme
from sdlab.noise import curves

if TYPE_CHECKING:
    from sdlab.noise.schedule import NoiseSchedule


class InvertOptions(TypedDict, total=False):
    """What ``invert`` takes by name; each has the default of ``DdimSettings``.

    Attributes:
        negative_prompt: Used with guidance.
        guidance_scale: 1 or less is the exact model; with more, the ways up and down part.
        method: One of ``schemes.METHODS``.
        curve: The levels, as in an experiment; None for the model's own.
        curve_options: Arguments of the curve.
        iterations: Rounds a step of "fixed_point".
        mix: p of "edict".
    """

    negative_prompt: str
    guidance_scale: float
    method: str
    curve: str | None
    curve_options: Mapping[str, Any] | None
    iterations: int
    mix: float


@dataclass(frozen=True)
class DdimSettings:
    """How to go there and back.

    Attributes:
        prompt: What the picture shows.
        negative_prompt: Used with guidance.
        guidance_scale: Of both ways; 1 or less is the exact model.
        method: One of ``schemes.METHODS``.
        num_steps: Steps each way, at least 1.
        curve: The levels, as in an experiment; None for the model's own.
        curve_options: Arguments of the curve.
        iterations: Rounds a step of "fixed_point".
        mix: p of "edict".
    """

    prompt: str = ""
    negative_prompt: str = ""
    guidance_scale: float = 1.0
    method: str = "fixed_point"
    num_steps: int = 25
    curve: str | None = None
    curve_options: Mapping[str, Any] | None = field(default_factory=dict)
    iterations: int = ITERATIONS
    mix: float = MIX

    def with_(self, **changes: Any) -> "DdimSettings":
        """Return a copy with the named fields changed."""
        return replace(self, **changes)

    def scheme(self, path: str = "vp") -> Scheme:
        """Return the two ways of the method.

        Args:
            path: The model's: "vp" or "flow".

        Raises:
            ValueError: If the method is unknown or an option of it out of its range.
        """
        return scheme(self.method, iterations=self.iterations, mix=self.mix, path=path)

    def sigmas(self, schedule: "NoiseSchedule") -> tuple[float, ...]:
        """Return the noise levels over a model's schedule, descending, ending in 0.

        Args:
            schedule: The model's; over ``FlowTimes`` the levels are flow matching's times.

        Raises:
            ValueError: If the curve, an option of it or the number of steps is not valid.
        """
        options = self.curve_options or {}
        return tuple(curves.make(self.curve, schedule, self.num_steps, options).tolist())

    def evaluations(self, start: int = 0, by_step: bool = False, asked: int = 0) -> int:
        """Return the network evaluations of a way up and down, as ``there_and_back`` makes them.

        Args:
            start: The level to go down from.
            by_step: Whether each step is measured by itself too.
            asked: Captions that a pipeline is asked with; each begins with one evaluation more, to
                find out how it lays out its latents. None on the model's own plain path.
        """
        ways = self.scheme()
        down = ways.regeneration(self.num_steps - start)
        alone = by_step * self.num_steps * ways.regeneration(1)
        return asked + ways.evaluations_up * self.num_steps + down + alone
