"""The registry of curves, and what a curve is.

A curve is a function of ``num_steps`` and of what it needs of ``sigma_min``, ``sigma_max`` and
``schedule``; the rest of its arguments are its options. It returns a strictly descending float64
array [num_steps + 1] that ends in 0.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from sdlab.errors import unknown
from sdlab.noise.schedule import Array

# What ``make`` hands to a curve that asks for it; all else are the curve's options.
GIVEN = ("num_steps", "schedule")
LAST = 99
ALIASES: dict[str, str] = {}
"""What another program calls a curve -> its name here."""


class Curve(NamedTuple):
    """A named curve.

    Attributes:
        function: Called with ``num_steps``, what it asks of the schedule, and its options.
        about: What it does, in one sentence.
        source: Where it comes from.
        place: Its place in menus, from 0.
        example: How the option of its own name is written, for a person's own curve, which is
            nothing without it; else empty.
    """

    function: Callable[..., Array]
    about: str
    source: str
    place: int = LAST
    example: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """Its options with their defaults; the range's, from the model, are None."""
        found = inspect.signature(self.function).parameters.values()
        return {p.name: _default(p) for p in found if p.name not in GIVEN}


CURVES: dict[str, Curve] = {}


def curve(
    name: str, about: str, *, source: str, place: int = LAST, example: str = "", also: str = ""
) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Return a decorator that registers a function as a curve.

    Args:
        name: Short name, an identifier; registering it again replaces it.
        about: What it does, in one sentence.
        source: Where it comes from: authors, year, arXiv id, equation.
        place: See ``Curve``; after the others unless told.
        example: See ``Curve``.
        also: What another program calls it, if that is no curve's name here.

    Raises:
        ValueError: If the name is no identifier, or the function takes no ``num_steps``.
    """
    if not name.isidentifier():
        raise ValueError(f"a curve's name must be an identifier such as 'mine', got {name!r}.")

    def register(function: Callable[..., Array]) -> Callable[..., Array]:
        if "num_steps" not in inspect.signature(function).parameters:
            raise ValueError(f"curve {name!r} must take num_steps.")
        CURVES[name] = Curve(function, about, source, place, example)
        if also:
            ALIASES[also] = name
        return function

    return register


def arrange() -> None:
    """Sort the registered curves into the order of menus, user-defined ones last."""
    for name in sorted(CURVES, key=_place):
        CURVES[name] = CURVES.pop(name)


def find(name: str) -> Curve:
    """Return a registered curve, by its name or another program's.

    Raises:
        ValueError: If there is no such curve; names the nearest.
    """
    name = name if name in CURVES else ALIASES.get(name, name)
    if name not in CURVES:
        raise ValueError(unknown("curve", name, CURVES))
    return CURVES[name]


def names() -> list[str]:
    """Return the curves that need no options, as an experiment names them: spacings first."""
    return [name for name, found in CURVES.items() if not found.example]


def describe(name: str) -> str:
    """Return what a curve does, in one sentence.

    Raises:
        ValueError: If there is no such curve.
    """
    return find(name).about


def _place(name: str) -> tuple[bool, int, str]:
    return bool(CURVES[name].example), CURVES[name].place, name


def _default(parameter: inspect.Parameter) -> Any:
    return None if parameter.default is inspect.Parameter.empty else parameter.default
