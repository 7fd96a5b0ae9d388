"""The pictures that people brought, by their hash, so that a link, a reload and a run find them.

They lie beside the runs, those of each person in a folder of their own, so that nobody's push out
another's: those that waiting runs need, and the latest ``MOST`` of each, in no more room than a
person has. Those of stored runs are found in the runs' folders.
"""

import hashlib
import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.worker.limits import LimitError
from dashboard.worker.own_folder import own_folder
from sdlab.errors import SdlabError
from sdlab.models.memory import readable
from sdlab.runs import RUN_ID
from sdlab.runs.atomic import write_file
from sdlab.runs.pictures import file_name, folders_with, read_picture
from sdlab.runs.png import png_bytes
from sdlab.runs.reading import check_folder

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment
    from sdlab.experiment.picture import Picture

log = logging.getLogger(__name__)

MOST = 200
IN_MEMORY = 16


class KeptPictures:
    """Keeps and finds pictures; any thread may call.

    If the disk cannot be written they are found for as long as they are in memory.

    Args:
        runs: Folder of the stored runs.
        needed: Returns the hashes of those that are not to be forgotten.
        room: Returns the bytes that a person's may take.
    """

    def __init__(
        self,
        runs: Path,
        needed: Callable[[], Collection[str]] = frozenset,
        room: Callable[[str], float] = lambda owner: math.inf,
    ) -> None:
        self._runs = runs
        self._needed = needed
        self._room = room
        self._folder = own_folder(runs, "pictures")
        self._held: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, picture: "Picture", owner: str = "") -> None:
        """Keep a picture that has its pixels; the oldest of the same person make room for it.

        Args:
            picture: Which.
            owner: Who brought it; "" is nobody in particular.

        Raises:
            LimitError: If it does not fit beside those of theirs that waiting runs need.
        """
        try:
            path = self._folder_of(owner) / file_name(picture.hash)
            if path.is_file():
                path.touch()
            else:
                data = png_bytes(picture.image, quick=True)
                self._make_room(path.parent, len(data), self._room(owner))
                write_file(path, lambda stream: stream.write(data))
        except LimitError:
            raise
        except (OSError, SdlabError) as error:
            log.warning("cannot keep picture %s: %s", picture.hash, error)
        self._hold(picture)

    def find(self, picture_hash: str) -> "Picture | None":
        """Return the picture of a hash with its pixels; None if it is not kept here, or damaged."""
        with self._lock:
            held = self._held.get(picture_hash)
        if held is not None:
            return held
        if not RUN_ID.fullmatch(picture_hash):  # which is as long as a picture's hash
            return None
        for folder in (*self._folders(), *folders_with(self._runs, [picture_hash])):
            try:
                picture = read_picture(folder / file_name(picture_hash))
            except FileNotFoundError:
                continue
            except (OSError, SdlabError) as error:
                log.warning("skipping picture %s: %s", picture_hash, error)
                continue
            self._hold(picture)
            return picture
        return None

    def complete(self, experiment: "Experiment") -> "Experiment":
        """Return an experiment with the pixels of its pictures, as far as they are kept."""
        bare = {p.hash for p in experiment.pictures.values() if not p.has_pixels}
        found = {name: picture for name in bare if (picture := self.find(name)) is not None}
        return experiment.with_pictures(found)

    def _hold(self, picture: "Picture") -> None:
        with self._lock:
            self._held[picture.hash] = picture
            self._held.move_to_end(picture.hash)
            while len(self._held) > IN_MEMORY:
                self._held.popitem(last=False)

    def _folder_of(self, owner: str) -> Path:
        """Return a person's folder, whose name gives no name away.

        Raises:
            StoreError: If a link was put in its place.
        """
        folder = own_folder(self._runs, "pictures")
        if not owner:
            return folder
        return check_folder(folder / hashlib.sha256(owner.encode()).hexdigest()[:16])

    def _folders(self) -> list[Path]:
        """Return everybody's folders."""
        try:
            own = [path for path in self._folder.iterdir() if path.is_dir()]
        except OSError:
            return []
        return [self._folder, *(path for path in sorted(own) if not path.is_symlink())]

    def _make_room(self, folder: Path, size: int, room: float) -> None:
        """Forget the oldest of a folder as long as there are too many beside one that comes.

        Raises:
            LimitError: If it does not fit all the same; then none is forgotten.
        """
        facts = [(path, path.stat()) for path in folder.glob("input-*.png")]
        kept = {path: fact.st_size for path, fact in sorted(facts, key=lambda one: one[1].st_mtime)}
        needed = {file_name(picture) for picture in self._needed()}
        fixed = sum(bytes for path, bytes in kept.items() if path.name in needed)
        if fixed + size > room:
            raise LimitError(_too_much(size, fixed, room))
        taken, count = sum(kept.values()) + size, len(kept) + 1
        for path, bytes in kept.items():
            if (count > MOST or taken > room) and path.name not in needed:
                path.unlink(missing_ok=True)
                taken, count = taken - bytes, count - 1


def _too_much(size: int, fixed: int, room: float) -> str:
    beside = f", and those that your waiting runs start from {readable(fixed)}" if fixed else ""
    way = "Wait until some runs are done, or take" if fixed else "Take"
    return (
        f"This picture takes {readable(size)}{beside}; on this server the pictures that one person"
        f" brought may take {readable(int(room))}. {way} a smaller one."
    )
