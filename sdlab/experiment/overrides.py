"""Sweeps as they are typed: ``solver=heun,ddim``, ``num_steps=range(5,30,5)``, ``seed=0-9``.

The grammar is Hydra's (https://hydra.cc/docs/advanced/override_grammar/basic), read by its own
parser: a field with several values is an axis, a field with one is set in the base. Where a number
is due, text is read as axes are typed elsewhere, so that ``0-9`` is ten seeds.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sdlab.errors import shown
from sdlab.experiment.axis import ALSO, MOST_VALUES, axis_field, axis_fields, parse_part
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.spec import OPTIONS
from sdlab.experiment.sweep import Sweep

GRAMMAR = "https://hydra.cc/docs/advanced/override_grammar/basic"
MAX_OVERRIDE = 500_000
"""Characters of an override: prompts may be long, and may be several."""


def sweep_of(
    overrides: Sequence[str],
    base: Experiment | Mapping[str, Any] | None = None,
    axes: Mapping[str, Any] | None = None,
) -> Sweep:
    """Return the sweep that overrides ask for.

    Args:
        overrides: In Hydra's grammar, such as ``"solver=heun,ddim"``; the first axis varies
            fastest, and the last of two for one field counts.
        base: What they change: an experiment, or its fields.
        axes: Axes before those of the overrides: values, or one text in the same grammar.

    Raises:
        ValueError: If an override cannot be read, or a value does not suit its field.
    """
    fields = base.to_dict() if isinstance(base, Experiment) else _copied(base or {})
    texts = {name: v for name, v in (axes or {}).items() if isinstance(v, str)}
    found = {axis_field(n): v for n, v in (axes or {}).items() if n not in texts}
    for text in (*(f"{name}={value}" for name, value in texts.items()), *overrides):
        field, values, several = read_override(text)
        if several:
            found[field] = values
        else:
            found.pop(field, None)
            _put(fields, field.split("."), values[0])
    return Sweep(Experiment.from_dict(fields), found)


def read_override(text: str) -> tuple[str, tuple[Any, ...], bool]:
    """Return an override's field, its values, and whether they are an axis.

    Raises:
        ValueError: If it cannot be read; the message says what would be.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if len(text) > MAX_OVERRIDE:
        raise ValueError(f"{shown(text)}: at most {MAX_OVERRIDE:,} characters are read.")
    try:
        override = OverridesParser.create().parse_override(text)
        if override.type is not None and override.type.name != "CHANGE":
            raise ValueError(f"{shown(text)}: all fields are there; write FIELD=VALUE.")
        several = override.is_sweep_override()
        if several and getattr(override.value(), "shuffle", False):
            raise ValueError(f"{shown(text)}: a sweep is named by its order; leave out shuffle.")
        values = _of_sweep(override) if several else (override.value(),)
    except (HydraException, ArithmeticError, RecursionError) as error:
        reason = " ".join(str(error).split("\n")[0].split()) or "its numbers are none"
        raise ValueError(f"{shown(text)} cannot be read: {reason}. See {GRAMMAR}.") from None
    field = ALSO.get(override.key_or_group.lower(), override.key_or_group)
    read = [value for part in map(_plain, values) for value in _values(field, part)]
    return field, tuple(read), several or len(read) > 1


def _of_sweep(override: Any) -> tuple[Any, ...]:
    """Return the values that an override goes through.

    Raises:
        ValueError: If there are more than an axis has; a range may have any number.
    """
    values = tuple(islice(override.sweep_iterator(), MOST_VALUES + 1))
    if len(values) > MOST_VALUES:
        raise ValueError(
            f"{shown(override.input_line)} has more than {MOST_VALUES:,} values; make the range"
            " shorter or its steps longer."
        )
    return values


def _values(field: str, value: Any) -> Iterable[Any]:
    """Return the values of one: several if it is text such as "0-9" where numbers are due."""
    of_options = field.partition(".")[0] in OPTIONS
    if isinstance(value, str) and (field in axis_fields() or of_options and "." in field):
        return parse_part(field, value)
    return (value,)


def _plain(value: Any) -> Any:
    """Return a value of Hydra's parser as plain text, numbers, lists and dicts."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return getattr(value, "text", value)


def _put(fields: dict[str, Any], names: Sequence[str], value: Any) -> None:
    """Set a field, or an entry of one: ("record", "every")."""
    for name in names[:-1]:
        inner = fields.get(name)
        fields[name] = inner if isinstance(inner, dict) else {}
        fields = fields[name]
    fields[names[-1]] = value


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return value
