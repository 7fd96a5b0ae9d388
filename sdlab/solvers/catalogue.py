"""Every solver and scheduler in one table."""

from typing import TYPE_CHECKING

import pandas as pd

from sdlab.noise.curves import names as curve_names
from sdlab.solvers import diffusers_adapter as adapter
from sdlab.solvers.registry import solvers

if TYPE_CHECKING:
    from sdlab.models.model import Model


def valid_names() -> list[str]:
    """Return every solver name that an experiment takes, ours first."""
    return [*sorted(solvers()), *sorted(adapter.compatible_classes())]


def schedulers(model: "Model | None" = None) -> pd.DataFrame:
    """Return the catalogue, one row a solver or diffusers scheduler.

    Args:
        model: Not needed: every model that loads takes every compatible scheduler.

    Returns:
        Columns ``name``; ``origin`` ("sdlab" or "diffusers"); ``order`` of convergence where
        declared; ``stages``, evaluations per full step; ``deterministic`` at default options;
        ``takes_eta``, and the ``eta`` it has by default; ``curves``, the names it can follow;
        ``compatible`` with Stable Diffusion, and the ``reason`` if not.
    """
    rows: list[dict[str, object]] = [
        {
            "name": name,
            "origin": "sdlab",
            "order": found.order,
            "stages": found.stages,
            "deterministic": found.deterministic,
            "takes_eta": "eta" in found.options,
            "eta": found.options.get("eta"),
            "curves": tuple(curve_names()),
            "compatible": True,
            "reason": "",
        }
        for name, found in sorted(solvers().items())
    ]
    for name, cls in sorted(adapter.scheduler_classes().items()):
        probed = adapter.probe(name)
        rows.append(
            {
                "name": name,
                "origin": "diffusers",
                "order": None,
                "stages": getattr(cls, "order", None),
                "deterministic": probed.deterministic,
                "takes_eta": probed.compatible and adapter.takes_eta(cls),
                "eta": 0.0 if probed.compatible and adapter.takes_eta(cls) else None,
                "curves": tuple(adapter.scheduler_curves(cls)) if probed.compatible else (),
                "compatible": probed.compatible,
                "reason": probed.reason,
            }
        )
    return pd.DataFrame(rows).astype({"order": "Int64", "stages": "Int64", "eta": "Float64"})
