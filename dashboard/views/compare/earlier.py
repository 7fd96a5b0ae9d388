"""The comparisons that were made here, to open again."""

import json
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.shell.clock import time_column
from dashboard.shell.lab import lab
from dashboard.shell.messages import without_places
from dashboard.shell.visitor import visitor
from dashboard.views.compare.asked_comparisons import FOLDER as ASKED
from dashboard.views.compare.asked_comparisons import LIMIT, forget
from dashboard.widgets.stored_list import stored_list
from dashboard.worker.own_folder import own_folder
from sdlab.comparing.result import FOLDER, STORED, open_result
from sdlab.errors import StoreError
from sdlab.runs.leavings import mend
from sdlab.runs.reading import MANIFEST, read_file, read_parquet

SHOWN = 50


def earlier(page: str) -> None:
    """Draw the list of stored comparisons, the latest first; a selected row opens."""
    columns = {
        "verdict": st.column_config.TextColumn("Verdict", width="large"),
        "prompts": st.column_config.TextColumn("Prompts", width="medium"),
        "samplers": st.column_config.NumberColumn("Samplers", width="small"),
        "pictures": st.column_config.NumberColumn("Pictures", width="small"),
        "made": time_column("Made"),
    }
    stored_list(
        listed(lab().runs),
        f"{page}.earlier",
        columns,
        opens=("compare", "id"),
        alt="Stored comparisons, latest first",
        throw=partial(_throw, lab().runs),
        kind="comparison",
        title="Earlier comparisons",
        height=430,
    )


def listed(runs: Path) -> pd.DataFrame:
    """Return the stored comparisons, and those in progress, the latest first."""
    found: dict[str, tuple[Path, str]] = {}
    for path in own_folder(runs, ASKED).glob("*.json"):
        found[path.stem] = (path, "not finished")
    mend(runs / FOLDER)
    for path in (runs / FOLDER).glob(f"*/{MANIFEST}"):
        found[path.parent.name] = (path, "")
    latest = sorted(found.items(), key=lambda item: _changed(item[1][0]), reverse=True)
    rows = [_row(name, *given) for name, given in latest[:SHOWN]]
    columns = ["made", "verdict", "prompts", "samplers", "pictures", "id"]
    return pd.DataFrame(rows, columns=columns)


def _throw(runs: Path, comparison: str) -> None:
    """Move a comparison's result to the trash, if it has one, and forget that it was asked for."""
    if (runs / FOLDER / comparison).exists():
        lab().owned.delete("comparison", comparison, visitor().id)
    else:
        lab().owned.check("comparison", comparison, visitor().id)
    forget(runs, comparison)


def _row(name: str, path: Path, verdict: str) -> dict[str, object]:
    row: dict[str, object] = {"made": pd.Timestamp(_changed(path), unit="s", tz="UTC"), "id": name}
    try:
        manifest = json.loads(read_file(path, LIMIT))
        comparison = manifest["comparison"]
        said = verdict or _first_sentence(path.parent, manifest["verdict"])
        pictures = len(comparison["prompts"]) * len(comparison["seeds"])
        prompts = "; ".join(comparison["prompts"])
        samplers = len(comparison["entrants"])
    except (OSError, StoreError, ValueError, KeyError, TypeError, RecursionError) as error:
        said = without_places(f"cannot be read: {type(error).__name__}: {error}")
        return row | {"verdict": said[:200]}
    return row | {
        "verdict": said, "prompts": prompts, "samplers": samplers, "pictures": pictures,
    }  # fmt: skip


def _first_sentence(folder: Path, stored: list[str]) -> str:
    """Return the first sentence of a verdict; verdicts of older versions are made again."""
    try:
        if "open" not in read_parquet(folder / "ties.parquet", STORED["ties"]).columns:
            stored = list(open_result(folder.parents[1], folder.name).verdict)
    except StoreError:
        pass  # opened, it says itself which file is damaged
    return " ".join(stored[:1])


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
