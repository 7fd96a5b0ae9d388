"""Solvers from elsewhere: entry points, the operator's folder, and typed code where allowed.

A plug-in registers by the same decorator as any solver, ``@sdlab.solver("mine")``. It is found

* by entry point: a package that declares one in the group "sdlab.solvers", naming a module that
  registers, or a generator function;
* in the folder that ``SDLAB_SOLVERS`` names: each Python file, imported under a private name;
* as text, ``from_text``, only if the operator set ``SDLAB_ALLOW_CODE=1``: the code runs with the
  server's rights.

Each is imported and checked by ``contract`` in another process first (``trial``), which has a time
limit; then here. What fails is refused with a reason that the catalogue shows, and nothing that it
raises gets further than here.
"""

import hashlib
import importlib.metadata
import importlib.util
import inspect
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sdlab.errors import SdlabError
from sdlab.solvers import registry, trial
from sdlab.solvers.registry import Solver

log = logging.getLogger(__name__)

GROUP = "sdlab.solvers"
FOLDER = "SDLAB_SOLVERS"
ALLOW_CODE = "SDLAB_ALLOW_CODE"
# Seconds for one plug-in to import and pass; the checks take a fifth of one.
TIME_LIMIT = 30.0
TEXT_LIMIT = 20_000


class Refusal(NamedTuple):
    """A plug-in that was refused: its solver's or file's name, its origin, and the reason."""

    name: str
    source: str
    reason: str


class Plugin(NamedTuple):
    """A plug-in: "point" (an entry point's name and value), "file" (its path) or "text" (code)."""

    kind: str
    name: str
    value: str

    @property
    def source(self) -> str:
        """Where it is from, in words."""
        return {"point": f"entry point {self.value}", "file": self.value}.get(self.kind, self.name)


_lock = threading.RLock()
_refused: dict[str, Refusal] = {}
_met: dict[str, Solver] = {}  # all that plug-ins registered, refused ones too
_loaded = False
_loading = False  # so that a plug-in that asks for the solvers does not wait for itself


def load_once() -> None:
    """Load all plug-ins, at the first call."""
    global _loaded, _loading
    if _loaded:
        return
    with _lock:
        if _loaded or _loading:
            return
        _loading = True
        try:
            _load_all()
        finally:
            _loading = False
        _loaded = True
        if os.environ.get(ALLOW_CODE) == "1":
            trial.ready()


def serve_trials() -> None:
    """Be the process in which plug-ins are tried; it loads none of its own accord."""
    global _loaded
    _loaded = True
    registry.solvers()
    from sdlab.solvers import contract  # noqa: F401  # torch and all, before the clock runs

    trial.serve(lambda *plugin: _examine(Plugin(*plugin)))


def refusals() -> list[Refusal]:
    """Return the plug-ins that were refused, by name."""
    registry.solvers()
    return [_refused[name] for name in sorted(_refused)]


def from_file(path: "Path | str") -> list[str]:
    """Import a Python file and return the names of the solvers it registered, all checked.

    Raises:
        ValueError: If it cannot be read or imported, registers nothing, or a solver is refused.
    """
    return _take_or_raise(Plugin("file", Path(path).stem, str(path)))


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
    return _take_or_raise(Plugin("text", "typed code", text))


def _load_all() -> None:
    points = importlib.metadata.entry_points(group=GROUP)
    plugins = [Plugin("point", point.name, point.value) for point in points]
    named = os.environ.get(FOLDER, "").strip()
    folder = Path(named).expanduser()
    if named and not folder.is_dir():
        _refuse(str(folder), FOLDER, f"{FOLDER} names no folder.")
    elif named:
        paths = [path for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")]
        plugins += [Plugin("file", path.stem, str(path)) for path in paths]
    _take(plugins)


def _take_or_raise(plugin: Plugin) -> list[str]:
    registry.solvers()
    with _lock:
        taken, refused = _take([plugin])
    if refused:
        raise ValueError(" ".join(f"solver {r.name!r}: {r.reason}" for r in refused))
    return taken


def _take(plugins: Sequence[Plugin]) -> tuple[list[str], list[Refusal]]:
    """Try plug-ins and load them; return the names taken and what was refused. Raises nothing."""
    taken: list[str] = []
    refused: list[Refusal] = []
    for plugin in plugins:
        answer = trial.attempt(plugin, TIME_LIMIT)
        reasons = answer.get("reasons", {})
        error = answer.get("error", "") or _load(plugin, reasons, taken)
        if error:
            reasons = {plugin.name: error}
        refused += [_refuse(name, plugin.source, why) for name, why in reasons.items() if why]
    if os.environ.get(ALLOW_CODE) != "1":
        trial.end()
    return taken, refused


def _load(plugin: Plugin, reasons: Mapping[str, str], taken: list[str]) -> str:
    """Import a plug-in that was tried, register its good solvers, and return what went wrong."""
    if not reasons:
        return "registers no solver; decorate a generator with @sdlab.solver."
    try:
        caught = _import(plugin)
    except BaseException as error:  # also SystemExit: a plug-in must not end the server
        return trial.one_line(error)
    for name, found in caught.items():
        if reasons.get(name) == "":
            registry.admit(found)
            _refused.pop(name, None)
            taken.append(name)
    return ""


def _import(plugin: Plugin) -> dict[str, Solver]:
    """Import a plug-in and return what it registers, by name, without registering it."""
    load = {"point": _import_point, "file": _import_file, "text": _run_text}[plugin.kind]
    with registry.catching() as caught:
        load(plugin, caught)
    _met.update(caught)
    return caught


def _examine(plugin: Plugin) -> dict[str, str]:
    """Import a plug-in and return for each of its solvers why it is refused, or ''."""
    return {name: _judged(found) for name, found in _import(plugin).items()}


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


def _import_file(plugin: Plugin, caught: dict[str, Solver]) -> None:
    path = Path(plugin.value)
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


def _import_point(plugin: Plugin, caught: dict[str, Solver]) -> None:
    """Load an entry point; what an earlier import of its module registered counts as well."""
    loaded = importlib.metadata.EntryPoint(plugin.name, plugin.value, GROUP).load()
    for found in [*registry.solvers().values(), *_met.values()]:
        if loaded in (found.function, sys.modules.get(found.function.__module__)):
            caught.setdefault(found.name, found)
    if inspect.isgeneratorfunction(loaded):
        if all(found.function is not loaded for found in caught.values()):
            registry.solver(plugin.name)(loaded)


def _run_text(plugin: Plugin, caught: dict[str, Solver]) -> None:
    digest = hashlib.sha256(plugin.value.encode("utf-8", "replace")).hexdigest()[:12]
    spec = importlib.util.spec_from_loader(f"_sdlab_text_{digest}", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(plugin.value, "<typed code>", "exec"), module.__dict__)  # noqa: S102
