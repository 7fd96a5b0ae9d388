"""The pictures that people brought, by their hash, so that a link, a reload and a run find them.

They lie beside the runs: those that waiting runs need, and the latest ``MOST``. Those of stored
runs are found in the runs' folders.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.worker.own_folder import own_folder
from sdlab.errors import SdlabError
from sdlab.runs import RUN_ID
from sdlab.runs.atomic import write_file
from sdlab.runs.pictures import file_name, folders_with, read_picture
from sdlab.runs.png import png_bytes

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
    """

    def __init__(self, runs: Path, needed: Callable[[], Collection[str]] = frozenset) -> None:
        self._runs = runs
        self._needed = needed
        self._folder = own_folder(runs, "pictures")
        self._held: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, picture: "Picture") -> None:
        """Keep a picture that has its pixels."""
        self._hold(picture)
        path = self._folder / file_name(picture.hash)
        try:
            own_folder(self._runs, "pictures")  # no link was put in its place
            if path.is_file():
                path.touch()
                return
            data = png_bytes(picture.image, quick=True)
            write_file(path, lambda stream: stream.write(data))
            self._forget_old()
        except (OSError, SdlabError) as error:
            log.warning("cannot keep picture %s: %s", picture.hash, error)

    def find(self, picture_hash: str) -> "Picture | None":
        """Return the picture of a hash with its pixels; None if it is not kept here, or damaged."""
        with self._lock:
            held = self._held.get(picture_hash)
        if held is not None:
            return held
        if not RUN_ID.fullmatch(picture_hash):  # which is as long as a picture's hash
            return None
        for folder in (self._folder, *folders_with(self._runs, [picture_hash])):
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

    def _forget_old(self) -> None:
        kept = [(path.stat().st_mtime, path) for path in self._folder.glob("input-*.png")]
        needed = {file_name(picture) for picture in self._needed()}
        for _, path in sorted(kept)[:-MOST]:
            if path.name not in needed:
                path.unlink(missing_ok=True)
