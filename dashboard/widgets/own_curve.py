"""Saved curves, one name for all people: only its owner puts another curve in one's place."""

from dashboard.shell.lab import lab
from dashboard.shell.visitor import visitor
from sdlab.noise.exchange import NamedCurve
from sdlab.noise.schedule import NoiseSchedule
from sdlab.runs.curves import curve_names, save_curve

KIND = "curve"


def save_own_curve(name: str, curve: NamedCurve, schedule: NoiseSchedule) -> str:
    """Save a curve under a name and return the name.

    Raises:
        NotYoursError: If somebody else's has this name.
        ValueError: As ``sdlab.runs.curves.save_curve``.
        StoreError: Likewise.
    """
    things, who = lab().owned, visitor().id
    if name.strip() in curve_names(things.root):
        things.check(KIND, name.strip(), who, "replace it; another name is free")
    saved = save_curve(name, curve, schedule, things.root).stem
    things.own(KIND, [saved], who)
    return saved


def delete_own_curve(name: str) -> bool:
    """Move a curve to the trash; of one that others own too, only give up one's own part.

    Returns:
        Whether it is in the trash.

    Raises:
        NotYoursError: If it is somebody else's.
        StoreError: As ``sdlab.runs.trash.delete``.
    """
    return lab().owned.delete(KIND, name, visitor().id)
