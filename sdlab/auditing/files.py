"""A sampler out of a Python file that the operator names: ``FILE.py`` or ``FILE.py:function``.

The file is run with the rights of whoever asks; nothing of it is copied or kept. What it registers
by ``@sdlab.solver`` is caught, and does not join the laboratory's solvers.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sdlab.auditing.functions import has_shape, of_function
from sdlab.auditing.subject import Subject, of_solver
from sdlab.errors import unknown
from sdlab.solvers import registry
from sdlab.solvers.trial import one_line


def is_file(sampler: str) -> bool:
    """Return whether a text names a Python file, perhaps with a function behind a colon."""
    return sampler.endswith(".py") or ".py:" in sampler


def of_file(sampler: str, options: Mapping[str, Any]) -> Subject:
    """Return the sampler of a file.

    Args:
        sampler: "FILE.py", if it has one alone, or "FILE.py:function".
        options: Its arguments.

    Raises:
        ValueError: If there is no such file or function, the file does not run, or it has several.
    """
    place, _, function = sampler.partition(".py:")
    path = Path(place + ".py" if function else sampler).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}.")
    module, caught = _run(path)
    found: dict[str, Any] = {
        name: value for name, value in vars(module).items() if _is_own(value, module)
    }
    found |= caught
    name = function or _only(found, path)
    if name not in found:
        if hasattr(module, name) and callable(getattr(module, name)):
            found[name] = getattr(module, name)  # of_function says what is wrong with it
        else:
            raise ValueError(unknown(f"sampler in {path.name}", name, found))
    if isinstance(found[name], registry.Solver):
        return of_solver(found[name], options, path.name)
    return of_function(found[name], options, path.name)


def _is_own(value: object, module: ModuleType) -> bool:
    return has_shape(value) and getattr(value, "__module__", "") == module.__name__


def _only(found: Mapping[str, object], path: Path) -> str:
    if not found:
        raise ValueError(
            f"{path.name} has no sampler: no function (model, x, sigmas, extra_args=None, ...) and"
            " no generator registered by @sdlab.solver."
        )
    named = [name for name in found if name.startswith("sample")] or list(found)
    if len(named) > 1:
        listed = ", ".join(f"{path.name}:{name}" for name in named)
        raise ValueError(f"{path.name} has {len(named)} samplers; name one: {listed}.")
    return named[0]


def _run(path: Path) -> tuple[ModuleType, dict[str, registry.Solver]]:
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"_sdlab_audited_{path.stem}_{digest}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    registry.solvers()  # or the built-in ones would be caught as well
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        with registry.catching() as caught:
            spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{path.name} imports {error.name}, which is not installed here: install it, or copy"
            " into the file what the sampler needs of it."
        ) from error
    except Exception as error:  # foreign code
        raise ValueError(f"{path.name} does not run: {one_line(error)}") from error
    finally:
        del sys.modules[module.__name__]
    return module, caught
