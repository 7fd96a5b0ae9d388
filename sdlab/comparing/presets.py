"""Named sets of samplers to compare."""

from collections.abc import Callable
from typing import NamedTuple

from sdlab.comparing.entrant import Entrant
from sdlab.comparing.fairness import draws_noise
from sdlab.errors import unknown
from sdlab.sampler_names import WEB_UIS, everyday
from sdlab.solvers.catalogue import valid_names

DEFAULT = "two orders"


class Preset(NamedTuple):
    """A named set of samplers.

    Attributes:
        description: What it is for, in a sentence.
        entrants: Makes the samplers; the first call may take seconds, because diffusers' are tried.
    """

    description: str
    entrants: Callable[[], tuple[Entrant, ...]]


def preset(name: str) -> tuple[Entrant, ...]:
    """Return the samplers of a preset.

    Raises:
        ValueError: If there is no such preset; the message lists them.
    """
    if name not in PRESETS:
        raise ValueError(unknown("preset", name, PRESETS))
    return PRESETS[name].entrants()


def of_number(count: int = 24) -> tuple[Entrant, ...]:
    """Return ``count`` samplers, or all if there are fewer; deterministic ones first."""
    return (*_deterministic(), *_stochastic())[:count]


def _two_orders() -> tuple[Entrant, ...]:
    return tuple(Entrant(name) for name in ("ddim", "euler", "heun", "dpmpp_2m"))


def _deterministic() -> tuple[Entrant, ...]:
    return tuple(e for e in map(Entrant, valid_names()) if not draws_noise(e))


def _stochastic() -> tuple[Entrant, ...]:
    return tuple(e for e in map(Entrant, valid_names()) if draws_noise(e))


def _ddim() -> tuple[Entrant, ...]:
    return (
        Entrant("ddim"),
        Entrant("ddim", eta=0.5),
        Entrant("ddim", eta=1.0),
        Entrant("ddpm"),
        Entrant("euler"),
        Entrant("plms"),
        Entrant("DDIMScheduler"),
        Entrant("PNDMScheduler"),
        Entrant("DDPMScheduler"),
    )


def _web_uis() -> tuple[Entrant, ...]:
    """Return the web UIs' samplers; those with an own spacing there also over k-diffusion's."""
    meant = [(label, everyday(label)) for label in WEB_UIS]
    return tuple(
        Entrant(
            found.solver,
            curve=found.curve or "linspace",
            solver_options=found.options,
            label=label,
        )
        for label, found in meant
        if found is not None
    )


PRESETS = {
    "two orders": Preset(
        "Two samplers of first and two of second order: quick, and the difference shows.",
        _two_orders,
    ),
    "DDIM and its relatives": Preset(
        "DDIM with and without noise, its limits (DDPM, Euler), and diffusers' own.", _ddim
    ),
    "what SD web UIs offer": Preset(
        "The samplers of AUTOMATIC1111 and ComfyUI under the names that they have there.", _web_uis
    ),
    "every deterministic one": Preset(
        "All that draw no noise after the start, ours and diffusers': one ODE, many solvers.",
        _deterministic,
    ),
    "stochastic ones": Preset(
        "All that draw noise on the way: to be judged by fidelity and spread, over several seeds.",
        _stochastic,
    ),
}
