"""What the fields of the Experiment and Compare pages hold, for one given experiment."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dashboard.shell.lab import lab
from dashboard.widgets.curve_choice import OWN_CURVE
from dashboard.widgets.pipeline_controls import PROMPTS, STRENGTH, address_of
from dashboard.widgets.run_states import evaluations_of
from dashboard.widgets.sampler_rows import write_row
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.pipeline_fields import PICTURES, PipelineFields
from sdlab.solvers.registry import solvers

MOST_STEPS = 1000
MOST_GUIDANCE = 20.0
"""The largest values that the fields take."""
NOT_KNOWN = (
    "Its model, {}, was not loaded on this server, or is not offered here: the form keeps its own."
)
ETA = "experiment.eta_"
NO_GRID = {"seeds": "", "x": "nothing", "y": "nothing"}
FIRST = {"strength": STRENGTH, "controlnet_conditioning_scale": 1.0}
PARTNERS = ("dpmpp_2m", "heun")
NOISY_PARTNERS = ("euler_ancestral", "dpmpp_2m_sde")
NOISY = ("Ancestral", "SDE", "DDPM", "SASolver", "LCM", "TCD")
"""Parts of the names of diffusers' classes that draw noise."""


def experiment_fields(experiment: Experiment, held: Iterable[str] = ()) -> dict[str, Any]:
    """Return what the Experiment page's fields hold for an experiment.

    What is recorded has no field there.

    Args:
        experiment: What was run.
        held: Keys that the session holds: eta's depends on the solver.
    """
    held = frozenset(held)
    eta = {key: float(key.removeprefix(ETA)) for key in held if key.startswith(ETA)}
    if experiment.eta is not None:
        own = solvers()[experiment.solver].options["eta"] if experiment.solver in solvers() else 0.0
        eta[f"{ETA}{own:g}"] = experiment.eta
    known = experiment.model in lab().status().known
    fields = {
        **({"model": experiment.model} if known else {}),
        "prompt": experiment.prompt,
        "negative": experiment.negative_prompt,
        "seed": str(experiment.seed),
        "solver": experiment.solver,
        "curve": experiment.curve or OWN_CURVE,
        "steps": min(experiment.num_steps, MOST_STEPS),
        "cfg": min(experiment.guidance_scale, MOST_GUIDANCE),
        "rescale": experiment.guidance_rescale,
        "width": experiment.width,
        "height": experiment.height,
        "options": _written(experiment.solver_options),
        "curve_options": _written(experiment.curve_options),
        "fast": experiment.fast,
        **NO_GRID,
    }
    return eta | _named("experiment", fields) | _pipeline_fields("experiment", experiment, held)


def past_the_form(experiment: Experiment) -> list[str]:
    """Return a sentence for each value that the Experiment page's fields cannot hold."""
    away = [] if experiment.model in lab().status().known else [NOT_KNOWN.format(experiment.model)]
    held = {"num_steps": ("Steps", MOST_STEPS), "guidance_scale": ("CFG", MOST_GUIDANCE)}
    values = {name: getattr(experiment, name) for name in held}
    return away + [
        f"{called} {values[name]:g} is more than this form holds, {most:g}."
        for name, (called, most) in held.items()
        if values[name] > most
    ]


def comparison_fields(experiment: Experiment, held: Iterable[str] = ()) -> dict[str, Any]:
    """Return what the Compare page's fields hold to compare a run's solver with its partner.

    Both follow the run's curve. Where the run follows none, they follow the page's own, which is
    fair: the schedule that a model was trained with often starts at another level.

    Args:
        experiment: What was run.
        held: Keys that the session holds.
    """
    own = {} if experiment.eta is None else {"eta": experiment.eta}
    options = _written({**own, **dict(experiment.solver_options)})
    tuned = _written(experiment.curve_options)
    over = (experiment.curve, tuned) if tuned else (None, "")
    entrants = {experiment.solver: options, partner(experiment): ""}
    model = lab().status().model
    fair = OWN_CURVE if model is not None and model.path == "flow" else "karras"
    fields = {
        "id": "",  # the comparison shown last is left
        "samplers": [write_row(name, text, *over) for name, text in entrants.items()],
        "prompts": experiment.prompt,
        "seeds": str(experiment.seed),
        "budget": min(evaluations_of(experiment), MOST_STEPS),
        "more": "",
        "align": "Evaluations",
        "cfg": min(experiment.guidance_scale, MOST_GUIDANCE),
        "curve": fair if tuned else experiment.curve or fair,
        "negative": experiment.negative_prompt,
        "rescale": experiment.guidance_rescale,
        "width": experiment.width,
        "height": experiment.height,
        "fast": experiment.fast,
    }
    return _named("compare", fields) | _pipeline_fields("compare", experiment, frozenset(held))


def address_for(page: str, fields: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """Return what the address of a page holds for fields; the session has those left empty.

    Args:
        page: The page's name.
        fields: Of ``experiment_fields`` or ``comparison_fields``.
        experiment: What was run.
    """
    further = {f"{page}.{name}" for name in ("id", "fit", *PipelineFields.LATER)}
    texts = {
        key: value
        if isinstance(value, list)
        else str(value).lower()
        if value is True
        else str(value)
        for key, value in fields.items()
        if value not in (None, "", False)
        and ".".join(key.split(".")[:2]) not in further
        and (not key.startswith(ETA) or experiment.eta is not None)
    }
    return texts | _named(page, address_of(experiment))


def partner(experiment: Experiment) -> str:
    """Return the solver to compare an experiment's with: as it, one that draws noise or none."""
    known = solvers().get(experiment.solver)
    if known is not None:
        noisy = not known.deterministic or bool(experiment.eta)
    else:
        noisy = any(part in experiment.solver for part in NOISY) or bool(experiment.eta)
    names = NOISY_PARTNERS if noisy else PARTNERS
    return next(name for name in names if name != experiment.solver)


def _named(page: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{page}.{name}": value for name, value in fields.items()}


def _pipeline_fields(page: str, experiment: Experiment, held: frozenset[str]) -> dict[str, Any]:
    """Return the fields that only some models have; pictures stand as they are."""
    fields: dict[str, Any] = {"fit": not experiment.source_pictures}
    for name in PipelineFields.LATER:
        value = getattr(experiment, name)
        if name in PICTURES:
            if value or f"{page}.{name}.hash" in held:  # that of another run is taken away
                fields |= {f"{name}.hash": value.hash if value else "", f"{name}.changed": True}
        elif name == "pipeline_options":
            fields[name] = _written(value)
        elif name in PROMPTS:
            fields[name] = value or ""
        else:
            fields[name] = FIRST.get(name) if value is None else value
    return _named(page, fields)


def _written(options: Any) -> str:
    """Return options as they are typed."""
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in dict(options).items())
