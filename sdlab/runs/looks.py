"""What the clock was when a store was last tidied, so that one that jumps has nothing deleted.

The clock of a machine may be years off until it is set: by a person, or after the start by the
network. Ages are differences of its times, so a look at the store notes the clock, and beside it
the time since the machine was started, which does not jump. Two looks tell whether the clock went
on evenly between them, and for how long. Of the time between two starts of the machine only a week
is believed.
"""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sdlab.runs.atomic import write_file
from sdlab.runs.reading import check_folder, read_file

FILE = "looks.json"
"""In the folder ``.cache`` of the store, which may be deleted at any time: then it begins anew."""
LIMIT = 2**26
DAY = 86400.0
WEEK = 7 * DAY
UNEVEN = 600.0
"""Seconds that clock and machine may differ by between two looks."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Look:
    """A look at the store.

    Attributes:
        wall: The clock's time, in seconds.
        boot: What tells one start of the machine from another; "" where nothing does.
        uptime: Seconds since that.
        counted: Seconds that have surely passed since the first look.
        steady: Those of them since the clock jumped last.
        found: What was found in the trash, and at which ``counted`` first.
    """

    wall: float
    boot: str
    uptime: float
    counted: float = 0.0
    steady: float = 0.0
    found: dict[str, float] = field(default_factory=dict)

    @property
    def trusted(self) -> bool:
        """Whether the clock has not jumped for a day, as far as is known."""
        return self.steady >= DAY


def now() -> Look:
    """Return the first look at a store."""
    boot = ""
    with suppress(OSError):
        boot = _BOOT.read_text().strip()
    return Look(time.time(), boot, time.clock_gettime(time.CLOCK_BOOTTIME) if boot else 0.0)


def after(before: Look | None, look: Look, newest: float | None) -> Look:
    """Return a look with what is known from the one before.

    Args:
        before: None if there was none.
        look: That of ``now``.
        newest: When the newest run was made, seconds of the clock; None if there is none.
    """
    if before is None:
        quiet = newest is None or abs(look.wall - newest) < WEEK
        return replace(look, steady=DAY if quiet else 0.0)
    told = look.wall - before.wall
    if look.boot and look.boot == before.boot:
        passed = max(0.0, look.uptime - before.uptime)
        jumped = abs(told - passed) > UNEVEN
    else:
        passed = min(max(0.0, told), WEEK)
        jumped = told != passed
    return replace(
        look,
        counted=before.counted + passed,
        steady=0.0 if jumped else before.steady + passed,
        found=before.found,
    )


def last_look(root: Path) -> Look | None:
    """Return the last look at a store; None if there was none, or its note is damaged."""
    path = root / ".cache" / FILE
    try:
        told = json.loads(read_file(check_folder(path.parent) / FILE, LIMIT))
        found = {str(name): float(at) for name, at in told.pop("found").items()}
        numbers = {name: float(told[name]) for name in ("wall", "uptime", "counted", "steady")}
        return Look(boot=str(told["boot"]), found=found, **numbers)
    except Exception:  # whatever stands there: it begins anew
        return None


def note(root: Path, look: Look) -> None:
    """Note a look at a store.

    Raises:
        StoreError: If the disk cannot be written, or the folder is a link.
    """
    text = json.dumps(asdict(look)).encode()
    folder = check_folder(root / ".cache")
    write_file(folder / FILE, lambda stream: stream.write(text))
