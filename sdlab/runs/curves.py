"""A user's saved curves, each a JSON file in the folder ``curves`` beside the runs."""

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from sdlab.errors import StoreError, unknown
from sdlab.noise.exchange import NamedCurve, curve_json, read_curve
from sdlab.noise.schedule import NoiseSchedule
from sdlab.runs import runs_root
from sdlab.runs.atomic import write_file
from sdlab.runs.leavings import mend
from sdlab.runs.reading import check_folder, read_file

FOLDER = "curves"
MAX_NAME = 60
LIMIT = 2**22
_NAME = re.compile(r"\w(?:[\w .()+-]*[\w)+])?")


@dataclass(frozen=True)
class SavedCurve:
    """A curve of the folder.

    Attributes:
        name: What it was saved as.
        curve: What it is; None if its file is damaged.
        saved: When, in UTC.
        problem: What is wrong with its file, or "".
    """

    name: str
    curve: NamedCurve | None
    saved: datetime
    problem: str = ""


def save_curve(
    name: str, curve: NamedCurve, schedule: NoiseSchedule, root: str | Path | None = None
) -> Path:
    """Save a curve under a name, replacing one of the same name, and return the file.

    Args:
        name: Letters, digits, spaces and . _ - + ( ), at most 60.
        curve: What to save.
        schedule: The schedule to write its sigmas for, so that other tools can read them.
        root: The folder of all runs; None for ``runs_root()``.

    Raises:
        ValueError: If the name or the curve is not valid.
        StoreError: If it cannot be written.
    """
    path = curve_path(name, root)
    text = curve_json(curve.curve, curve.options, schedule, curve.num_steps)
    values = {"name": name.strip(), **json.loads(text)}

    def write(stream: BinaryIO) -> None:
        stream.write((json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())

    return write_file(path, write)


def curve_names(root: str | Path | None = None) -> list[str]:
    """Return the names of the saved curves without reading them, damaged ones too.

    Args:
        root: The folder of all runs; None for ``runs_root()``.
    """
    folder = _folder(root)
    mend(folder)
    return sorted(path.stem for path in folder.glob("[!.]*.json")) if folder.is_dir() else []


def list_curves(root: str | Path | None = None) -> list[SavedCurve]:
    """Return the saved curves by name; one whose file is damaged has its problem.

    Args:
        root: The folder of all runs; None for ``runs_root()``.
    """
    return [_read(_folder(root) / f"{name}.json") for name in curve_names(root)]


def load_curve(name: str, root: str | Path | None = None) -> NamedCurve:
    """Return a saved curve.

    Raises:
        ValueError: If the name is not valid.
        StoreError: If there is none of that name, or its file is damaged.
    """
    path = curve_path(name, root)
    if not path.is_file():
        names = [saved.name for saved in list_curves(root)]
        raise StoreError(unknown("saved curve", name.strip(), names))
    found = _read(path)
    if found.curve is None:
        raise StoreError(found.problem)
    return found.curve


def delete_curve(name: str, root: str | Path | None = None) -> None:
    """Move a saved curve to the trash, also a damaged one; runs made with it keep their own copy.

    Raises:
        ValueError: If the name is not valid.
        StoreError: If there is none of that name, or it cannot be moved.
    """
    from sdlab.runs.trash import delete  # which imports this module

    path = curve_path(name, root)
    if not os.path.lexists(path):
        names = [saved.name for saved in list_curves(root)]
        raise StoreError(unknown("saved curve", name.strip(), names))
    delete(path.parents[1], "curve", path.stem)


def curve_path(name: str, root: str | Path | None = None) -> Path:
    """Return the file of a curve by its name, always within the folder; it need not exist.

    Raises:
        ValueError: If the name is empty, too long, or has a character unfit for a file name.
    """
    plain = name.strip()
    if not plain or len(plain) > MAX_NAME:
        raise ValueError(
            f"a curve's name must have 1 to {MAX_NAME} characters, got {len(plain)}; for example"
            " 'slow start'."
        )
    if not _NAME.fullmatch(plain):
        raise ValueError(
            f"a curve's name may hold letters, digits, spaces and . _ - + ( ), and begins and ends"
            f" with a letter or digit; got {plain!r}."
        )
    return _folder(root) / f"{plain}.json"


def _folder(root: str | Path | None) -> Path:
    """Return the folder of curves.

    Raises:
        StoreError: If it is a link.
    """
    return check_folder((runs_root() if root is None else Path(root).expanduser()) / FOLDER)


def _read(path: Path) -> SavedCurve:
    saved = datetime.fromtimestamp(0, UTC)
    try:
        saved = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return SavedCurve(path.stem, read_curve(read_file(path, LIMIT)), saved)
    except OSError as error:
        reason = error.strerror or str(error)
    except (StoreError, ValueError) as error:
        reason = str(error).rstrip(".")
    return SavedCurve(path.stem, None, saved, f"{path} cannot be read: {reason}.")
