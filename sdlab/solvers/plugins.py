"""Solvers from elsewhere: entry points, the operator's folder, and typed code where allowed.

A plug-in registers by the same decorator as any solver, ``@sdlab.solver("mine")``. It is found

* by entry point: a package that declares one in the group "sdlab.solvers", naming a module that
  registers, or a generator function;
* in the folder that ``SDLAB_SOLVERS`` names: each Python file, imported under a private name;
* as text, ``from_text``, only if the operator set ``SDLAB_ALLOW_CODE=1``: the code runs with the
  server's rights.

Each is tried in a thread with a time limit, and checked by ``contract``. One that fails is refused
with a reason that the catalogue shows; nothing that it raises leaves this module.
"""

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import inspect
import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sdlab.errors import SdlabError
from sdlab.solvers import registry
from sdlab.solvers.registry import Solver

log = logging.getLogger(__name__)

GROUP = "sdlab.solvers"
FOLDER = "SDLAB_SOLVERS"
ALLOW_CODE = "SDLAB_ALLOW_CODE"
# Seconds for one plug-in to import and pass; the checks take a fifth of one.
TIME_LIMIT = 30.0
TEXT_LIMIT = 20_000

Load = Callable[[dict[str, Solver]], None]


class Refusal(NamedTuple):
    """A plug-in that was refused: its solver's or file's name, its origin, and the reason."""

    name: str
    source: str
    reason: str


_lock = threading.RLock()
_trials: set[int] = set()  # threads that try a plug-in; they must not wait for themselves
_refused: dict[str, Refusal] = {}
_met: dict[str, Solver] = {}  # what plug-ins registered, refused ones too
_loaded = False


def load_once() -> None:
    """Load all plug-ins, at the first call."""
    global _loaded
    if _loaded or threading.get_ident() in _trials:
        return
    with _lock:
        if _loaded:
            return
        _load_all()
        _loaded = True


def refusals() -> list[Refusal]:
    """Return the plug-ins that were refused, by name."""
    registry.solvers()
    return [_refused[name] for name in sorted(_refused)]


def from_file(path: "Path | str") -> list[str]:
    """Import a Python file and return the names of the solvers it registered, all checked.

    Raises:
        ValueError: If it cannot be read or imported, registers nothing, or a solver is refused.
    """
    path = Path(path)
    return _take_or_raise(path.stem, str(path), partial(_import_file, path))


def from_text(text: str) -> list[str]:
    """Run typed code and return the names of the solvers it registered, all checked.

    Raises:
        SdlabError: If the operator has not turned it on.
        ValueError: If it is too long, does not run, registers nothing, or a solver is refused.
    """
    if os.environ.get(ALLOW_CODE) != "1":
        raise SdlabError(
            "Typed code is not run here: it would have the server's rights. Whoever runs this"
            f" server can allow it with {ALLOW_CODE}=1; else put the solver into a file of the"
            f" folder that {FOLDER} names."
        )
    if len(text) > TEXT_LIMIT:
        raise ValueError(f"the code must have at most {TEXT_LIMIT} characters, got {len(text)}.")
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]

    def run(caught: dict[str, Solver]) -> None:
        spec = importlib.util.spec_from_loader(f"_sdlab_text_{digest}", loader=None)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        exec(compile(text, "<typed code>", "exec"), module.__dict__)  # noqa: S102

    return _take_or_raise("typed code", "typed code", run)


def _load_all() -> None:
    for point in importlib.metadata.entry_points(group=GROUP):
        _take(point.name, f"entry point {point.value}", partial(_import_point, point))
    named = os.environ.get(FOLDER, "").strip()
    if not named:
        return
    folder = Path(named).expanduser()
    if not folder.is_dir():
        _refuse(str(folder), FOLDER, f"{FOLDER} names no folder.")
        return
    for path in sorted(folder.glob("*.py")):
        if not path.name.startswith("_"):
            _take(path.stem, str(path), partial(_import_file, path))


def _take_or_raise(name: str, source: str, load: Load) -> list[str]:
    registry.solvers()
    with _lock:
        taken, refused = _take(name, source, load)
    if refused:
        raise ValueError(" ".join(f"solver {r.name!r}: {r.reason}" for r in refused))
    return taken


def _take(name: str, source: str, load: Load) -> tuple[list[str], list[Refusal]]:
    """Load one plug-in; return the names taken and what was refused. Raises nothing."""
    taken: dict[str, Solver] = {}
    reasons: dict[str, str] = {}

    def trial() -> None:
        with registry.catching() as caught:
            load(caught)
            if not caught:
                reasons[name] = "registers no solver; decorate a generator with @sdlab.solver."
            _met.update(caught)
            for found in caught.values():
                reason = _judged(found)
                if reason:
                    reasons[found.name] = reason
                else:
                    taken[found.name] = found

    error = _within(TIME_LIMIT, trial)
    if error:
        return [], [_refuse(name, source, error)]
    for found in taken.values():
        registry.admit(found)
        _refused.pop(found.name, None)
    return list(taken), [_refuse(which, source, reason) for which, reason in reasons.items()]


def _judged(found: Solver) -> str:
    """Return why a solver is refused, or ''."""
    from sdlab.solvers.contract import check

    if registry.is_own(found.name):
        return "has the name of one of the laboratory's own; choose another."
    return " ".join(f"{finding.rule}: {finding.message}" for finding in check(found))


def _refuse(name: str, source: str, reason: str) -> Refusal:
    log.warning("solver plug-in %s (%s) is refused: %s", name, source, reason)
    _refused[name] = Refusal(name, source, reason)
    return _refused[name]


def _import_file(path: Path, caught: dict[str, Solver]) -> None:
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"_sdlab_plugin_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _import_point(point: importlib.metadata.EntryPoint, caught: dict[str, Solver]) -> None:
    """Load an entry point; what an earlier import of its module registered counts as well."""
    loaded = point.load()
    for found in [*registry.solvers().values(), *_met.values()]:
        if loaded in (found.function, sys.modules.get(found.function.__module__)):
            caught.setdefault(found.name, found)
    if inspect.isgeneratorfunction(loaded):
        if all(found.function is not loaded for found in caught.values()):
            registry.solver(point.name)(loaded)


def _within(seconds: float, work: Callable[[], None]) -> str:
    """Do work in a thread and return what went wrong, or ''; past the limit it is stopped."""
    problem: list[str] = []

    def run() -> None:
        _trials.add(threading.get_ident())
        try:
            work()
        except BaseException as error:  # SystemExit too: a plug-in must not end the server
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            problem.append(" ".join(reason.split())[:300])
        finally:
            _trials.discard(threading.get_ident())

    thread = threading.Thread(target=run, daemon=True, name="sdlab-plugin")
    thread.start()
    thread.join(seconds)
    if not thread.is_alive():
        return problem[0] if problem else ""
    _interrupt(thread)
    return f"does not end within {seconds:g} seconds."


def _interrupt(thread: threading.Thread) -> None:
    """Raise SystemExit in a thread, at its next line of Python, and give it a moment to end."""
    number = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(SystemExit))
    thread.join(1.0)
