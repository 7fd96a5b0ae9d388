"""Rules about flow matching's times: the shift, what it goes by, and where the steps lie.

A shift s multiplies sigma = t / (1 - t) and so moves every step towards noise. It is made once, by
the scheduler: from the config's ``shift``, or from ``mu`` that a pipeline hands it with the
picture's size. Shares of steps above and below a time say what it does.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sdlab.errors import SchedulerError
from sdlab.linting.inspected_course import InspectedCourse
from sdlab.linting.registry import Finding, rule
from sdlab.noise.flow import shifted, sigma_to_time
from sdlab.noise.schedule import Array
from sdlab.solvers.flow_course import TOKENS

HIGH, HALF, LOW = 0.9, 0.5, 0.1
CROWDED = 0.5
MOVED = 0.2
SAME_MU, SAME_SHIFT = 0.01, 0.1  # of mu, and of ln shift
FLAGS = {
    "use_karras_sigmas": "Karras' curve",
    "use_exponential_sigmas": "the exponential curve",
    "use_beta_sigmas": "the beta curve",
}
ESSER = "Esser et al. 2024 (arXiv 2403.03206), section 5.3.2"
EULER = "diffusers FlowMatchEulerDiscreteScheduler.set_timesteps"


@rule(
    "shift-twice",
    "warning",
    explanation="Times that are shifted already are shifted once more.",
    details=(
        "set_timesteps shifts whatever sigmas it is handed. Times that were shifted before then "
        "have the product of both shifts: nearly all steps are spent near pure noise, and few are "
        "left for the detail."
    ),
    fix="Hand over even times such as linspace(1, 1 / N, N), or set the scheduler's shift to 1.",
    source=f"{ESSER}; {EULER}",
    path="flow",
)
def shift_twice(subject: InspectedCourse) -> Iterator[Finding]:
    """Find the shift that the handed times have by themselves."""
    handed, more = subject.request.sigmas, _shift(subject)
    if handed is None or abs(math.log(more)) < SAME_SHIFT:
        return
    before = implied_shift(np.array(handed, dtype=np.float64))
    if before is not None and abs(math.log(before)) > SAME_SHIFT:
        once = int((np.array(handed) > HIGH).sum())
        yield Finding(
            f"The sigmas handed over have a shift of {before:.3g} already, and {more:.3g} comes on"
            f" top, {before * more:.3g} in all: {_above(subject, HIGH)} of {subject.num_steps}"
            f" steps begin above t {HIGH:g}, where those handed over have {once}."
        )


@rule(
    "end-shifted-twice",
    "note",
    explanation="The last time above 0 is shifted twice, the others once.",
    details=(
        "diffusers takes its times from an even line between the largest and the smallest of a "
        "table that is shifted already, and shifts that line. The largest is 1 either way; the "
        "smallest, and a little all others, end higher than the shift says. Pipelines that hand "
        "over sigmas of their own (Flux, Qwen-Image) are not concerned."
    ),
    fix="Nothing for pictures; know it when you compare with another implementation, or hand over "
    "sigmas.",
    source="diffusers FlowMatchEulerDiscreteScheduler.__init__ and set_timesteps",
    path="flow",
)
def end_shifted_twice(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the last time with 1 / T shifted twice."""
    shift = _shift(subject)
    if abs(math.log(shift)) < SAME_SHIFT or subject.num_steps < 2:
        return
    once = float(shifted(1.0 / subject.trained.num_timesteps, shift))
    last = float(subject.heights[-2])
    if math.isclose(last, float(shifted(once, shift)), rel_tol=1e-3):
        yield Finding(
            f"The last step begins at t {last:.3g}; shifted once by {shift:.3g} it is {once:.3g}.",
            subject.num_steps - 1,
        )


@rule(
    "shift-unused",
    "note",
    explanation="The config has a fixed shift beside dynamic shifting, and it is not used.",
    details=(
        "With use_dynamic_shifting the shift goes by the picture's size, and the entry shift is "
        "read by nobody. Flux' own config has both."
    ),
    fix="Nothing; to have a fixed shift set use_dynamic_shifting=False.",
    source=EULER,
    path="flow",
)
def shift_unused(subject: InspectedCourse) -> Iterator[Finding]:
    """Look for both entries."""
    fixed = subject.config.get("shift")
    if _is_dynamic(subject) and fixed is not None and abs(math.log(fixed)) > SAME_SHIFT:
        yield Finding(f"shift is {fixed:g}; in force is {_shift(subject):.3g}, by the size.")


