"""Errors of the environment, and messages for wrong arguments.

A bad argument raises ``ValueError``; trouble with the environment raises a ``SdlabError``. Both
have a message written for the user: what was given, what is allowed, what to change.
"""

import difflib
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

SHOWN_LETTERS = 80
_LONG = re.compile(r"(\S{200})\S{200,}")


class SchedulerError(ValueError):
    """A diffusers scheduler refuses its arguments, or fails in one of its steps."""


class SdlabError(Exception):
    """Trouble with the environment: weights, memory, disk, device."""


class ModelError(SdlabError):
    """A model cannot be loaded, or sdlab cannot run it."""


class MemoryLimitError(SdlabError):
    """A run needs more memory than there is; raised before or while it runs."""


class StoreError(SdlabError):
    """A run folder cannot be written or read."""


def shown(value: object) -> str:
    """Return a value as a message quotes it: as Python writes it, shortened if long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    except RecursionError:
        return "something nested very deep"
    return text if len(text) <= 2 * SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}… ({len(text):,})"


def brief(message: str) -> str:
    """Return a message with words of 400 letters and more shortened."""
    return _LONG.sub(r"\1…", message)


def nearest(value: str, allowed: Iterable[str], limit: int = 3) -> list[str]:
    """Return the allowed words most like ``value``, best first, case ignored."""
    words = {word.lower(): word for word in allowed}
    return [words[w] for w in difflib.get_close_matches(value.lower(), words, limit, cutoff=0.5)]


def unknown(what: str, value: object, allowed: Iterable[str], hint: str = "") -> str:
    """Return the message for a name that is not in ``allowed``: nearest first, then all of them.

    Args:
        what: What kind of thing the name should be of, such as "solver".
        value: The name that was given.
        allowed: The names that there are.
        hint: A sentence to show instead of the nearest names.
    """
    names = sorted(allowed)
    close = nearest(str(value)[:SHOWN_LETTERS], names) if isinstance(value, str) else []
    if close and not hint:
        hint = f"Did you mean {' or '.join(map(repr, close))}?"
    advice = f"{hint} " if hint else ""
    return f"Unknown {what} {shown(value)}. {advice}Valid: {', '.join(names) or '(none)'}."


def check_keywords(
    function: Callable[..., Any], given: Iterable[str], further: Iterable[str]
) -> None:
    """Refuse a keyword that a function with ``**further`` does not take.

    Args:
        function: The function that the user called.
        given: The keywords that came in beside its parameters.
        further: Those that it takes.

    Raises:
        TypeError: If there is another; it names the function and all that it takes.
    """
    kinds = inspect.Parameter
    further = set(further)
    for word in given:
        if word not in further:
            named = {
                parameter.name
                for parameter in inspect.signature(function).parameters.values()
                if parameter.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
            }
            raise TypeError(unknown(f"argument of {function.__name__}()", word, named | further))


_MADE_BY = {
    "Model": "sdlab.load",
    "Experiment": "sdlab.Experiment",
    "Inversion": "sdlab.invert",
    "Tensor": "sdlab.latents.image.encode",
}
"""What a user makes an argument of a class with."""


def check_types(function: Callable[..., Any], **given: tuple[object, Any]) -> None:
    """Refuse arguments of another type than a function takes, such as two that are swapped.

    Args:
        function: What the user called; a class for its making.
        **given: Each argument's value and its class, or classes, by its name.

    Raises:
        TypeError: It names the argument, what was given and the order of the arguments.
    """
    for name, (value, kinds) in given.items():
        if isinstance(value, kinds):
            continue
        listed = kinds if isinstance(kinds, tuple) else (kinds,)
        names = [kind.__name__ for kind in listed if kind is not type(None)]
        called, order = function.__name__, ", ".join(inspect.signature(function).parameters)
        makes = [f" {_MADE_BY[kind]}(...) makes one." for kind in names if kind in _MADE_BY]
        raise TypeError(
            f"{name} of {called}() must be of the type {' or '.join(names)}, got"
            f" {type(value).__name__}; call it as {called}({order}).{''.join(makes)}"
        )
