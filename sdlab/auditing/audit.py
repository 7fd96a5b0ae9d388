"""``sdlab.audit``: what a sampler is worth, as one object."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from sdlab.auditing import references
from sdlab.auditing.accuracy import Accuracy, accuracy
from sdlab.auditing.conditions import conditions
from sdlab.auditing.fingerprint import Match, matches
from sdlab.auditing.marginals import Marginals, marginals
from sdlab.auditing.named import Sampler, subject_of
from sdlab.auditing.subject import Subject
from sdlab.bench.data import PATHS
from sdlab.bench.fit import Order
from sdlab.errors import unknown
from sdlab.runs.manifest import versions

Errors = dict[int, float | None]


@dataclass(frozen=True)
class OnPath:
    """What was measured on one path.

    Attributes:
        path: "vp", over sigma, or "flow", over flow matching's times.
        order: Order of convergence, before a last jump to 0; None where there is none to be seen.
        order_low: Lower end of its 95 % interval.
        order_high: Upper end.
        order_note: From how many step counts, or why there is none.
        measure: "strong", particle by particle, or "weak", mean and covariance of samples.
        error: By evaluations spent: distance from the truth over the data's spread, None where
            it takes no so small number.
        plain: The same of Euler's method (``euler_ancestral`` for one that draws noise).
        best: The same of the best of sdlab's solvers, with its name.
        floor: The error at which more steps gain nothing, None if it falls on.
        chance: What perfect samples would show, where errors are of samples.
        marginals: Of one that draws noise.
    """

    path: str
    order: float | None
    order_low: float | None
    order_high: float | None
    order_note: str
    measure: str
    error: Errors
    plain: Errors
    best: dict[int, tuple[str, float]]
    floor: float | None
    chance: float
    marginals: Marginals | None = None

    @property
    def order_text(self) -> str:
        """The order with its interval, or why there is none."""
        if self.order is None:
            return f"none ({self.order_note})"
        return f"{self.order:.2f} (95 %: {self.order_low:.2f} to {self.order_high:.2f})"


@dataclass(frozen=True)
class Audit:
    """What a sampler is worth.

    Attributes:
        sampler: Its name, with its options.
        kind: "solver", "function" (of k-diffusion's shape) or "scheduler" (a diffusers class).
        source: Where it is from.
        draws_noise: Whether it draws noise.
        evaluations_per_step: Evaluations that one step more takes.
        equals: Names of the known samplers whose ends are the same, itself too if it is one; first
            those equal as it stands, then those "but for its draws" or "with the noise off".
        on: Measured by path, the first path first.
        quiet: By path with the noise switched off; empty if it draws none.
        switch: How the noise is switched off: "eta=0", or "zeros for its draws".
        conditions: By condition "fine", "not finite", or what it raised.
        matches: ``equals`` with the distances.
        seconds: Wall time of the audit.
        date: Of the audit, UTC.
        versions: Of Python and the packages that decide a result.
    """

    sampler: str
    kind: str
    source: str
    draws_noise: bool
    evaluations_per_step: float
    equals: tuple[str, ...]
    on: dict[str, OnPath]
    quiet: dict[str, OnPath]
    switch: str
    conditions: dict[str, str]
    matches: tuple[Match, ...] = field(repr=False)
    seconds: float
    date: str
    versions: dict[str, str] = field(repr=False)

    @property
    def first(self) -> OnPath:
        """What was measured on the first path: over sigma, if it runs there."""
        return next(iter(self.on.values()))

    @property
    def order(self) -> float | None:
        """Order of convergence on the first path."""
        return self.first.order

    @property
    def error(self) -> Errors:
        """Error at equal cost, by evaluations, on the first path."""
        return self.first.error

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what was measured on the first path stands at the top."""
        made = {f.name: getattr(self, f.name) for f in fields(self)}
        made |= {f.name: getattr(self.first, f.name) for f in fields(self.first)}
        made["on"] = {path: _plain(found) for path, found in self.on.items()}
        made["quiet"] = {path: _plain(found) for path, found in self.quiet.items()}
        made["matches"] = [match._asdict() for match in self.matches]
        plain: dict[str, Any] = _finite(made)
        return plain


def audit(
    sampler: Sampler,
    *,
    options: Mapping[str, Any] | None = None,
    paths: Sequence[str] = PATHS,
    seed: int = 0,
    progress: "Callable[[int, int], None] | None" = None,
) -> Audit:
    """Return what a sampler is worth, measured on data whose truth is known.

    Args:
        sampler: A solver by its name or a web UI's, a diffusers class or its name, a file with a
            function of k-diffusion's shape ("FILE.py" or "FILE.py:function"), such a function, or
            a generator function of sdlab's. A file is run with your rights.
        options: Its arguments, where they are not its defaults.
        paths: "vp", over sigma, and "flow", over flow matching's times: those it runs on.
        seed: Of the particles and of the noise.
        progress: Called with (parts done, parts in all).

    Raises:
        ValueError: If there is no such sampler, option or path, or it fails on every path. One that
            fails on one of two is not measured there, and ``conditions`` says why.
    """
    began = time.perf_counter()
    for path in paths:
        if path not in PATHS:
            raise ValueError(unknown("path", path, PATHS))
    subject = subject_of(sampler, options)
    taken = [path for path in paths if path in subject.paths]
    if not taken:
        raise ValueError(f"{subject.name} runs on {', '.join(subject.paths)}, got {list(paths)}.")
    total = len(taken) * (1 + subject.draws) + 2
    done = 0

    def part(result: Any) -> Any:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)
        return result

    on, quiet, per_step = {}, {}, 0.0
    failed: dict[str, ValueError] = {}
    for path in taken:
        try:
            found = part(accuracy(subject, path, seed=seed))
            per_step = per_step or found.per_step
            on[path] = _on_path(subject, path, found, seed)
            if subject.draws:
                found = part(accuracy(subject, path, quiet=True, seed=seed))
                quiet[path] = _on_path(subject, path, found, seed)
        except ValueError as error:
            failed[path] = error
    if not on:
        raise next(iter(failed.values()))
    edges = part(conditions(subject))
    edges |= {f"all of {path!r}": " ".join(str(error).split()) for path, error in failed.items()}
    equal = part(tuple(matches(subject)))
    return Audit(
        _named(subject),
        subject.kind,
        subject.source,
        subject.draws,
        per_step,
        tuple(match.text for match in equal),
        on,
        quiet,
        _switch(subject),
        edges,
        equal,
        time.perf_counter() - began,
        datetime.now(UTC).strftime("%Y-%m-%d"),
        versions(),
    )