@rule(
    "mu-unlike-size",
    "warning",
    explanation="mu is not the one of the picture's size.",
    details=(
        "The shift exp(mu) goes by the latent tokens, because more of them keep more of the "
        "picture at the same noise. With a mu of another size the steps lie where a picture of "
        "that size would need them: too much structure or too little detail is left to few steps. "
        "Some pipelines (Flux.2) have a formula of their own, which goes by the steps too; it "
        "counts where the pipeline is told."
    ),
    fix="Leave mu to the pipeline, or take sdlab.noise.flow.dynamic_mu of the size.",
    source=f"{ESSER}; diffusers calculate_shift of the Flux pipeline",
    path="flow",
)
def mu_unlike_size(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare a given mu with that of the tokens."""
    mu, tokens = subject.request.mu, subject.request.tokens
    if not _is_dynamic(subject) or mu is None or tokens is None:
        return
    right = subject.request.mu_by_size
    if abs(mu - right) > SAME_MU:
        yield Finding(
            f"mu is {mu:.3g}, and {tokens:,} tokens have {right:.3g}: a shift of"
            f" {math.exp(mu):.3g} in place of {math.exp(right):.3g}."
        )


@rule(
    "mu-assumed",
    "note",
    explanation="The shift goes by the picture's size, and no size is told.",
    details=(
        "Without the number of latent tokens this course is that of 1024 x 1024 pixels. A picture "
        "of another size is sampled over other times."
    ),
    fix="Tell the tokens: width / 16 x height / 16 for Flux and Stable Diffusion 3.",
    source="diffusers calculate_shift of the Flux pipeline",
    path="flow",
)
def mu_assumed(subject: InspectedCourse) -> Iterator[Finding]:
    """Look whether the size or mu is told."""
    asked = subject.request
    if _is_dynamic(subject) and asked.mu is None and asked.tokens is None:
        mu, shift = asked.mu_by_size, _shift(subject)
        yield Finding(f"{TOKENS:,} tokens are taken: mu {mu:.3g}, a shift of {shift:.3g}.")


@rule(
    "mu-unused",
    "warning",
    explanation="A mu is given, but the shift is a fixed one.",
    details=(
        "mu is read only with use_dynamic_shifting=True; without it set_timesteps takes mu and "
        "says nothing."
    ),
    fix="Leave mu out, or set use_dynamic_shifting=True.",
    source=EULER,
    path="flow",
)
def mu_unused(subject: InspectedCourse) -> Iterator[Finding]:
    """Look for a mu without dynamic shifting."""
    if subject.request.mu is not None and not _is_dynamic(subject):
        yield Finding(
            f"mu={subject.request.mu:g} has no effect: the shift stays {_shift(subject):.3g}."
        )


@rule(
    "size-beyond-shift",
    "note",
    explanation="The picture has more or fewer tokens than the two sizes that mu is fixed at.",
    details=(
        "mu is a line through base_shift at base_image_seq_len tokens and max_shift at "
        "max_image_seq_len; beyond them it goes on, and the shift, its exponential, grows fast."
    ),
    fix="Check the shift; for large pictures a smaller mu may serve better.",
    source=f"{ESSER}; diffusers calculate_shift of the Flux pipeline",
    path="flow",
)
def size_beyond_shift(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the tokens with the two sizes of the config."""
    tokens, config = subject.request.tokens, subject.request.config
    if tokens is None or not _is_dynamic(subject):
        return
    low, high = config.get("base_image_seq_len") or 256, config.get("max_image_seq_len") or TOKENS
    if not low <= tokens <= high:
        mu = subject.request.mu_by_size
        yield Finding(
            f"{tokens:,} tokens lie outside {low:,} to {high:,}: mu {mu:.3g}, a shift of"
            f" {math.exp(mu):.3g}."
        )


@rule(
    "mu-as-shift",
    "warning",
    explanation="mu is taken for the shift itself, not for its logarithm.",
    details=(
        'With time_shift_type="linear" diffusers divides by mu where "exponential" divides by '
        "exp(mu). Pipelines hand over the same mu for both."
    ),
    fix='Set time_shift_type="exponential", unless the model was made with the other.',
    source="diffusers FlowMatchEulerDiscreteScheduler.time_shift",
    path="flow",
)
def mu_as_shift(subject: InspectedCourse) -> Iterator[Finding]:
    """Look at the kind of the dynamic shift."""
    if _is_dynamic(subject) and _is_linear(subject):
        mu = _mu(subject)
        yield Finding(f"The shift is mu, {mu:.3g}; exp(mu) is {math.exp(mu):.3g}.")


@rule(
    "crowded-at-noise",
    "warning",
    explanation="Most steps are spent near pure noise.",
    details=(
        "A large shift draws the steps towards t = 1, where only the coarsest layout is decided. "
        "Above t = 0.9 the noise is nine times as strong as the picture. What is left below is too "
        "few steps for structure and detail; each covers a long way."
    ),
    fix="A smaller shift or mu, or more steps.",
    source=f"{ESSER}, figure 6",
    path="flow",
)
def crowded_at_noise(subject: InspectedCourse) -> Iterator[Finding]:
    """Count the steps that begin above a time."""
    above = _above(subject, HIGH)
    if above > CROWDED * subject.num_steps:
        yield Finding(
            f"{above} of {subject.num_steps} steps ({above / subject.num_steps:.0%}) begin above"
            f" t {HIGH:g}, {_above(subject, HALF)} above t {HALF:g}."
        )


@rule(
    "curve-over-time",
    "warning",
    explanation="A curve made for sigma is laid over the times, and replaces the shift.",
    details=(
        "diffusers' use_karras_sigmas and its like keep only the first and the last time and space "
        "the rest by a curve made for sigma from 14 to 0.03. Over t from 1 to nearly 0 it crowds "
        "the steps where the picture is done already, and a shift moves nothing but the end."
    ),
    fix="Leave the flag out, or choose the curve's rho, or another curve, by these shares.",
    source=f"{EULER}; Karras et al. 2022 (arXiv 2206.00364), eq. 5",
    path="flow",
)
def curve_over_time(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the shares of steps with those of the times without the curve."""
    name, plain = _without_curve(subject)
    if plain is None or subject.num_steps < 4:
        return
    ours, theirs = (_above(one, HALF) for one in (subject, plain))
    if abs(ours - theirs) > MOVED * subject.num_steps:
        low, before = (one.num_steps - _above(one, LOW) for one in (subject, plain))
        yield Finding(
            f"With {name}, {ours} of {subject.num_steps} steps begin above t {HALF:g} and {low}"
            f" below t {LOW:g}; the times without it have {theirs} and {before}."
        )


@rule(
    "terminal-shift",
    "note",
    explanation="The times are stretched to end at a given one.",
    details=(
        "shift_terminal brings the time at which the last step begins to a fixed one, whatever the "
        "shift and the number of steps; the last step then goes from there to 0. All other times "
        "move a little too."
    ),
    fix="Nothing, where the model's own config has it (Qwen-Image, LTX).",
    source="diffusers FlowMatchEulerDiscreteScheduler.stretch_shift_to_terminal",
    path="flow",
)
def terminal_shift(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the last time with that of the course without it."""
    terminal = subject.config.get("shift_terminal")
    if not terminal:
        return
    change = {"shift_terminal": None}
    own = subject.scheduler is None
    plain = subject.variant(**{"config" if own else "options": change})
    yield Finding(
        f"The last step begins at t {subject.heights[-2]:.3g}; without shift_terminal="
        f"{terminal:g} at {plain.heights[-2]:.3g}.",
        subject.num_steps - 1,
    )


@rule(
    "times-rise",
    "error",
    explanation="The times rise from 0 to 1 in place of falling from 1.",
    details=(
        "invert_sigmas is made for Mochi, whose network is told 1 - t and predicts the velocity "
        "from noise to picture. Any other network is told the opposite of what it is given."
    ),
    fix="Set invert_sigmas=False, unless the model is Mochi.",
    source=EULER,
    path="flow",
)
def times_rise(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare each time with the next."""
    times = sigma_to_time(np.array(subject.course.sigmas))
    if len(times) > 1 and times[-1] > times[0]:
        yield Finding(f"The times go from {times[0]:.3g} to {times[-1]:.3g}.")


def implied_shift(times: Array) -> float | None:
    """Return the shift that makes even times these, or None if none does.

    Args:
        times: Descending in (0, 1], the 0 at the end left out; [N].

    Returns:
        To two decimals: the shifts that are tried lie half a percent apart.
    """
    if len(times) < 4:
        return None
    shifts = np.exp(np.linspace(-4.0, 6.0, 2001))
    even = times / (times + shifts[:, None] * (1.0 - times))  # unshifted, [2001, N]
    steps = -np.diff(even)
    unevenness = np.ptp(steps, axis=1) / np.abs(steps).mean(axis=1)
    best = int(np.argmin(unevenness))
    return round(float(shifts[best]), 2) if unevenness[best] < 0.05 else None


def _is_dynamic(subject: InspectedCourse) -> bool:
    return bool(subject.config.get("use_dynamic_shifting"))


def _is_linear(subject: InspectedCourse) -> bool:
    return subject.config.get("time_shift_type") == "linear"


def _mu(subject: InspectedCourse) -> float:
    asked = subject.request
    return asked.mu_by_size if asked.mu is None else asked.mu


def _shift(subject: InspectedCourse) -> float:
    """Return the shift in force."""
    if _is_dynamic(subject):
        return _mu(subject) if _is_linear(subject) else math.exp(_mu(subject))
    config = subject.config
    name = "flow_shift" if "flow_shift" in config and "shift" not in config else "shift"
    return float(config.get(name) or 1.0)


def _above(subject: InspectedCourse, time: float) -> int:
    """Return how many steps begin above a time."""
    return int((subject.heights[:-1] > time).sum())


def _without_curve(subject: InspectedCourse) -> tuple[str, InspectedCourse | None]:
    """Return the name of the curve over the times, and the course without it."""
    flag = next((name for name in FLAGS if subject.config.get(name)), "")
    curve = subject.request.curve
    try:
        if subject.scheduler is None and curve is not None:
            plain = replace(subject.request, curve=None, curve_options={})
            return f"the curve {curve!r}", InspectedCourse(plain)
        if flag and subject.scheduler is None:
            return FLAGS[flag], subject.variant(config={flag: False})
        if flag:
            return FLAGS[flag], subject.variant(options={flag: False})
    except SchedulerError:
        pass
    return "", None
