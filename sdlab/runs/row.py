"""The row of a run in the table of all runs, read from its folder."""

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import StoreError
from sdlab.runs.manifest import was_shared
from sdlab.runs.marks import Marks, read_marks
from sdlab.runs.reading import MANIFEST, check_whole, png_size
from sdlab.runs.run_folder import FILES, IMAGE, LEFT_OUT, lacking, not_in_shard, read_facts

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment

SPEC = (
    "prompt",
    "negative_prompt",
    "seed",
    "solver",
    "curve",
    "num_steps",
    "guidance_scale",
    "eta",
    "fast",
)
FACTS = ("created", "width", "height", "model", "record")
"""Fields of an experiment that have no place in ``options``, beside ``SPEC``."""


def read_row(folder: Path) -> dict[str, Any]:
    """Return what the table of all runs says of the run in a folder.

    What is wrong with a folder that is no whole run stands in ``problem``, which is "" otherwise.
    """
    row: dict[str, Any] = {"run": folder.name, "problem": ""}
    try:
        manifest, experiment = read_facts(folder)
        files = _files(folder)
        absent = [name for name in FILES if name not in files]
        if missing := not_in_shard(folder, manifest, absent):
            raise StoreError(lacking(folder, missing))
        for name in FILES:
            if name in files:
                _check(folder / name)
    except StoreError as error:
        return row | {"problem": str(error)}
    row |= {name: getattr(experiment, name) for name in SPEC}
    row |= _facts(manifest)
    row["attention"] = bool(experiment.record.attention) and not manifest.get(LEFT_OUT)
    row["options"] = _options(experiment)
    row["bytes"] = sum(files.values())
    marks = Marks()
    with suppress(StoreError):  # said where the marks are to be changed
        marks = read_marks(folder)
    return row | {"star": marks.star, "tags": ", ".join(marks.tags), "note": marks.note}


def _check(path: Path) -> None:
    if path.name == IMAGE:
        png_size(path)
    if path.name != MANIFEST:  # which has been read
        check_whole(path)


def size_of(folder: Path) -> int:
    """Return how many bytes the files in a folder have, or a file, links not followed."""
    with suppress(OSError):
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            return found.st_size
    return sum(_files(folder).values())


def _files(folder: Path) -> dict[str, int]:
    """Return the sizes of the files in a folder by their names; of a link its own."""
    found: dict[str, int] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file():
                    found[entry.name] = entry.stat(follow_symlinks=False).st_size
    return found


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    model = manifest["model"]
    nfe, milliseconds = (_number(manifest.get(name)) for name in ("nfe", "total_ms"))
    return {
        "created": _time(manifest["created"]),
        "width": manifest["width"],
        "height": manifest["height"],
        "model": model["name"],
        "model_hash": model["hash"],
        "device": _text(model.get("device")),
        "dtype": _text(model.get("computed_in", model.get("dtype"))),
        "nfe": None if nfe is None else int(nfe),
        "seconds": None if milliseconds is None else milliseconds / 1000,
        "shared": was_shared(manifest),
    }


def _options(experiment: "Experiment") -> str:
    """Return as JSON what an experiment has beyond the columns and the defaults; "" if nothing."""
    plain = _plain()
    found = {
        name: value
        for name, value in experiment.to_dict().items()
        if name not in (*SPEC, *FACTS) and value != plain.get(name)
    }
    return json.dumps(found, sort_keys=True, ensure_ascii=False) if found else ""


@cache
def _plain() -> dict[str, Any]:
    """Return the fields of an experiment of which nothing was asked."""
    from sdlab.experiment.experiment import Experiment

    return Experiment().to_dict()


def _time(text: str) -> datetime | None:
    """Return a time in UTC, without its zone; None of what is none."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    counts = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if counts and 0 <= value < 2**31 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
