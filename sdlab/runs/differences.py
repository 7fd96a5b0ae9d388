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
