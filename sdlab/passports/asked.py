"""What an engine is asked for, and what it answers: the two shapes that every engine's file has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sdlab.errors import unknown
from sdlab.passports.presets import Preset


@dataclass(frozen=True)
class Asked:
    """A schedule as it is asked for.

    Attributes:
        preset: The model.
        scheduler: By the engine's own name; None for what the engine takes by default.
        num_steps: What the engine's field "steps" says.
        denoise: The share of the way, above 0 up to 1; below 1 a picture is changed (img2img).
        options: The engine's further settings, each of its kind.
    """

    preset: Preset
    scheduler: str | None
    num_steps: int
    denoise: float
    options: Mapping[str, Any]

    @property
    def partial(self) -> bool:
        """Whether a picture is changed, not drawn from noise alone."""
        return self.denoise < 1


@dataclass(frozen=True)
class Laid:
    """A schedule as an engine lays it out.

    Attributes:
        scheduler: The name in force.
        sigmas: Levels from step to step, descending.
        timesteps: What the network is told at the start of each step.
        evaluations: Calls of the network.
        noise_scale: How much noise the start has, in the units of the first sigma.
        source: Which part of the engine does so.
        notes: What a reader would not expect, in sentences.
    """

    scheduler: str
    sigmas: Sequence[float]
    timesteps: Sequence[float]
    evaluations: int
    noise_scale: float
    source: str
    notes: list[str] = field(default_factory=list)


class Engine(NamedTuple):
    """A program or library whose schedules are known here.

    Attributes:
        title: Its name for readers.
        denoise: What it makes of a denoise below 1, in a sentence.
        schedulers: (preset) -> the names that it has for this model; () if it cannot run it.
        options: Its further settings with their defaults.
        lay: Lays a schedule out.
    """

    title: str
    denoise: str
    schedulers: Callable[[Preset], Sequence[str]]
    options: Mapping[str, Any]
    lay: Callable[[Asked], Laid]


def found(name: str, names: Sequence[str], labels: Mapping[str, str] | None = None) -> str:
    """Return the name of a scheduler, whatever its case, also by a label for it.

    A remark in brackets behind it, "beta (0.6, 0.6)", is passed over.

    Args:
        name: What was asked for.
        names: Those that there are.
        labels: Other spellings, in small letters, and the names they stand for.

    Raises:
        ValueError: If there is none; names the nearest.
    """
    plain = name.lower().partition(" (")[0].strip()
    known = {one.lower(): one for one in names} | dict(labels or {})
    if plain not in known:
        raise ValueError(unknown("scheduler", name, names))
    return known[plain]
