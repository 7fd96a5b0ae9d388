"""What a person notes of a stored run: a star, tags, a note; a small file in the run's folder."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sdlab.errors import StoreError, shown
from sdlab.experiment.spec import check_text
from sdlab.runs import run_path
from sdlab.runs.atomic import write_file
from sdlab.runs.reading import check_folder, read_file

MARKS = "marks.json"
LIMIT = 2**18
MAX_TAG, MAX_TAGS, MAX_NOTE = 60, 50, 10_000


@dataclass(frozen=True)
class Marks:
    """What was noted of a run.

    Attributes:
        star: Whether it is one of the best.
        tags: Words to find it by, in alphabetical order; none has a comma.
        note: Any text.

    Raises:
        ValueError: If a tag is empty, too long or has a comma or line break; if there are too many;
            if the note is too long.
    """

    star: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.star, bool):
            raise ValueError(f"star must be True or False, got {shown(self.star)}.")
        check_text("note", self.note)
        if len(self.note) > MAX_NOTE:
            raise ValueError(
                f"A note has at most {MAX_NOTE:,} characters; this one has {len(self.note):,}."
            )
        tags = {_tag(tag) for tag in self.tags}
        if len(tags) > MAX_TAGS:
            raise ValueError(f"A run has at most {MAX_TAGS} tags; these are {len(tags)}.")
        object.__setattr__(self, "tags", tuple(sorted(tags)))


def read_marks(folder: Path) -> Marks:
    """Return what was noted of the run in a folder.

    Raises:
        StoreError: If the file is damaged.
    """
    path = folder / MARKS
    try:
        found = json.loads(read_file(path, LIMIT))
        return Marks(found["star"], tuple(found["tags"]), found["note"])
    except FileNotFoundError:
        return Marks()
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read: {error}. Delete it and mark anew.") from error


def write_marks(folder: Path, marks: Marks) -> None:
    """Write what was noted of the run in a folder.

    Raises:
        StoreError: If it cannot be written; then the older marks are unchanged.
    """
    text = json.dumps(asdict(marks), ensure_ascii=False).encode()
    write_file(folder / MARKS, lambda stream: stream.write(text))
    with suppress(OSError):
        os.utime(folder.parent)  # by which other processes see that something changed


def mark(
    root: str | Path,
    runs: Iterable[str],
    *,
    star: bool | None = None,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    note: str | None = None,
) -> None:
    """Change what is noted of stored runs; what is not named stays as it is.

    Args:
        root: The folder of all runs.
        runs: Their ids.
        star: Whether they have a star.
        add: Tags that they get.
        remove: Tags that they lose.
        note: Their note.

    Raises:
        StoreError: If a run is not stored or is a link, or its marks cannot be read or written.
        ValueError: If a tag or the note cannot be one.
    """
    added, removed = set(add), set(remove)
    for run in runs:
        folder = check_folder(run_path(root, run))
        if not folder.is_dir():
            raise StoreError(f"No run {run} is stored in {root}; `sdlab runs ls` lists them.")
        marks = read_marks(folder)
        tags = tuple((set(marks.tags) | added) - removed)
        wanted = replace(
            marks,
            star=marks.star if star is None else star,
            tags=tags,
            note=marks.note if note is None else note,
        )
        if wanted != marks:
            write_marks(folder, wanted)


def keep_marks(before: Path, folder: Path) -> None:
    """Copy the marks of a run that is about to be replaced into its new folder."""
    with suppress(OSError, StoreError):
        (folder / MARKS).write_bytes(read_file(check_folder(before) / MARKS, LIMIT))


def _tag(tag: object) -> str:
    check_text("a tag", tag)
    assert isinstance(tag, str)
    word = tag.strip()
    if not word or len(word) > MAX_TAG or any(letter in word for letter in ",\n\r\t"):
        raise ValueError(
            f"A tag is 1 to {MAX_TAG} letters without commas or line breaks, got {shown(tag)}."
        )
    return word
