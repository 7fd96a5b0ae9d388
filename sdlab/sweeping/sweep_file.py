"""A sweep as a TOML file, and prompts as a text file.

Example::

    prompts = "prompts.txt"     # one a line; or a list
    seeds = "0-9"

    [base]
    num_steps = 20
    record.every = 5

    [axes]
    solver = ["heun", "ddim"]
    guidance_scale = "range(1, 8, 0.5)"
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdlab.errors import shown, unknown
from sdlab.experiment.axis import Axis
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.overrides import sweep_of
from sdlab.experiment.sweep import Sweep

ENTRIES = ("axes", "base", "prompts", "seeds")


def sweep_from(
    overrides: Sequence[str] = (),
    file: str | Path | None = None,
    prompts: str | Path | None = None,
) -> Sweep:
    """Return the sweep of a file, of prompts, and of overrides, of which the later ones count.

    Args:
        overrides: Such as ``"solver=heun,ddim"``, see ``sdlab.experiment.overrides``.
        file: Of a TOML file, as above.
        prompts: Of a text file with a prompt a line.

    Raises:
        ValueError: If a file cannot be read, or what it says is not valid.
    """
    told = {} if file is None else _entries(_text(file), str(file))
    if isinstance(listed := told.get("prompts"), str):
        assert file is not None
        told["prompts"] = read_prompts(Path(file).parent / listed)
    if prompts is not None:
        told["prompts"] = read_prompts(prompts)
    return _sweep(overrides, told)


def sweep_of_toml(text: str, base: Mapping[str, Any] | None = None) -> Sweep:
    """Return the sweep that a text in TOML asks for; prompts are a list there.

    Args:
        text: As a sweep's file.
        base: Fields of the experiment where the text does not say others.

    Raises:
        ValueError: If it cannot be read, or what it says is not valid.
    """
    told = _entries(text, "The text")
    if isinstance(told.get("prompts"), str):
        raise ValueError('prompts is a list here, such as ["a cat", "a dog"]; no file is read.')
    return _sweep((), {**told, "base": {**(base or {}), **_table(told, "base")}})


def toml_of(sweep: Sweep) -> str:
    """Return a sweep as TOML, from which ``sweep_of_toml`` makes the same one."""
    own = Experiment().to_dict()
    fields = {k: v for k, v in sweep.base.to_dict().items() if v is not None and v != own.get(k)}
    lines = ["[base]", *(f"{name} = {_written(value)}" for name, value in fields.items())]
    lines += ["", "[axes]"]
    for axis in sweep.axes:
        name = json.dumps(axis.field) if "." in axis.field else axis.field
        lines.append(f"{name} = {_values(axis)}")
    return "\n".join(lines) + "\n"


def _sweep(overrides: Sequence[str], told: Mapping[str, Any]) -> Sweep:
    axes = dict(_table(told, "axes"))
    for entry, field in {"prompts": "prompt", "seeds": "seed"}.items():
        if entry in told:
            axes[field] = told[entry]
    return sweep_of(overrides, _table(told, "base"), axes)


def _entries(text: str, source: str) -> dict[str, Any]:
    """Return the entries of a sweep's TOML.

    Raises:
        ValueError: If it cannot be read, or has an entry that no sweep has.
    """
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{source} is no TOML: {error}.") from None
    except RecursionError:
        raise ValueError(f"{source} is no TOML of a sweep: it is nested too deep.") from None
    for name in told:
        if name not in ENTRIES:
            raise ValueError(f"{source}: {unknown('entry of a sweep', name, ENTRIES)}")
    return told


def _values(axis: Axis) -> str:
    """Return an axis's values as TOML: a list, or in Hydra's grammar where one is no value."""
    if None not in axis.values:
        return _written(axis.values)
    return _written(",".join(map(_in_hydra, axis.values)))


def _in_hydra(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "\\'") + "'"
    return json.dumps(value)


def _written(value: Any) -> str:
    """Return a value as TOML; what has none in a table is left out."""
    if isinstance(value, Mapping):
        held = {name: _written(item) for name, item in value.items() if item is not None}
        return "{" + ", ".join(f"{json.dumps(name)} = {held[name]}" for name in held) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def read_prompts(path: str | Path) -> list[str]:
    """Return the prompts of a text file, one a line; empty lines count for nothing.

    Raises:
        ValueError: If it cannot be read or holds none.
    """
    found = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if not found:
        raise ValueError(f"{path} holds no prompt; write one a line.")
    return found


def _table(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = told.get(name, {})
    if not isinstance(table, dict):
        raise ValueError(f"{name} must be a table, [{name}], got {shown(table)}.")
    return table


def _text(path: str | Path) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"{path} cannot be read: {reason}.") from None
