"""What differs between stored runs: the settings and circumstances of each, side by side."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.experiment.experiment import Experiment
from sdlab.runs import run_path
from sdlab.runs.run_folder import read_facts

if TYPE_CHECKING:
    import pandas as pd

_NAMING = ("solver", "curve", "num_steps", "guidance_scale", "eta", "seed", "prompt", "model.name")
_WORDS = {"num_steps": "{} steps", "guidance_scale": "CFG {}", "seed": "seed {}", "eta": "eta {}"}
PASSING = ("created", "total_ms", "shared_calls")
"""What differs between runs without being a setting."""
_FACTS = ("width", "height", "nfe", "total_ms", "shared_calls", "created")


def settings_table(root: str | Path, runs: Iterable[str]) -> "pd.DataFrame":
    """Return all settings of stored runs: a row for each, a column for each run.

    The index has the names of fields, with points between the parts: ``num_steps``,
    ``solver_options.rho``, ``record.every``, ``model.hash``, ``versions.torch``. The values are
    texts; "" where a run has no such field.

    Args:
        root: The folder of all runs.
        runs: Their ids, each once.

    Raises:
        StoreError: If one is not stored or damaged.
    """
    import pandas as pd

    columns = {run: settings_of(*read_facts(run_path(root, run))) for run in runs}
    names = list(dict.fromkeys(name for found in columns.values() for name in found))
    rows = {run: [found.get(name, "") for name in names] for run, found in columns.items()}
    return pd.DataFrame(rows, index=names, dtype=str)


def differing(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows of ``settings_table`` in which not all runs have the same."""
    return table[table.nunique(axis=1) > 1]


def settings_apart(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows of ``differing`` that are settings, not circumstances such as the time."""
    return differing(table.drop(index=[name for name in PASSING if name in table.index]))


def names_of(settings: "pd.DataFrame") -> dict[str, str]:
    """Return a name for each run, of what differs; with its id where that tells too little.

    Args:
        settings: As ``settings_table`` returns them.
    """
    apart = [name for name in _NAMING if name in differing(settings).index]
    of = by_run(settings)
    names = {run: " · ".join(_words(found, apart)) for run, found in of.items()}
    told = list(names.values())
    return {
        run: name if name and told.count(name) == 1 else f"{name} {run[:6]}".strip()
        for run, name in names.items()
    }


def by_run(settings: "pd.DataFrame") -> dict[str, dict[str, str]]:
    """Return the settings of each run by name, by the run's id."""
    values: dict[Any, dict[Any, str]] = settings.to_dict()
    return values


def _words(settings: Mapping[str, str], names: Sequence[str]) -> list[str]:
    given = [(name, settings[name].removesuffix(".0")) for name in names if settings[name]]
    return [_WORDS.get(name, "{}").format(value[:40]) for name, value in given]


def settings_of(manifest: Mapping[str, Any], experiment: Experiment) -> dict[str, str]:
    """Return the settings of one run by name, as text; see ``settings_table``."""
    fields = {**Experiment().to_dict(), **experiment.to_dict()}
    found = dict(_flat("", fields))
    found |= {name: _text(manifest[name]) for name in _FACTS if manifest.get(name) is not None}
    for part in ("model", "versions"):
        value = manifest[part]
        if isinstance(value, Mapping):
            found |= dict(_flat(f"{part}.", value))
    return found


def _flat(before: str, values: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found += _flat(f"{before}{name}.", value)
        elif value not in ({}, []):
            found.append((before + name, _text(value)))
    return found


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
