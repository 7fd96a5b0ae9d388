"""Runs and comparisons as a few lines of Python with sdlab, for who wants them in a notebook."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sdlab.experiment.experiment import Experiment
from sdlab.experiment.pipeline_fields import PICTURES
from sdlab.models.loaded_by import loading_of
from sdlab.runs.pictures import file_name
from sdlab.shipped import EMBEDDED

if TYPE_CHECKING:
    from sdlab.comparing.comparison import Comparison
    from sdlab.experiment.sweep import Sweep


def run_snippet(
    experiment: Mapping[str, Any], model: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return the lines that make a run again.

    Args:
        experiment: As ``Experiment.to_dict`` returns it.
        model: Entry ``model`` of the run's manifest, which says how it was loaded.
    """
    return (
        _loaded_with("experiment", experiment, loading_of(model))
        + "run = sdlab.run(model, experiment)\n"
        + "run.image\n"
    )


def comparison_snippet(comparison: "Comparison") -> str:
    """Return the lines that make a comparison again."""
    from sdlab.comparing.comparison import Comparison
    from sdlab.comparing.entrant import Entrant

    values = comparison.to_dict()
    own = Comparison(comparison.entrants, comparison.prompts).to_dict()
    skipped = ("entrants", "model")
    changed = {k: v for k, v in values.items() if v != own.get(k) and k not in skipped}
    bare = [e == Entrant(e.solver) for e in comparison.entrants]
    if all(bare):
        entrants = repr([e.solver for e in comparison.entrants])
    else:
        lines = [_entrant(values["entrants"][i]) for i in range(len(bare))]
        entrants = "[\n" + "".join(f"        {line},\n" for line in lines) + "    ]"
    source = "" if comparison.model == EMBEDDED else repr(comparison.model)
    inner = as_keywords(changed)
    return (
        "import sdlab\n"
        "from sdlab.comparing.entrant import Entrant\n"
        "from sdlab.comparing.run import compare\n\n"
        f"model = sdlab.load({source})\n"
        "result = compare(\n    model,\n"
        f"    entrants={entrants},\n    prompts={values['prompts']!r},\n{inner})\n"
        "print(*result.verdict, sep='\\n')\n"
    )


def sweep_snippet(sweep: "Sweep") -> str:
    """Return the lines that make what is missing of a sweep or a grid."""
    axes = "".join(f"    {axis.field!r}: {list(axis.values)!r},\n" for axis in sweep.axes)
    return (
        _loaded_with("base", sweep.base.to_dict())
        + f"axes = {{\n{axes}}}\n"
        + "result = sdlab.sweep(model, sdlab.Sweep(base, axes))\n"
        + "result.table\n"
    )


def as_keywords(values: Mapping[str, Any]) -> str:
    """Return fields as keyword arguments, one a line; a picture by the file that holds it."""
    lines = []
    for name, value in values.items():
        if name in PICTURES:
            lines.append(f"    {name}={file_name(value['hash'])!r},  # of the zip\n")
        else:
            lines.append(f"    {name}={value!r},\n")
    return "".join(lines)


def _loaded_with(
    name: str, experiment: Mapping[str, Any], loading: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return the lines that load an experiment's model and write the experiment down."""
    usual = Experiment().to_dict()
    changed = {k: v for k, v in experiment.items() if usual.get(k) != v and k != "model"}
    source = "" if experiment["model"] == EMBEDDED else repr(experiment["model"])
    extra = "" if not source else f"    model={source},\n"
    given = [*filter(None, [source]), *(f"{key}={value!r}" for key, value in loading.items())]
    return (
        "import sdlab\n\n"
        f"model = sdlab.load({', '.join(given)})\n"
        f"{name} = sdlab.Experiment(\n{as_keywords(changed)}{extra})\n"
    )


def _entrant(values: dict[str, object]) -> str:
    given = {k: v for k, v in values.items() if k != "solver" and v not in (None, {})}
    inner = ", ".join(f"{k}={v!r}" for k, v in given.items())
    return f"Entrant({values['solver']!r}" + (f", {inner})" if inner else ")")
