"""Causes in the noise levels: how many steps, where they start, how they lie, what they cost."""

from collections.abc import Iterator
from typing import Any

from sdlab.explaining.making import Levels, Making
from sdlab.explaining.registry import ANOTHER, SLIGHT, VISIBLE, Found, cause
from sdlab.passports.comparing import SAME, differences, first_apart

_SCALE = 1e-3


@cause(
    "steps",
    "Steps that run",
    VISIBLE,
    needs="levels",
    explanation="What the field for steps says is not always what runs: with a denoise below 1, "
    "with ComfyUI's and AUTOMATIC1111's ddim schedule, and in diffusers' Karras curves.",
    fix="Set the field so that as many steps run; `sdlab passport` says how many do.",
    source="sdlab.passport, each engine's own source",
)
def steps(a: Making, b: Making) -> Iterator[Found]:
    """Compare the numbers of steps that really run."""
    one, other = _levels(a, b)
    if one.steps != other.steps:
        yield Found(
            f"{one.steps} steps run in {a.title}, {other.steps} in {b.title}{_asked(a, b)}.",
            _as_levels(other),
        )


@cause(
    "spacing",
    "Noise levels",
    VISIBLE,
    needs="levels",
    explanation="The same words, such as karras, lay out other levels in another program: they "
    "depend on the timestep spacing of a config, on what counts as a step, and on rounding.",
    fix="`sdlab passport A --equal ENGINE` finds the other program's setting that equals one, or "
    "`--export` gives sigmas to paste there.",
    source="sdlab.passport, each engine's own source",
)
def spacing(a: Making, b: Making) -> Iterator[Found]:
    """Compare the levels at equal shares of the run."""
    one, other = _levels(a, b)
    if one.path != other.path:
        yield Found(
            f"{a.title} has noise levels, {b.title} times of flow matching, or the other way round:"
            " these are models of two kinds.",
            effect=ANOTHER,
        )
        return
    if one.steps != other.steps:  # then the levels lie otherwise by right, but for the first
        start, end = one.sigmas[0], other.sigmas[0]
        if abs(start - end) > SAME * max(start, end):
            yield Found(f"The first level is {start:.4g} and {end:.4g}.", _as_levels(other))
        return
    far = float(differences(one, other).max())
    if far > SAME:
        first = first_apart(one, other) or 0
        unit = f"{far:.4f} in t" if one.path == "flow" else f"{far:.1%}"
        yield Found(
            f"The levels part at step {first}, {one.sigmas[first]:.4g} and"
            f" {other.sigmas[first]:.4g}; by up to {unit}.",
            _as_levels(other),
        )


@cause(
    "start-scale",
    "Start noise's scale",
    VISIBLE,
    needs="levels",
    explanation="Programs multiply the same noise by sigma, or by sqrt(sigma^2 + 1): if it does "
    "not fit the first level, the first step takes away too little or too much.",
    fix="Start at the highest sigma, where the two are nearly the same (timestep_spacing "
    '"trailing" or "linspace" in diffusers).',
    source="ComfyUI EPS.noise_scaling; diffusers EulerDiscreteScheduler.init_noise_sigma; "
    "arXiv 2305.08891",
)
def start_scale(a: Making, b: Making) -> Iterator[Found]:
    """Compare what standard normal noise is multiplied by."""
    one, other = _levels(a, b)
    if one.path != other.path or not one.noise_scale:
        return
    ratio = other.noise_scale / one.noise_scale
    if abs(ratio - 1) > _SCALE:
        small = abs(ratio - 1) < 0.01
        yield Found(
            f"The start noise is scaled by {one.noise_scale:.4g} and {other.noise_scale:.4g}:"
            f" {abs(ratio - 1):.1%} {'more' if ratio > 1 else 'less'} in {b.title}.",
            effect=SLIGHT if small else "",
        )


@cause(
    "evaluations",
    "Evaluations",
    SLIGHT,
    needs="levels",
    explanation="Steps are not evaluations: Heun and DPM2 call the network twice a step, PNDM once "
    "more in all. It is the evaluations that cost time and buy accuracy.",
    fix="Compare at equal evaluations.",
    source="sdlab.passport; Karras et al. 2022 (arXiv 2206.00364)",
)
def evaluations(a: Making, b: Making) -> Iterator[Found]:
    """Compare the calls of the network."""
    one, other = _levels(a, b)
    if one.evaluations != other.evaluations:
        yield Found(f"The network is called {one.evaluations} and {other.evaluations} times.")


@cause(
    "denoise",
    "Denoise",
    ANOTHER,
    needs="denoise",
    explanation="Below 1 a picture is changed. The same number starts elsewhere in each program: "
    "diffusers and AUTOMATIC1111 cut steps off the front, ComfyUI lays out steps / denoise and "
    "runs the last, InvokeAI's canvas maps its slider before that.",
    fix="Match the first sigma, not the number: `sdlab passport ENGINE --denoise D` says it.",
    source="diffusers get_timesteps; AUTOMATIC1111 setup_img2img_steps; ComfyUI KSampler.set_steps",
)
def denoise(a: Making, b: Making) -> Iterator[Found]:
    """Compare the shares of the way, and where the same share starts."""
    if a["denoise"] != b["denoise"]:
        yield Found(f"The denoising strength is {a['denoise']:g} and {b['denoise']:g}.")
    elif a["denoise"] < 1 and a.levels and b.levels and a.levels.path == b.levels.path:
        one, other = a.levels.sigmas[0], b.levels.sigmas[0]
        if abs(one - other) > SAME * max(one, other):
            yield Found(
                f"A denoising strength of {a['denoise']:g} starts at {one:.4g} in {a.title} and at"
                f" {other:.4g} in {b.title}."
            )


def _levels(a: Making, b: Making) -> tuple[Levels, Levels]:
    assert a.levels is not None and b.levels is not None
    return a.levels, b.levels


def _as_levels(levels: Levels) -> dict[str, Any]:
    """Return the fields that give an experiment these levels; none where it cannot have them."""
    if levels.path != "sigma" or levels.sigmas[-1] != 0:
        return {}
    table = {"sigmas": list(levels.sigmas)}
    return {"curve": "sigmas", "curve_options": table, "num_steps": levels.steps}


def _asked(a: Making, b: Making) -> str:
    if not (a.knows("num_steps") and b.knows("num_steps")):
        return ""
    return f"; their fields say {a['num_steps']} and {b['num_steps']}"
