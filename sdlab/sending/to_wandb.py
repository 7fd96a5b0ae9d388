"""Runs for Weights & Biases: settings as config, measures of each evaluation, pictures.

A run keeps its id there, so that one sent twice is one run. Into a folder it is written as W&B's
own offline runs are; ``wandb sync`` sends those later.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import SdlabError
from sdlab.extras import extra
from sdlab.sending.parcel import Parcel
from sdlab.sending.sending import Sent

if TYPE_CHECKING:
    import wandb

OFFLINE = "wandb/offline-run-*-{run}"
"""The folder of an offline run; W&B puts the time before the id."""
_NOT_IN_A_PROJECT = re.compile(r"[/\\#?%:]")


def send(parcel: Parcel, place: str | None, project: str) -> Sent:
    """Send a run, or write it into a folder, unless it is there.

    Args:
        parcel: The run.
        place: The folder; None to send it, by W&B's own settings (``wandb login``).
        project: The project of W&B.

    Raises:
        ValueError: If W&B takes no project of that name.
        SdlabError: If W&B is not installed, or refuses.
    """
    if _NOT_IN_A_PROJECT.search(project):
        raise ValueError(f"W&B takes no / \\ # ? % : in a project's name, got {project!r}.")
    wandb = extra("wandb", "wandb")
    folder = None if place is None else Path(place).expanduser().absolute()
    if folder is not None and (there := sorted(folder.glob(OFFLINE.format(run=parcel.run)))):
        return Sent(parcel.run, str(there[-1]), False)
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with _begun(wandb, parcel, folder, project) as run:
            _log(wandb, run, parcel)
            where = str(run.url or Path(run.dir).parent)
    except (wandb.Error, OSError) as error:
        raise SdlabError(f"W&B does not take run {parcel.run}: {error}") from error
    return Sent(parcel.run, where, True)


def _begun(wandb: Any, parcel: Parcel, folder: Path | None, project: str) -> "wandb.Run":
    marks = parcel.marks
    quiet = wandb.Settings(
        silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True
    )
    return wandb.init(
        project=project,
        id=parcel.run,
        name=parcel.name,
        config={**parcel.settings, "created": parcel.created.isoformat()},
        tags=[*marks.tags, *(["star"] if marks.star else [])],
        notes=marks.note or None,
        dir=None if folder is None else str(folder),
        mode=None if folder is None else "offline",
        resume=None if folder is not None else "allow",
        reinit="create_new",
        settings=quiet,
    )


def _log(wandb: Any, run: "wandb.Run", parcel: Parcel) -> None:
    for evaluation, values in parcel.measures.items():
        run.log(dict(values), step=evaluation)
    run.summary.update(dict(parcel.totals))
    first, *sources = parcel.pictures
    said = parcel.settings.get("prompt", "")
    pictures: dict[str, Any] = {"picture": wandb.Image(str(first), caption=said)}
    if sources:
        pictures["started from"] = [wandb.Image(str(path)) for path in sources]
    run.log(pictures)
