"""What a choice of solvers offers: sdlab's, web UIs' names for them, diffusers' classes."""

from collections.abc import Iterable

import pandas as pd

from dashboard.shell.navigation import link_to
from sdlab.sampler_names import NAMES, Everyday

MOST_USED = ("ddim", "euler", "dpmpp_2m", "heun")
"""What a sampler is held against where it is asked which is best."""
GROUPS = (
    "First what A1111, ComfyUI and Civitai call them, the curve included; then sdlab's solvers by "
    "short name; then diffusers' schedulers by class."
)


def offered(catalogue: pd.DataFrame) -> list[str]:
    """Return the names of a menu in their groups.

    Args:
        catalogue: The table of ``sdlab.schedulers``; what is not compatible is left out.
    """
    fits = catalogue[catalogue["compatible"]]
    own = fits["origin"] == "sdlab"
    return [*known_names(catalogue), *fits.loc[own, "name"], *fits.loc[~own, "name"]]


def known_names(catalogue: pd.DataFrame) -> list[str]:
    """Return the web UIs' names whose solver and curve a model can follow, in their order."""
    fits = catalogue[catalogue["compatible"]]
    curves = dict(zip(fits["name"], fits["curves"], strict=True))
    return [
        name
        for name, found in NAMES.items()
        if found.solver in curves and (found.curve is None or found.curve in curves[found.solver])
    ]


def meaning(name: str) -> Everyday:
    """Return what a name of the menu means: a solver, and a curve if the name has one."""
    return NAMES.get(name, Everyday(name, None))


def best_link(samplers: Iterable[str], evaluations: int) -> None:
    """Draw the way to which of some samplers is best at an equal cost.

    Args:
        samplers: As the bench reads them.
        evaluations: How many there are to spend.
    """
    words = f"Which is best at {evaluations} evaluation{'' if evaluations == 1 else 's'}?"
    fields: dict[str, str | list[str]] = {"bench.solvers": list(samplers)}
    link_to("solver_bench", words, **fields, **{"bench.at": str(evaluations)})


def held_against(solver: str, catalogue: pd.DataFrame) -> list[str]:
    """Return a solver, and those used most that a model can follow too."""
    names = set(offered(catalogue))
    return list(dict.fromkeys((solver, *(name for name in MOST_USED if name in names))))


def in_words(meant: Everyday) -> str:
    """Return what a web UI's name means, in words."""
    options = ", ".join(f"{key} {value}" for key, value in meant.options.items())
    curve = f" over {meant.curve}" if meant.curve else ""
    return meant.solver + (f" ({options})" if options else "") + curve
