"""How a server serves: what its operator sets in a file, and what holds where nothing is set.

The file is TOML and is named by the environment variable ``SDLAB_SERVING``; docs/serving.md lists
what may stand in it. It is read once, as the server starts, so that a mistake ends the start and
not somebody's work. Without it the server is one person's, on their own machine: nothing is
limited.
"""

import os
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dashboard.worker.listed_model import ListedModel, listed_models
from sdlab.errors import StoreError, shown, unknown
from sdlab.experiment.spec import Spec, check_integer, real

if TYPE_CHECKING:
    from dashboard.worker.limits import Limits
    from sdlab.runs.retention import Retention

VARIABLE = "SDLAB_SERVING"
OIDC, HEADER = "oidc", "header"
LOGINS = ("", OIDC, HEADER)
LOOPBACKS = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Serving(Spec):
    """What an operator sets; each field is a line of the file by the same name.

    Attributes:
        max_call_seconds: How long a network call of somebody else's run may hold up a person, in
            seconds: longer ones let others go first in their midst.
        max_queued_runs: How many runs of one person may wait or run at a time; None for any number.
        max_megapixel_steps: How large one run may be: width x height x steps, in millions; None
            for any size.
        max_studies: How many sweeps and computed charts of one person may wait or go on at a time,
            likewise.
        max_upload_mib_each: MiB that the kept pictures which one person brought may take; None for
            any.
        keep_days: Days after which a run goes to the trash; None for never. Runs with a star or a
            tag always stay.
        keep_gib: GiB that all runs may take; then the oldest go to the trash. None for any.
        keep_gib_each: GiB that the runs of one person may take, likewise.
        trash_days: Days after which what lies in the trash is deleted for ever; None for never.
        login: How people sign in: "oidc", "header", or "" where nobody has to.
        login_claim: What of an account's facts people are known by, with "oidc".
        login_header: In which header the proxy says who it is, with "header".
        trusted_proxies: Addresses or networks of the proxies that may say it.
        allowed_people: Who may come in, with * for any letters; everybody with an account if none.
        operators: Who may change other people's work and what the server does, likewise; nobody
            if none.
        monitors: Addresses or networks that may ask for the server's health without login.
        models: Which models visitors choose from, beside those that come with sdlab.
        models_in_memory: How many models may be in memory.
        models_gib: What their weights may take together, in GiB; None for half of the device's
            memory.
    """

    CALLED: ClassVar[str] = "setting"

    max_call_seconds: float = 2.0
    max_queued_runs: int | None = None
    max_megapixel_steps: float | None = None
    max_studies: int | None = None
    max_upload_mib_each: float | None = None
    keep_days: float | None = None
    keep_gib: float | None = None
    keep_gib_each: float | None = None
    trash_days: float | None = None
    login: str = ""
    login_claim: str = "email"
    login_header: str = "X-Forwarded-User"
    trusted_proxies: tuple[str, ...] = LOOPBACKS
    allowed_people: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    monitors: tuple[str, ...] = LOOPBACKS
    models: tuple[ListedModel, ...] = ()
    models_in_memory: int = 2
    models_gib: float | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ValueError: If one has another type than it takes, or is out of its bounds.
        """
        super().__post_init__()
        self._set("models", listed_models(self.models))
        check_integer("models_in_memory", self.models_in_memory, 1)
        if self.models_gib is not None:
            self._set("models_gib", real("models_gib", self.models_gib, 0.01))
        self._set("max_call_seconds", real("max_call_seconds", self.max_call_seconds, 0.05, 3600))
        for name in ("max_queued_runs", "max_studies"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)
        for name in ("max_megapixel_steps", "max_upload_mib_each"):
            if getattr(self, name) is not None:
                self._set(name, real(name, getattr(self, name), 0.01))
        for name in ("keep_days", "keep_gib", "keep_gib_each", "trash_days"):
            low = 0.001 if "gib" in name else 1.0
            if getattr(self, name) is not None:
                self._set(name, real(name, getattr(self, name), low, 1e6))
        if self.login not in LOGINS:
            raise ValueError(unknown("login", self.login, LOGINS))
        for name in ("login_claim", "login_header"):
            if not re.fullmatch(r"[\w-]+", str(getattr(self, name))):
                raise ValueError(f"{name} must be one word, got {shown(getattr(self, name))}.")
        for name in ("trusted_proxies", "monitors"):
            _check_networks(name, getattr(self, name))
        for name in ("allowed_people", "operators"):
            _check_words(name, getattr(self, name))

    @property
    def limits(self) -> "Limits":
        """What one person may have."""
        from dashboard.worker.limits import Limits

        return Limits(
            self.max_queued_runs,
            self.max_megapixel_steps,
            self.max_studies,
            self.max_upload_mib_each,
        )

    @property
    def retention(self) -> "Retention":
        """What is kept of the runs."""
        from sdlab.runs.retention import Retention

        return Retention(self.keep_days, self.keep_gib, self.keep_gib_each, self.trash_days)


@cache
def serving() -> Serving:
    """Return the settings of this server, read when they are first asked for.

    Raises:
        ValueError: If the file holds no TOML, or what it says is not valid.
        StoreError: If it cannot be read.
    """
    named = os.environ.get(VARIABLE)
    return read_serving(Path(named).expanduser()) if named else Serving()


def read_serving(path: Path) -> Serving:
    """Return the settings of a file.

    Raises:
        ValueError: If it holds no TOML, or what it says is not valid.
        StoreError: If it cannot be read.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        return Serving.from_dict(told)
    except OSError as error:
        raise StoreError(
            f"{path}, which {VARIABLE} names, cannot be read: {error.strerror}."
        ) from None
    except ValueError as error:  # of TOML and of UTF-8, too
        raise ValueError(f"{path}: {error}") from None


def _check_words(name: str, value: object) -> None:
    if not isinstance(value, tuple) or not all(isinstance(word, str) and word for word in value):
        raise ValueError(f'{name} must be a list of texts, as ["anna@example.org"].')


def _check_networks(name: str, value: tuple[str, ...]) -> None:
    _check_words(name, value)
    for network in value:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise ValueError(
                f'{name} must be addresses or networks, as "10.0.0.7" or "10.0.0.0/24", '
                f"got {shown(network)}."
            ) from None
