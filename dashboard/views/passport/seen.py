"""What is said on the Schedule passport page."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlab.passports.passport import Passport

HOW_TO_READ = (
    "Hover to bring a line forward; click names to see only those, with Shift several. A program "
    "has one colour; dashes tell its lines apart. Lines that run the same noise levels "
    "are drawn as one: the sentences below say which."
)
EQUATIONS = (r"x_\text{start} = x_0 + s\,n, \qquad s \approx \sigma_\text{first}",)
WHY = (
    "A **scheduler** lays out the noise levels between the highest and the lowest that the model "
    "was trained with. Programs differ in which levels those are (the timestep spacing of a "
    "config, float32), in whether a step is counted or a level, in what a denoise below 1 leaves "
    "out, and in how the **start noise** is scaled. If the start has more noise than the first "
    "level says, or less, the first step takes away too little or too much, and the same seed "
    "gives another picture."
)
ABOUT_SUMMARY = (
    "A line a program: steps that run, calls of the network, levels, the start noise and the "
    "largest difference from the first line (a share of the larger sigma; of flow matching in t)."
)
ABOUT_SIGMAS = "The noise levels side by side, step by step."


def span(passports: "Mapping[str, Passport]") -> str:
    """Return where the lines start and what they start with, in a sentence."""
    starts = [one.sigmas[0] for one in passports.values()]
    low, high = min(starts), max(starts)
    unit = "t" if next(iter(passports.values())).path == "flow" else "sigma"
    where = f"{low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"{low:.4g} to {high:.4g}"
    calls = sorted({one.evaluations for one in passports.values()})
    times = f"{calls[0]}" if len(calls) == 1 else f"{calls[0]} to {calls[-1]}"
    return f"They start at {unit} {where} and call the network {times} times."
