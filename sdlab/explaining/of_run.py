"""Makings of our own: runs, manifests and experiments."""

import dataclasses
import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.comparing.entrant import Entrant
from sdlab.comparing.fairness import draws_noise as found_to_draw
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.explaining.making import Levels, Making
from sdlab.explaining.programs.sdlab import sdlab_facts
from sdlab.metadata.found import SDLAB, of_dict
from sdlab.noise.flow import sigma_to_time
from sdlab.runs.differences import settings_of
from sdlab.shipped import EMBEDDED

if TYPE_CHECKING:
    from sdlab.runs.run import Run

_SAME_NAMES = ("seed", "num_steps", "guidance_scale", "guidance_rescale", "prompt")
_FACTS = (*_SAME_NAMES, "negative_prompt", "eta")
COVERED = (
    *(*_FACTS, "solver", "curve", "width", "height", "strength", "pipeline_options.clip_skip"),
    *("model", "model.name", "model.hash", "model.dtype", "model.computed_in", "model.device"),
    *("solver_options.s_churn", "nfe", "total_ms", "shared_calls", "created", "versions.sdlab"),
)
"""Settings that are facts, or none that a picture depends on."""


def of_run(run: "Run") -> Making:
    """Return the making of a run, stored or in memory."""
    file = io.BytesIO()
    run.image.save(file, "PNG", compress_level=1)
    made = of_manifest(run.manifest, run.id[:8], file.getvalue())
    return dataclasses.replace(made, kind="run", run=run, levels=_ran(run), no_levels="")


def of_manifest(facts: Mapping[str, Any], name: str, image: bytes | None = None) -> Making:
    """Return the making of a manifest, or of what our own pictures hold of it.

    Raises:
        ValueError: If it holds no valid experiment.
    """
    try:
        x = of_dict(facts["experiment"]).experiment
    except (TypeError, AttributeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"{name} holds no valid experiment: {error}") from error
    kind = "workflow" if image is None else "picture"
    return dataclasses.replace(_made(x, name, facts), kind=kind, image=image)


def of_experiment(x: Experiment, name: str) -> Making:
    """Return the making of an experiment alone."""
    return _made(x, name, None)


def draws_noise(x: Experiment) -> bool:
    """Return whether an experiment's sampler draws noise after the start."""
    return found_to_draw(Entrant(x.solver, solver_options=x.solver_options, eta=x.eta))


def eta_of(x: Experiment) -> float | None:
    """Return an experiment's share of injected noise, its sampler's own where it names none.

    None if the sampler takes none.
    """
    from sdlab.solvers.from_diffusers import scheduler_classes, takes_eta
    from sdlab.solvers.registry import solvers

    if x.eta is not None:
        return x.eta
    if x.solver in solvers():
        options = {**solvers()[x.solver].options, **dict(x.solver_options)}
        return options.get("eta")
    found = scheduler_classes().get(x.solver)
    return 0.0 if found is not None and takes_eta(found) else None


def _made(x: Experiment, name: str, manifest: Mapping[str, Any] | None) -> Making:
    facts = sdlab_facts(x, manifest)
    facts |= {field: getattr(x, field) for field in _FACTS if getattr(x, field) is not None}
    facts |= {"sampler": x.solver, "draws_noise": draws_noise(x)}
    facts |= {} if eta_of(x) is None else {"eta": eta_of(x)}
    settings = settings_of({"model": {}, "versions": {}, **(manifest or {})}, x)
    machine = (manifest or {}).get("machine", {})
    settings |= {f"machine.{key}": str(value) for key, value in machine.items()}
    if (manifest or {}).get("shared_calls"):
        settings["shared_calls"] = str((manifest or {})["shared_calls"])
    entries = {
        key: value
        for key, value in settings.items()
        if key not in COVERED and not key.startswith(("record.", "curve_options."))
    }
    if dict(x.curve_options) and x.curve != "sigmas":
        entries |= {key: v for key, v in settings.items() if key.startswith("curve_options.")}
    levels, refused = _laid(x)
    return Making(name, SDLAB, "experiment", facts, entries, levels, refused, experiment=x)


def _ran(run: "Run") -> Levels:
    """Return the levels that a run ran, of each step's first evaluation."""
    from sdlab.comparing.reference import is_flow_run

    sigmas = np.array(run.trace.sigmas, dtype=np.float64)
    steps = run.steps["step"].to_numpy()
    first = np.concatenate(([True], np.diff(steps) > 0))
    flow = is_flow_run(run)
    axis = sigma_to_time(sigmas) if flow else sigmas
    levels = (*axis[first].tolist(), 0.0)
    start = 1.0 if flow else math.hypot(levels[0], 1.0)
    return Levels("flow" if flow else "sigma", levels, len(sigmas), start, "the run's own steps")


def _laid(x: Experiment) -> tuple[Levels | None, str]:
    """Return the levels that an experiment would run on the embedded model, or why not."""
    from sdlab.solvers.course import course

    if x.model != EMBEDDED:
        return None, f"The levels are those of {x.model}, which is not loaded to be asked."
    if x.image is not None:
        return None, "It changes a picture: where it begins is known of its run alone."
    try:
        laid = course(
            x.solver,
            x.num_steps,
            options=dict(x.solver_options),
            curve=x.curve,
            curve_options=dict(x.curve_options),
            eta=x.eta,
        )
    except (ValueError, SdlabError) as error:
        return None, str(error)
    steps = np.array(laid.steps)
    first = np.concatenate(([True], np.diff(steps) > 0))
    sigmas = (*np.array(laid.sigmas)[first].tolist(), laid.end)
    scale = float(getattr(laid.scheduler, "init_noise_sigma", 1.0))
    start = scale if scale > 1 else math.hypot(sigmas[0], 1.0)
    return Levels("sigma", sigmas, laid.nfe, start, "sdlab.course"), ""
