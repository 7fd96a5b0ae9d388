"""Whatever names a sampler, as a subject: a name, a class, a file, a function."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdlab.auditing.files import is_file, of_file
from sdlab.auditing.functions import of_function
from sdlab.auditing.subject import Subject, of_scheduler, of_solver
from sdlab.sampler_names import translated, unknown_solver
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.catalogue import valid_names
from sdlab.solvers.registry import Solver, is_own, solvers

Sampler = str | Path | type | Callable[..., Any] | Subject


def subject_of(sampler: Sampler, options: Mapping[str, Any] | None = None) -> Subject:
    """Return what is to be audited.

    Args:
        sampler: A solver by its name or a web UI's, a diffusers class or its name, a file
            ("FILE.py" or "FILE.py:function"), a function of k-diffusion's shape, or a generator
            function of sdlab's.
        options: Its arguments, where they are not its defaults.

    Raises:
        ValueError: If there is no such sampler, or an option is not its own.
    """
    if isinstance(sampler, Subject):
        return sampler
    given = dict(options or {})
    if isinstance(sampler, Path) or (isinstance(sampler, str) and is_file(sampler)):
        return of_file(str(sampler), given)
    if isinstance(sampler, type):
        return _of_class(sampler, given)
    if isinstance(sampler, str):
        return _of_name(sampler, given)
    where = getattr(sampler, "__module__", "")
    if inspect.isgeneratorfunction(sampler):
        return of_solver(Solver(sampler.__name__, sampler), given, where)
    return of_function(sampler, given, where)


def _of_name(name: str, options: dict[str, Any]) -> Subject:
    solver, _, options = translated(name, None, options)
    if solver in solvers():
        return of_solver(solvers()[solver], options, "sdlab" if is_own(solver) else "a plug-in")
    if solver in adapter.scheduler_classes():
        return of_scheduler(solver, options)
    raise ValueError(unknown_solver(name, valid_names()))


def _of_class(cls: type, options: dict[str, Any]) -> Subject:
    if adapter.scheduler_classes().get(cls.__name__) is not cls:
        raise ValueError(f"{cls.__name__} is no scheduler of diffusers; give a function or a name.")
    return of_scheduler(cls.__name__, options)
