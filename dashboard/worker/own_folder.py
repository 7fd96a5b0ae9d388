"""The dashboard's own folder in the folder of all runs: what it keeps beside them."""

from pathlib import Path

from sdlab.runs.reading import check_folder

NAME = ".dashboard"


def own_folder(runs: Path, name: str = "") -> Path:
    """Return the dashboard's own folder, or one in it, whether it exists or not.

    Args:
        runs: Folder of the stored runs.
        name: Of the folder in it.

    Raises:
        StoreError: If either is a link: nothing outside of the store is written or deleted.
    """
    folder = check_folder(runs / NAME)
    return check_folder(folder / name) if name else folder
