"""An axis of a sweep or grid of experiments: one field and the values that it takes.

Values may be typed, as users of A1111's X/Y/Z plot type them: "1-4, 7", "10-30 (+10)", "1-8 [3]",
"ddim, heun", and text with a comma in quotes.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import lru_cache
from types import NoneType
from typing import Any, ClassVar, get_args, get_type_hints

from sdlab.errors import shown, unknown
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.pipeline_fields import PICTURES
from sdlab.experiment.spec import OPTIONS, Spec, options_of
from sdlab.sampler_names import NAMES

MOST_VALUES = 100_000
MAX_TEXT = 10_000
MAX_DIGITS = 40
WORDS = "words"
"""The axis that replaces words of the prompts: its first value is what the others replace."""
ALSO = {"cfg": "guidance_scale", "steps": "num_steps", "sampler": "solver", "seeds": "seed"}
LABELS = {
    "guidance_scale": "CFG",
    "num_steps": "steps",
    "guidance_rescale": "rescale",
    "controlnet_conditioning_scale": "ControlNet",
    "true_cfg_scale": "true CFG",
    "max_sequence_length": "sequence length",
}
EXAMPLES = {
    int: "1-4, 7 or 10-30 (+10)",
    float: "2, 4.5, 8 or 0-1 (+0.25)",
    bool: "no, yes",
    str: 'a cat, "a red, old car"',
}
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(
    rf"({_NUMBER})\s*-\s*({_NUMBER})\s*(?:\(\s*[+-]?(\d+(?:\.\d+)?)\s*\)|\[\s*(\d+)\s*\])?"
)
_SWITCH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_NOT_ALONE = {"record", *PICTURES, *OPTIONS}


@dataclass(frozen=True)
class Axis(Spec):
    """One field of an experiment and the values that it takes.

    Attributes:
        field: A field of ``Experiment``, "cfg", "steps" or "sampler" for short; an option, such
            as "curve_options.rho"; or "words", whose first value is replaced by the others
            wherever it stands in the prompts.
        values: Those that it takes, in order; or text such as "1-4, 7", "10-30 (+10)" (in steps
            of 10), "1-8 [3]" (3 values, evenly), "none" where the field may be None.

    Raises:
        ValueError: If there is no such field, or a value does not suit it.
    """

    CALLED: ClassVar[str] = "field of an axis"

    field: str
    values: tuple[Any, ...] | Any

    def __post_init__(self) -> None:
        self._set("field", axis_field(self.field))
        if isinstance(self.values, str):
            self._set("values", parse_values(self.field, self.values))
        elif not isinstance(self.values, Iterable):
            self._set("values", (self.values,))
        super().__post_init__()
        if not self.values:
            raise ValueError(f"{self.field}: give values, such as {_example(self.field)}.")
        self._set("values", tuple(_checked(self.field, value) for value in self.values))
        seen = set()
        for value in self.values:
            if value in seen:
                raise ValueError(f"{self.field}: {shown(value)} comes twice; leave one out.")
            seen.add(value)
        if len(self.values) > MOST_VALUES:
            raise ValueError(
                f"{self.field}: at most {MOST_VALUES:,} values, got {len(self.values):,}."
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """What stands beside the pictures of each value: "CFG 4", "heun", "seed 7"."""
        return tuple(label(self.field, value) for value in self.values)

    def applied(self, experiment: Experiment, value: Any) -> Experiment:
        """Return the experiment with the field at one of the values.

        Raises:
            ValueError: If the experiment refuses it, or the words to replace are in no prompt.
        """
        name, dot, option = self.field.partition(".")
        if dot:
            return experiment.with_(**{name: {**dict(getattr(experiment, name)), option: value}})
        if name == "solver" and value in NAMES and NAMES[value].curve:
            return experiment.with_(solver=value, curve=NAMES[value].curve, curve_options=())
        if self.field != WORDS:
            return experiment.with_(**{name: value})
        prompts = {"prompt": experiment.prompt, "negative_prompt": experiment.negative_prompt}
        old = self.values[0]
        if not any(old in text for text in prompts.values()):
            raise ValueError(
                f"words: {shown(old)} is not in the prompt {shown(experiment.prompt)}; the first"
                " of the words is the one that the others replace."
            )
        return experiment.with_(**{n: text.replace(old, value) for n, text in prompts.items()})


def axis_fields() -> tuple[str, ...]:
    """Return the fields that can be an axis, options aside."""
    own = [field.name for field in fields(Experiment)]
    return (*(name for name in own if name not in _NOT_ALONE and name != "model"), WORDS)


def parse_values(field: str, text: str) -> tuple[Any, ...]:
    """Return the values that were typed for a field, see ``Axis``.

    Raises:
        ValueError: If one does not suit the field; names it and says what would.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"{field}: at most {MAX_TEXT:,} characters, got {len(text):,}.")
    found: list[Any] = []
    for part in _parts(text):
        found += parse_part(field, part)
        if len(found) > MOST_VALUES:
            raise ValueError(f"{field}: at most {MOST_VALUES:,} values, got more in {shown(text)}.")
    return tuple(found)


