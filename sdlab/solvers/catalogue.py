"""Every solver and scheduler in one table: what it declares, and what trying it showed."""

import json
import math
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.errors import check_types
from sdlab.models.scheduler_config import completed
from sdlab.noise.curves import names as curve_names
from sdlab.noise.flow import is_flow
from sdlab.noise.schedule import PREDICTION_TYPES
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers import plugins
from sdlab.solvers.probing import quiet
from sdlab.solvers.registry import Solver, solvers

if TYPE_CHECKING:
    from sdlab.models.model import Model

# The step counts at which evaluations are counted; the formula must hold at all of them.
COUNTED = (10, 25, 50)


def valid_names() -> list[str]:
    """Return every solver name that an experiment takes, sdlab's first."""
    return [*sorted(solvers()), *sorted(adapter.compatible_classes())]


def schedulers(
    model: "Model | None" = None, *, config: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Return the catalogue, one row a solver or diffusers scheduler.

    Args:
        model: Whose scheduler config and prediction type decide what is compatible; without one
            that is Stable Diffusion 1.x's.
        config: A scheduler config in the place of a model's.

    Returns:
        Columns ``name``; ``origin``: "sdlab" (with plug-ins that passed), "diffusers", or
        "plug-in" for one that was refused; ``order`` of convergence where
        declared; ``stages``, evaluations per full step; ``nfe``, the evaluations of N steps, and
        ``nfe_10`` and ``nfe_50``; ``deterministic`` at default options; ``takes_eta``, and the
        ``eta`` it has by default; ``coordinates`` of its latents, "VE" (x0 + sigma n) or "VP";
        ``initial_scale``, by which the start noise is multiplied at 50 steps; ``curves``, the names
        it can follow; ``custom_sigmas``, whether it takes any; ``predictions``, the prediction
        types it understands; ``compatible`` with Stable Diffusion or the model, and the
        ``reason`` if not. For flow matching ``coordinates`` are "flow", (1 - t) x0 + t n.
    """
    from sdlab.models.model import Model

    check_types(schedulers, model=(model, (Model, type(None))))
    if model is not None:
        config = model.scheduler_config
    if config is not None and is_flow(config):
        from sdlab.solvers.flow_catalogue import flow_rows

        pipeline = type(model.pipeline) if model is not None else None
        rows = flow_rows(config, _blank, _nfe, pipeline)
        return _table([*rows, *map(_refused_row, plugins.refusals())])
    rows = [_own_row(found) for _, found in sorted(solvers().items())]
    for name, cls in sorted(adapter.scheduler_classes().items()):
        rows.append(_row(name, cls) if adapter.probe(name).compatible else _bare_row(name, cls))
    rows += [_refused_row(refusal) for refusal in plugins.refusals()]
    if config is not None:
        config, path = completed(config), model.path if model is not None else "vp"
        rows = [_judged(row, config, path) if row["compatible"] else row for row in rows]
    return _table(rows)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    whole = ("order", "stages", "nfe_10", "nfe_50")
    types = {**dict.fromkeys(whole, "Int64"), "eta": "Float64", "initial_scale": "Float64"}
    return pd.DataFrame(rows).astype(types)


def nfe_formula(counts: Mapping[int, int]) -> str:
    """Return the evaluations as a formula of the steps N, such as "2N-1"; "" if it is not linear.

    Args:
        counts: Evaluations by number of steps, of two or more.
    """
    (first, at_first), *rest = sorted(counts.items())
    last, at_last = rest[-1]
    slope = round((at_last - at_first) / (last - first))
    offset = at_first - slope * first
    if any(slope * n + offset != count for n, count in rest):
        return ""
    line = "N" if slope == 1 else f"{slope}N"
    return line + (f"{offset:+d}" if offset else "")


def _own_row(found: Solver) -> dict[str, Any]:
    return {
        "name": found.name,
        "origin": "sdlab",
        "order": found.order,
        "stages": found.stages,
        **_own_counts(found),
        "deterministic": found.deterministic,
        "takes_eta": "eta" in found.options,
        "eta": found.options.get("eta"),
        "coordinates": "VE",
        "initial_scale": _own_scale(),
        "curves": tuple(curve_names()),
        "custom_sigmas": True,
        "predictions": PREDICTION_TYPES,
        "compatible": True,
        "reason": "",
    }


def _row(name: str, cls: type) -> dict[str, Any]:
    takes_eta = adapter.takes_eta(cls)
    return {
        **_bare_row(name, cls),
        "takes_eta": takes_eta,
        "eta": 0.0 if takes_eta else None,
        **_laid_out(name),
        "curves": tuple(adapter.scheduler_curves(cls)),
        "custom_sigmas": adapter.takes_sigmas(name),
        "predictions": adapter.prediction_types(name),
    }


def _bare_row(name: str, cls: type) -> dict[str, Any]:
    probed = adapter.probe(name)
    return {
        **_blank(name, "diffusers", probed.reason),
        "stages": getattr(cls, "order", None),
        "deterministic": probed.deterministic,
        "compatible": probed.compatible,
    }


def _refused_row(refusal: plugins.Refusal) -> dict[str, Any]:
    return _blank(refusal.name, "plug-in", f"{refusal.reason} ({refusal.source})")


def _blank(name: str, origin: str, reason: str) -> dict[str, Any]:
    return {
        "name": name,
        "origin": origin,
        "order": None,
        "stages": None,
        "nfe": "",
        "nfe_10": None,
        "nfe_50": None,
        "deterministic": False,
        "takes_eta": False,
        "eta": None,
        "coordinates": "",
        "initial_scale": None,
        "curves": (),
        "custom_sigmas": False,
        "predictions": (),
        "compatible": False,
        "reason": reason,
    }


def _judged(row: dict[str, Any], config: Mapping[str, Any], path: str | None) -> dict[str, Any]:
    """Return a compatible row, or why the model cannot use it after all."""
    kind = config.get("prediction_type") or "epsilon"
    reason = ""
    if path is None:
        reason = "the model adds noise neither as Stable Diffusion nor as flow matching does"
    elif kind not in row["predictions"]:
        reason = f"does not understand the model's prediction type, {kind}"
    elif row["origin"] == "diffusers":
        reason = _refusal(row["name"], json.dumps({**config}, default=lambda held: held.tolist()))
    return {**row, "compatible": not reason, "reason": reason}


@lru_cache(maxsize=512)  # configs may come from visitors
def _refusal(name: str, config: str) -> str:
    """Return why a scheduler cannot be made with a config, in JSON; "" if it can.

    Some take as long to make as the rest of the table, and most models have one of a few configs.
    """
    try:
        _made(name, COUNTED[0], json.loads(config))
    except ValueError as error:
        return str(error)
    return ""


@cache
def _own_counts(found: Solver) -> dict[str, Any]:
    """Return the columns ``nfe``, ``nfe_10`` and ``nfe_50``; empty where it cannot run them."""
    from sdlab.solvers.course import course

    try:
        return _nfe({steps: course(found.name, steps).nfe for steps in COUNTED})
    except ValueError:
        return _nfe({})


@cache
def _laid_out(name: str) -> dict[str, Any]:
    """Return a scheduler's ``nfe`` columns, ``coordinates`` and ``initial_scale``.

    One object does for all step counts: some take as long to make as the rest of the table.
    """
    import torch

    scheduler = _made(name, COUNTED[0], adapter.SD_CONFIG)
    counts = {}
    for steps in COUNTED:
        with quiet():
            scheduler.set_timesteps(steps)
        counts[steps] = len(scheduler.timesteps)
    ones = torch.ones(1, 4, 8, 8)
    scaled = scheduler.scale_model_input(ones, scheduler.timesteps[0])
    return {
        **_nfe(counts),
        "coordinates": "VP" if torch.equal(ones, scaled) else "VE",
        "initial_scale": float(scheduler.init_noise_sigma),
    }


def _nfe(counts: Mapping[int, int]) -> dict[str, Any]:
    formula = nfe_formula(counts) if counts else ""
    return {"nfe": formula, "nfe_10": counts.get(10), "nfe_50": counts.get(50)}


@cache
def _own_scale() -> float:
    from sdlab.solvers.course import course

    return math.sqrt(1.0 + course("euler", 50).sigmas[0] ** 2)


def _made(name: str, num_steps: int, config: Mapping[str, Any]) -> Any:
    return adapter.make_scheduler(name, config, options={}, curve=None, num_steps=num_steps, seed=0)
