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

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdlab.errors import shown, unknown
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
    told = {} if file is None else read_toml(file)
    axes = dict(_table(told, "axes"))
    listed = told.get("prompts")
    if isinstance(listed, str):
        assert file is not None
        listed = read_prompts(Path(file).parent / listed)
    if prompts is not None:
        listed = read_prompts(prompts)
    if listed is not None:
        axes["prompt"] = listed
    if "seeds" in told:
        axes["seed"] = told["seeds"]
    return sweep_of(overrides, _table(told, "base"), axes)


def read_toml(path: str | Path) -> dict[str, Any]:
    """Return the entries of a sweep's TOML file.

    Raises:
        ValueError: If it cannot be read, or has an entry that no sweep has.
    """
    try:
        told = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}.") from None
    for name in told:
        if name not in ENTRIES:
            raise ValueError(f"{path}: {unknown('entry of a sweep', name, ENTRIES)}")
    return told


def read_prompts(path: str | Path) -> list[str]:
    """Return the prompts of a text file, one a line; empty lines count for nothing.

    Raises:
        ValueError: If it cannot be read or holds none.
    """
    found = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if not found:
        raise ValueError(f"{path} holds no prompt; write one a line.")
    return found


def _table(told: dict[str, Any], name: str) -> dict[str, Any]:
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
