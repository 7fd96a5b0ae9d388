"""Specs: what is to be done, said before it is done; frozen, hashable and JSON.

``Spec`` is the base of all of them. A spec is a frozen dataclass whose fields are plain values,
tuples, options and other specs; it checks itself when it is made. Its canonical JSON names it, so
neither the order of fields nor what is left out of the JSON may ever change.
"""

import hashlib
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

from sdlab.errors import shown, unknown
from sdlab.plain import plain

Options = tuple[tuple[str, Any], ...]
OPTIONS = ("solver_options", "curve_options", "pipeline_options")
"""Fields that hold options: pairs of name and value, sorted by name."""


@dataclass(frozen=True)
class Spec:
    """The base of every spec.

    Attributes:
        CALLED: What a message calls a field of it.
        LATER: Fields that came later. At their default they are left out of the JSON, so that a
            spec which makes no use of them keeps the id that it had.
    """

    CALLED: ClassVar[str] = "field"
    LATER: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Make the fields plain; a list, an array or a range becomes a tuple."""
        for field in fields(self):
            value = getattr(self, field.name)
            many = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
            self._set(field.name, tuple(map(plain, value)) if many else plain(value))

    @cached_property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON: its name."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {
            field.name: _json(field.name, getattr(self, field.name))
            for field in fields(self)
            if not self._left_out(field)
        }

    def to_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces, ASCII."""
        return canonical(self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the spec of ``to_dict``'s values.

        Raises:
            ValueError: If a key is not a field, or a value is not valid.
        """
        return cls(**cls.known(values))

    @classmethod
    def known(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values, if each is named as a field.

        Raises:
            ValueError: If one is not.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"each {cls.CALLED} must have a name, got {values!r:.60}.")
        names = [field.name for field in fields(cls)]
        for key in values:
            if key not in names:
                raise ValueError(unknown(cls.CALLED, key, names))
        return values

    def with_(self, **changes: Any) -> Self:
        """Return a copy with the named fields changed, checked again."""
        return replace(self, **changes)

    def _set(self, name: str, value: object) -> None:
        """Set a field, while the spec is made."""
        object.__setattr__(self, name, value)

    def _left_out(self, field: "Field[Any]") -> bool:
        return field.name in self.LATER and getattr(self, field.name) == field.default


def canonical(values: object) -> str:
    """Return JSON values as text in the one way that ids are made of."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _json(name: str, value: Any) -> Any:
    if isinstance(value, Spec):
        return value.to_dict()
    if name in OPTIONS:
        return dict(value)
    return [_json("", item) for item in value] if isinstance(value, tuple) else value


def check_text(name: str, value: object) -> None:
    """Raise ``ValueError`` if a field is not text, or has characters that no file can hold."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, got {shown(value)}.")
    for position, char in enumerate(value):
        kind = unicodedata.category(char)
        if kind == "Cs" or (kind == "Cc" and char not in "\n\r\t"):
            what = "half of a surrogate pair" if kind == "Cs" else "a control character"
            raise ValueError(
                f"{name} has {what} (U+{ord(char):04X}) at position {position}; remove it."
            )


def check_integer(name: str, value: object, low: int, high: int | None = None) -> None:
    """Raise ``ValueError`` if a field is no whole number, or is outside of ``low`` ... ``high``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, got {shown(value)}.")
    if value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {limits}, got {shown(value)}.")


def real(name: str, value: object, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a field's value as float.

    Raises:
        ValueError: If it is not a finite number from ``low`` to ``high``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} must be a number, got {shown(value)}.")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number past all floats
        finite = False
    if not finite:
        raise ValueError(f"{name} must be finite, got {shown(value)}.")
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value:g}.")
    return float(value)


def options_of(name: str, value: object) -> Options:
    """Return options as hashable pairs, sorted by name.

    Args:
        name: What to call them in an error.
        value: A mapping, or pairs.

    Raises:
        ValueError: If it is no mapping of text to finite JSON.
    """
    if isinstance(value, Mapping):
        value = value.items()
    try:
        pairs = dict(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a mapping of names to values, got {shown(value)}."
        ) from None
    for key in pairs:
        if not isinstance(key, str):
            raise ValueError(f"{name} must have text as names, got {shown(key)}.")
    return tuple((key, _option(f"{name}[{shown(key)}]", pairs[key])) for key in sorted(pairs))


def _option(what: str, value: Any) -> Any:
    """Return an option's value, lists as tuples so that it can be hashed."""
    if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0:
        return tuple(_option(what, item) for item in value)
    value = plain(value)
    finite = not isinstance(value, float) or math.isfinite(value)
    if value is not None and not (isinstance(value, (bool, int, float, str)) and finite):
        raise ValueError(f"{what} must be finite JSON: text, number, list; got {shown(value)}.")
    return value
