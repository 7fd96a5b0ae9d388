"""How a program's schedules look on a chart: a colour each program, a dash each of its lines."""

from collections.abc import Mapping

from dashboard.charts.schedules import dash

_COLORS = {
    "comfyui": "#3273d4",
    "diffusers": "#d25200",
    "a1111": "#1d8a55",
    "forge": "#8a6d00",
    "invokeai": "#a13bb5",
    "k-diffusion": "#c2255c",
}
_DASHES = ("", "exponential", "beta", "sgm_uniform", "vp", "trailing")
"""Curves whose dashes are borrowed: those of the same program are told apart by them."""


def engine_color(engine: str) -> str:
    """Return the colour of a program, by its name in ``sdlab.passports``.

    Raises:
        ValueError: If it has none.
    """
    if engine not in _COLORS:
        raise ValueError(f"engine must be one of {', '.join(_COLORS)}, got {engine!r}.")
    return _COLORS[engine]


def styles(engines: Mapping[str, str]) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Return the colour and the dash pattern of each line.

    Args:
        engines: The program of each line.

    Raises:
        ValueError: If a program has no colour.
    """
    seen: dict[str, int] = {}
    dashes = {}
    for label, engine in engines.items():
        number = seen.setdefault(engine, 0)
        seen[engine] += 1
        dashes[label] = dash(_DASHES[number % len(_DASHES)] or None)
    return {label: engine_color(engine) for label, engine in engines.items()}, dashes
