"""Puts the tables of many runs into few Parquet files: ``sdlab runs compact``.

A run of a large store has four small tables, so 100,000 runs have 400,000 small files. Here they go
into shards (``sdlab.runs.shards``) of up to ``MOST_RUNS`` runs; manifest, picture and tensors stay.

It may be killed at any moment, and runs may be made, deleted and restored meanwhile: a shard is
whole and on the disk before the first table that it holds is removed, and a table is removed only
where it is the very file that was read.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, NamedTuple

from sdlab.columns import TABLES
from sdlab.errors import StoreError
from sdlab.runs import RUN_ID, TRASH, run_path
from sdlab.runs.atomic import write_folder
from sdlab.runs.expansion import check_expansion
from sdlab.runs.leavings import hidden, recover_all
from sdlab.runs.lock import LOCK, held
from sdlab.runs.reading import check_folder, check_plain
from sdlab.runs.row import size_of
from sdlab.runs.run_folder import TABLE_FILES, read_manifest, table_file
from sdlab.runs.shards import ABOUT, SHARDS, runs_of, shard_names
from sdlab.work import Progress, Work, finish

if TYPE_CHECKING:
    import pyarrow

    Tables = dict[str, pyarrow.Table]

MOST_RUNS = 2000
MOST_BYTES = 2**28
"""Of tables in memory, at which a shard is written though it has fewer runs."""
SMALL_BYTES = 2**23
"""Shards of less are joined, if they have few runs."""
GROUP_ROWS = 8192
"""Rows that are read for one run at least."""
BUSY = "The store {root} is being compacted by another process; wait until it has ended."


class Compacted(NamedTuple):
    """What was done.

    Attributes:
        runs: Whose tables are in shards now and were not before.
        shards: That there are now.
        files: That were removed.
    """

    runs: int
    shards: int
    files: int


@dataclass(frozen=True)
class Piece:
    """The tables of one run, and where they were read.

    Attributes:
        run: Its id.
        created: When it was made, as its manifest says.
        tables: By name.
        own: What tells its own files from later ones of the same names, by name; {} of a shard's.
    """

    run: str
    created: str
    tables: "Tables"
    own: Mapping[str, tuple[int, ...]]

    @property
    def kind(self) -> tuple[bytes, ...]:
        """What the tables of one file have in common: columns, types and what pandas notes."""
        return tuple(self.tables[name].schema.serialize().to_pybytes() for name in TABLES)


def compact_runs(root: str | Path, on_progress: Progress | None = None) -> Compacted:
    """Put the tables of all stored runs into shards, and join shards that hold few runs.

    A run whose tables cannot be read is left as it is.

    Args:
        root: The folder of all runs.
        on_progress: Called with how many runs are done, and with all.

    Raises:
        StoreError: If another process compacts the store, the disk cannot be written, or the folder
            of shards is a link; then nothing is lost.
    """
    return finish(compacting(root), on_progress)


def compacting(root: str | Path) -> Work[Compacted]:
    """Return ``compact_runs`` as a computation to be watched."""
    place = Path(root).expanduser()
    if os.unlink not in os.supports_dir_fd:
        raise StoreError("This system cannot compact a store: it knows folders by name alone.")
    if not place.is_dir():
        return Compacted(0, 0, 0)
    with held(check_folder(place / SHARDS) / LOCK, BUSY.format(root=place)):
        recover_all(place)
        folders = _with_tables(place)
        joined = _to_be_joined(place, alone=not folders)
        total = len(folders)
        moved = removed = done = 0
        for batch in _batches(_pieces(place, folders, joined)):
            _write_shard(place, batch)
            files = [_remove(place / piece.run, piece.own) for piece in batch if piece.own]
            moved, removed = moved + len(files), removed + sum(files)
            done += len(files)
            yield done, total
        for shard in joined:
            _remove_shard(shard)
        return Compacted(moved, len(shard_names(place)), removed)


def _with_tables(root: Path) -> list[Path]:
    """Return the run folders that have tables of their own, by id."""
    found = []
    with os.scandir(root) as entries:
        for entry in entries:
            if RUN_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                folder = root / entry.name
                if any(os.path.lexists(folder / name) for name in TABLE_FILES):
                    found.append(folder)
    return sorted(found)


def _to_be_joined(root: Path, alone: bool) -> list[Path]:
    """Return the shards that hold few runs, the earliest first.

    Args:
        root: The folder of all runs.
        alone: Whether there is nothing else to put into a new shard.
    """
    found, dead = [], False
    for name in shard_names(root):
        shard = root / SHARDS / name
        try:
            held_runs = runs_of(shard)
        except StoreError:
            continue  # whose tables those are that it has cannot be told, so it stays
        live = sum(_needs_shard(root, run) for run in held_runs)
        if live < MOST_RUNS // 2 and (live <= len(held_runs) // 2 or size_of(shard) < SMALL_BYTES):
            found.append(shard)
            dead |= live < len(held_runs)
    return [] if alone and not dead and len(found) < 2 else found


def _needs_shard(root: Path, run: str) -> bool:
    """Return whether a run, stored or deleted, lacks tables of its own."""
    stored = run_path(root, run)
    folders = (stored, run_path(root / TRASH, run), stored)  # again: it may be put back meanwhile
    return any(
        folder.is_dir() and not all(os.path.lexists(folder / name) for name in TABLE_FILES)
        for folder in folders
    )


def _pieces(root: Path, folders: Iterable[Path], shards: list[Path]) -> Iterator[Piece]:
    """Yield the tables of runs, those made last as the last ones of their id.

    Args:
        root: The folder of all runs.
        folders: Those of runs with tables of their own.
        shards: To be joined; one that cannot be read is taken out of the list, and so stays.
    """
    import pyarrow

    for shard in tuple(shards):
        try:
            yield from _pieces_of(root, shard)
        except (OSError, StoreError, KeyError, pyarrow.ArrowException):
            shards.remove(shard)
    for folder in folders:
        piece = _piece(folder)
        if piece is not None:
            yield piece


def _piece(folder: Path) -> Piece | None:
    """Return the tables of a run folder; None if they cannot be read, or were just replaced."""
    import pyarrow

    try:
        before = _mark(folder.stat())
        created = read_manifest(folder)["created"]
        tables, own = {}, {}
        for name in TABLES:
            path = table_file(folder, name)
            if path.parent == folder:
                own[path.name] = _mark(path.lstat())
            tables[name] = _rows(path, folder.name)
        same = _mark(folder.stat()) == before
    except (OSError, StoreError, KeyError, pyarrow.ArrowException):
        return None
    return Piece(folder.name, created, tables, own) if same and isinstance(created, str) else None


def _rows(path: Path, run: str) -> "pyarrow.Table":
    """Return the rows of a run in a file.

    Raises:
        StoreError: If a run's own file has rows of others.
    """
    from pyarrow import compute, parquet

    check_plain(path)
    check_expansion(path)
    with parquet.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read()
    mine = compute.equal(table["run"], run) if table.num_rows else None
    if mine is None or compute.all(mine).as_py():
        return table
    if path.parent.name == run:
        raise StoreError(f"{path} has rows of other runs.")
    return table.filter(mine)


def _pieces_of(root: Path, shard: Path) -> Iterator[Piece]:
    """Yield the tables of those runs of a shard that need it."""
    from pyarrow import parquet

    wanted = {run: made for run, made in runs_of(shard).items() if _needs_shard(root, run)}
    if not wanted:
        return
    whole = {}
    for name in TABLES:
        path = shard / f"{name}.parquet"
        check_plain(path)
        check_expansion(path)
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            whole[name] = file.read()
    spans = {name: _spans(table) for name, table in whole.items()}
    for run, created in wanted.items():
        parts = {name: table.slice(*spans[name].get(run, (0, 0))) for name, table in whole.items()}
        yield Piece(run, created, parts, {})


def _spans(table: "pyarrow.Table") -> dict[str, tuple[int, int]]:
    """Return where the rows of each run begin, and how many there are."""
    spans: dict[str, tuple[int, int]] = {}
    for place, run in enumerate(table["run"].to_pylist()):
        first, count = spans.get(run, (place, 0))
        spans[run] = (first, count + 1)
    return spans


def _batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Yield the pieces that go into one shard: of one kind, each run once."""
    waiting: dict[tuple[bytes, ...], dict[str, Piece]] = {}
    size = 0
    for piece in pieces:
        batch = waiting.setdefault(piece.kind, {})
        if piece.run in batch or len(batch) == MOST_RUNS:
            size -= _size(batch.values())
            yield list(waiting.pop(piece.kind).values())
            batch = waiting.setdefault(piece.kind, {})
        batch[piece.run] = piece
        size += _size([piece])
        if size >= MOST_BYTES:
            largest = max(waiting, key=lambda kind: len(waiting[kind]))
            size -= _size(waiting[largest].values())
            yield list(waiting.pop(largest).values())
    yield from (list(batch.values()) for batch in waiting.values())