def parse_part(field: str, part: str) -> list[Any]:
    """Return the values of what stands between two commas: several of a range.

    Raises:
        ValueError: If it does not suit the field.
    """
    kind, may_be_none = _kind(field)
    if may_be_none and part.lower() == "none":
        return [None]
    return _read(field, kind, part)


def label(field: str, value: Any) -> str:
    """Return a value with its field's name, as it stands beside a picture."""
    name = LABELS.get(field, field.rpartition(".")[2].replace("_", " "))
    if value is None:
        return f"{name}: the model's own"
    if field in ("solver", "prompt", WORDS):
        return str(value) or "(empty)"
    if isinstance(value, bool):
        return f"{name}: {'yes' if value else 'no'}"
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    return f"{value} curve" if field == "curve" else f"{name} {value}"


def axis_field(name: object) -> str:
    """Return the field that a name means, such as ``num_steps`` for "steps".

    Raises:
        ValueError: If it cannot be an axis.
    """
    if not isinstance(name, str):
        raise ValueError(f"an axis is named by a field, got {shown(name)}.")
    name = name.strip()
    name = ALSO.get(name.lower(), name)
    if name == "model":
        raise ValueError("model cannot be an axis: one is in memory; make a sweep for each model.")
    options, dot, option = name.partition(".")
    if options in OPTIONS:
        if not option:
            raise ValueError(f"{options} needs the option's name: {options}.NAME, got {name!r}.")
        return name
    if name not in axis_fields():
        raise ValueError(unknown("axis", name, axis_fields()))
    return name


@lru_cache(maxsize=1)
def _hints() -> dict[str, Any]:
    return get_type_hints(Experiment)


def _kind(field: str) -> tuple[type | None, bool]:
    """Return the type of a field's values, None for any JSON, and whether it may be None."""
    if "." in field:
        return None, True
    if field == WORDS:
        return str, False
    hint = _hints()[field]
    kinds = (hint, *get_args(hint))
    return next(kind for kind in (bool, int, float, str) if kind in kinds), NoneType in kinds


def _example(field: str) -> str:
    return EXAMPLES[_kind(field)[0] or float]


def _parts(text: str) -> Iterator[str]:
    """Yield what commas and line breaks separate, quotes taken off."""
    try:
        for row in csv.reader(text.splitlines(), skipinitialspace=True):
            yield from filter(None, (part.strip() for part in row))
    except csv.Error as error:
        raise ValueError(f"{shown(text)} cannot be split at its commas: {error}.") from None


def _read(field: str, kind: type | None, part: str) -> list[Any]:
    """Return the values of one part: several of a range."""
    if kind is str:
        return [part]
    if kind is bool:
        if part.lower() not in _SWITCH:
            raise ValueError(_wrong(field, part, "neither yes nor no"))
        return [_SWITCH[part.lower()]]
    if len(part) <= MAX_DIGITS and (spans := _RANGE.fullmatch(part)):
        numbers = _range(field, part, *spans.groups())
    else:
        try:
            numbers = [json.loads(part) if kind is None else _number(part)]
        except (ValueError, ArithmeticError, RecursionError):
            if kind is None:
                return [part]
            word = "whole number" if kind is int else "number"
            raise ValueError(_wrong(field, part, f"no {word}")) from None
    if kind is int and any(number % 1 for number in numbers):
        raise ValueError(_wrong(field, part, "no whole number"))
    if kind is None:
        return [_plain(number) for number in numbers]
    return [kind(number) for number in numbers]


def _wrong(field: str, part: str, what: str) -> str:
    return f"{field}: {shown(part)} is {what}; write for example {_example(field)}."


def _number(part: str) -> Decimal:
    number = Decimal(part)
    if len(part) > MAX_DIGITS or not number.is_finite() or abs(number.adjusted()) > MAX_DIGITS:
        raise ValueError
    return number


def _plain(number: Any) -> Any:
    if not isinstance(number, Decimal):
        return number
    return int(number) if number % 1 == 0 else float(number)


def _range(field: str, part: str, first: str, last: str, step: Any, count: Any) -> list[Decimal]:
    """Return the numbers of "1-4", "10-30 (+10)" or "1-8 [3]", the first one first."""
    low, high = Decimal(first), Decimal(last)
    if count:
        number = int(count)
        by = (high - low) / (number - 1) if number > 1 else Decimal(0)
    else:
        by = Decimal(step or 1)
        if not by:
            raise ValueError(f"{field}: {shown(part)} goes in steps of 0; write (+1), say.")
        number = int(abs(high - low) / by) + 1
        by = by if high >= low else -by
    if not 1 <= number <= MOST_VALUES:
        raise ValueError(
            f"{field}: {shown(part)} is {number:,} values; 1 to {MOST_VALUES:,} are possible."
        )
    return [low + index * by for index in range(number)]


def _checked(field: str, value: Any) -> Any:
    """Return a value in the type of its field, so that 4 and 4.0 are one."""
    kind, may_be_none = _kind(field)
    if kind is None:
        options, _, option = field.partition(".")
        return dict(options_of(options, {option: value}))[option]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = isinstance(value, kind) and (kind is bool) == isinstance(value, bool)
    if not (fits or value is None and may_be_none):
        raise ValueError(
            f"{field}: {shown(value)} does not suit it; give for example {_example(field)}."
        )
    return value
