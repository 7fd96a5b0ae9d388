"""What a speed-up is, and the registry of them.

A speed-up is a function of the model that returns how it is run: a changed copy of the model
(``sdlab.pricing.copies``), other fields of the experiment, or all pictures in one call. The model
itself is never changed. What a model or a machine cannot take raises a ``ValueError`` or an
``SdlabError`` that says why; then the speed-up is left out, with that sentence.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.discovery import import_registering
from sdlab.errors import unknown

if TYPE_CHECKING:
    from sdlab.models.model import Model


@dataclass(frozen=True, eq=False)
class Changed:
    """How a speed-up is run.

    Attributes:
        model: The changed copy, or the model itself if nothing of it is changed.
        fresh: Called before each picture: lets go of what is kept from the one before.
        fields: Fields of the experiment that are others.
        together: Whether all pictures are made in shared network calls.
    """

    model: "Model"
    fresh: Callable[[], None] = lambda: None
    fields: Mapping[str, Any] = field(default_factory=dict)
    together: bool = False


class SpeedUp(NamedTuple):
    """A named speed-up.

    Attributes:
        name: Its name.
        about: What it does, in one sentence.
        source: Where it comes from.
        function: Takes the model and returns ``Changed``.
        only_named: Whether it is measured only where it is named, since it takes long.
    """

    name: str
    about: str
    source: str
    function: "Callable[[Model], Changed]"
    only_named: bool = False


_SPEEDUPS: dict[str, SpeedUp] = {}


def speedup(
    name: str, about: str, *, source: str, only_named: bool = False
) -> "Callable[[Callable[[Model], Changed]], Callable[[Model], Changed]]":
    """Return a decorator that registers a function as a speed-up.

    Args:
        name: Its name; registering it again replaces it.
        about: What it does, in one sentence.
        source: Where it comes from: authors, year, arXiv id, or whose code it is.
        only_named: See ``SpeedUp``.
    """

    def register(function: "Callable[[Model], Changed]") -> "Callable[[Model], Changed]":
        _SPEEDUPS[name] = SpeedUp(name, about, source, function, only_named)
        return function

    return register


def speedups() -> Mapping[str, SpeedUp]:
    """Return every speed-up by name, in the order of their files."""
    import_registering("sdlab.pricing.builtin", "speedup")
    return _SPEEDUPS


def chosen(names: Iterable[str] | None) -> list[SpeedUp]:
    """Return the speed-ups of these names; for None all that need not be named.

    Raises:
        ValueError: If one is not known, with the nearest that is; or there is none.
    """
    known = speedups()
    if names is None:
        return [one for one in known.values() if not one.only_named]
    wanted = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise ValueError(unknown("speed-up", name, known))
    if not wanted:
        raise ValueError(f"speedups must name at least one, got none, of {', '.join(known)}.")
    return [known[name] for name in wanted]
