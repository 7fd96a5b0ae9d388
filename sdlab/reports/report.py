"""Asks for a report and writes it. Its charts are the dashboard's, which is found by name."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import SdlabError, check_types
from sdlab.runs import runs_root
from sdlab.runs.atomic import write_file

if TYPE_CHECKING:
    from sdlab.models.model import Model

WRITER = "dashboard.report.making"
"""Who makes reports: by name, as the library works without dashboard and Altair."""


def report(
    ids: str | Sequence[str],
    out: str | Path = "report.html",
    *,
    root: str | Path | None = None,
    model: "Model | None" = None,
) -> Path:
    """Write a report as one HTML file, which opens without a network, and return its path.

    It has the charts, which answer the pointer, the pictures, all settings and versions, tables,
    and what it takes to make it again. It is below 10 MB; pictures are made smaller for that, and
    it says so.

    Args:
        ids: Of a run, a comparison, a sweep or a grid; or of several runs, which are compared. Each
            may be how it begins.
        out: The file.
        root: The folder of all runs; None for ``sdlab.runs.runs_root()``.
        model: For one run, the model that made it: frames are decoded, and the run's script of
            diffusers is added. None for the frames that the dashboard has drawn, if any.

    Raises:
        ValueError: If there is no id, or there are more than 500.
        StoreError: If nothing is stored under an id, it cannot be read, or the file not be written.
        SdlabError: If the dashboard is not installed, or the report would be too large.
        TypeError: If an argument is of another type.
    """
    check_types(report, ids=(ids, (str, Sequence)), out=(out, (str, Path)))
    wanted = [ids] if isinstance(ids, str) else list(ids)
    place = Path(root or runs_root()).expanduser()
    data: bytes = _writer().report(place, wanted, model)
    return write_file(Path(out).expanduser(), lambda stream: stream.write(data))


def _writer() -> Any:
    """Return the module that makes reports.

    Raises:
        SdlabError: If it, or a package that it needs, is not installed.
    """
    try:
        return import_module(WRITER)
    except ModuleNotFoundError as error:
        raise SdlabError(
            f"Reports need {error.name}, which is not installed; pip install sdlab's wheel anew,"
            " whole."
        ) from error