def _size(pieces: Iterable[Piece]) -> int:
    return sum(table.nbytes for piece in pieces for table in piece.tables.values())


def _write_shard(root: Path, pieces: Sequence[Piece]) -> None:
    """Write a shard, later than all others.

    Raises:
        StoreError: If the disk cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    names = shard_names(root)
    number = max(time.time_ns(), int(names[-1], 16) + 1 if names else 0)
    ordered = sorted(pieces, key=lambda piece: piece.run)

    def write(place: Path) -> None:
        for name in TABLES:
            table = pyarrow.concat_tables([piece.tables[name] for piece in ordered])
            path = place / f"{name}.parquet"
            parquet.write_table(
                table,
                path,
                row_group_size=GROUP_ROWS,
                compression="zstd",
                write_page_checksum=True,
            )
        about = {piece.run: piece.created for piece in ordered}
        (place / ABOUT).write_bytes(json.dumps(about).encode())

    write_folder(root / SHARDS / f"{number:016x}", write)


def _remove(folder: Path, own: Mapping[str, tuple[int, ...]]) -> int:
    """Remove from a run's folder the files that were read, and return how many that were.

    The folder is held open: if the run is made again meanwhile, the new folder is another one.
    """
    removed = 0
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            for name, seen in own.items():
                found = os.stat(name, dir_fd=handle, follow_symlinks=False)
                if _mark(found) == seen:
                    os.unlink(name, dir_fd=handle)
                    removed += 1
        finally:
            os.close(handle)
    return removed


def _remove_shard(shard: Path) -> None:
    """Remove a shard whose runs are in later ones; of no harm if it stays."""
    hiding = hidden(shard, "new")
    with suppress(OSError):
        shard.rename(hiding)
        rmtree(hiding, ignore_errors=True)


def _mark(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