def _on_path(subject: Subject, path: str, found: Accuracy, seed: int) -> OnPath:
    weak = found.measure == "weak"
    fitted: Order = found.order
    known = math.isfinite(fitted.order)
    return OnPath(
        path,
        fitted.order if known else None,
        fitted.low if known else None,
        fitted.high if known else None,
        f"{fitted.points} step counts, {fitted.first} to {fitted.last}" if known else fitted.note,
        found.measure,
        {budget: _or_none(error) for budget, error in found.error.items()},
        {budget: _or_none(ref.error) for budget, ref in references.plain(path, weak).items()},
        {budget: (ref.name, ref.error) for budget, ref in references.best(path, weak).items()},
        _or_none(found.floor),
        found.chance,
        marginals(subject, path, found.rows, seed) if weak else None,
    )


def _switch(subject: Subject) -> str:
    if not subject.draws:
        return ""
    off = subject.switch.items()
    told = [f"{name}={value:g}" if value == 0 else f"{name}={value}" for name, value in off]
    return ", ".join(told) or "zeros for its draws"


def _named(subject: Subject) -> str:
    listed = ", ".join(f"{key}={value}" for key, value in subject.options.items())
    return f"{subject.name} {{{listed}}}" if listed else subject.name


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(found: OnPath) -> dict[str, Any]:
    made = asdict(found)
    made["marginals"] = found.marginals._asdict() if found.marginals else None
    return made


def _finite(value: Any) -> Any:
    """Return plain data in which what is no finite number is None."""
    if isinstance(value, float):
        return _or_none(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _finite(value._asdict())
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
