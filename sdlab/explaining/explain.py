"""``explain``: why two pictures differ, cause by cause, the largest effect first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.explaining.making import Making
from sdlab.explaining.of_config import with_steps
from sdlab.explaining.reading import making_of
from sdlab.explaining.registry import EFFECTS, UNRELATED, Cause, Found, all_causes, known_to

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.experiment.experiment import Experiment
    from sdlab.runs.run import Run

COLUMNS = ("cause", "what", "effect", "message", "explanation", "fix", "source")
"""Of the table: a row a difference."""


@dataclass(frozen=True)
class Difference:
    """One thing in which two makings differ.

    Attributes:
        cause: Which cause found it.
        effect: How much it does by itself, of ``EFFECTS``.
        message: With both sides' own values in it.
        change: Fields of the first's experiment that give it the second's way; may be empty.
        stand_in: What ``change`` does instead, where no field does the thing itself.
    """

    cause: Cause
    effect: str
    message: str
    change: Mapping[str, Any] = field(default_factory=dict)
    stand_in: str = ""


@dataclass(frozen=True)
class Explanation:
    """Why two pictures differ.

    Attributes:
        a: How the first was made.
        b: How the second was made.
        differences: The largest effect first.
        same: Causes that were looked at and do not differ, by title.
        unsaid: Causes of which one side says nothing, by title.
    """

    a: Making
    b: Making
    differences: tuple[Difference, ...]
    same: tuple[str, ...]
    unsaid: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it in a sentence or two."""
        if not self.differences:
            return f"{self.a.title} and {self.b.title} do not differ in anything that is known."
        count = len(self.differences)
        many = "1 thing differs" if count == 1 else f"{count} things differ"
        first = self.differences[0]
        end = (
            " The start noise has nothing in common, so the pictures cannot be compared by eye"
            " until that is mended."
            if first.effect == UNRELATED
            else ""
        )
        return f"{many}; the first is {first.cause.title[0].lower()}{first.cause.title[1:]}.{end}"

    def table(self) -> "pd.DataFrame":
        """Return a row a difference, with the columns ``COLUMNS``."""
        import pandas as pd

        rows = [
            (d.cause.id, d.cause.title, d.effect, d.message, d.cause.explanation, d.cause.fix,
             d.cause.source)
            for d in self.differences
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        rows = self.table().to_dict("records")
        return {
            "a": _side(self.a),
            "b": _side(self.b),
            "sentence": self.sentence,
            "differences": [
                {**row, "change": dict(d.change), "stand_in": d.stand_in}
                for row, d in zip(rows, self.differences, strict=True)
            ],
            "same": list(self.same),
            "unsaid": list(self.unsaid),
        }


def explain(
    a: "Making | Run | Experiment | bytes | str | PathLike[str] | Mapping[str, Any]",
    b: "Making | Run | Experiment | bytes | str | PathLike[str] | Mapping[str, Any]",
    *,
    root: str | Path | None = None,
    model: Any = None,
) -> Explanation:
    """Return why two pictures differ, as far as their files say how they were made.

    Args:
        a: A stored run's id or folder; a picture of sdlab, AUTOMATIC1111, Forge, ComfyUI or
            InvokeAI; a workflow, parameters as text, a manifest, a scheduler_config.json, a model's
            folder: a path, bytes or a JSON object. Or a run, or an experiment.
        b: Another of these.
        root: The folder of all runs; None for the usual one.
        model: What another program's model is, by ``sdlab.passport``'s names ("sd15", "sdxl");
            None for what its name there suggests.

    Raises:
        ValueError: If one cannot be read, or says nothing of how a picture was made.
        StoreError: If no run begins with an id, or one is damaged.

    Example:
        sdlab.explain("comfyui.png", "webui.png").table()
    """
    one, other = (making_of(source, root=root, model=model) for source in (a, b))
    return explained(*_over_same_steps(one, other))


def explained(a: Making, b: Making) -> Explanation:
    """Return why two makings differ."""
    found, same, unsaid = [], [], []
    settings = a.config is not None or b.config is not None  # these say nothing of most causes
    for cause in all_causes().values():
        if not (known_to(a, cause.needs) and known_to(b, cause.needs)):
            unsaid += [] if settings else [cause.title]
            continue
        here = list(_found(cause, a, b))
        found += here
        if not here and cause.needs:
            same.append(cause.title)
    order = sorted(found, key=lambda one: EFFECTS.index(one.effect))
    return Explanation(a, b, tuple(order), tuple(same), tuple(unsaid))


def _found(cause: Cause, a: Making, b: Making) -> Iterator[Difference]:
    one: Found
    for one in cause.check(a, b):
        effect = one.effect or cause.effect
        yield Difference(cause, effect, one.message, one.change, one.stand_in)


def _over_same_steps(a: Making, b: Making) -> tuple[Making, Making]:
    """Return the makings; a config beside a picture is laid out over the picture's steps."""
    for one, other in ((a, b), (b, a)):
        if one.config is not None and other.levels is not None and other.config is None:
            laid = with_steps(one, other.levels.steps)
            return (laid, other) if one is a else (other, laid)
    return a, b


def _side(made: Making) -> dict[str, Any]:
    levels = made.levels
    return {
        "name": made.name,
        "program": made.program,
        "kind": made.kind,
        "facts": dict(made.facts),
        "entries": dict(made.entries),
        "sigmas": list(levels.sigmas) if levels else None,
        "evaluations": levels.evaluations if levels else None,
        "no_levels": made.no_levels,
        "experiment": made.experiment.to_dict() if made.experiment else None,
        "no_experiment": made.no_experiment,
        "not_reproduced": list(made.short),
    }
