"""Rules about evaluations and orders: what a step costs, and where the order is lowered."""

from collections.abc import Iterator
from typing import Any

from sdlab.errors import SchedulerError
from sdlab.linting.inspected_course import InspectedCourse
from sdlab.linting.registry import Finding, rule

FEW = 20
LOWERED_BELOW = 15


@rule(
    "nfe-unlike-steps",
    "note",
    explanation="The number of network evaluations is not the number of steps.",
    details=(
        "Heun and KDPM2 evaluate twice a step, except in the last: 2N - 1. PNDM evaluates its "
        "first step twice (N + 1), or four times in each of its first steps with "
        "skip_prk_steps=False. Time goes with evaluations, so compare samplers at equal NFE."
    ),
    fix="Compare at equal NFE: about half the steps for a sampler of two evaluations a step.",
    source="Karras et al. 2022 (arXiv 2206.00364), figure 2; Liu et al. 2022 (arXiv 2202.09778)",
)
def nfe_unlike_steps(subject: InspectedCourse) -> Iterator[Finding]:
    """Count."""
    nfe, steps = subject.course.nfe, subject.num_steps
    if nfe != steps:
        yield Finding(f"{steps} steps make {nfe} evaluations, {nfe / steps:.2g} a step.")


@rule(
    "sigmas-unlike-timesteps",
    "note",
    explanation="The table of sigmas does not have one entry more than there are timesteps.",
    details=(
        "Everywhere else sigmas[i] is the level of timesteps[i], and the last entry is the end. "
        "KDPM2 keeps every sigma twice and the levels between in another table; Euler with "
        'interpolation_type="log_linear" interpolates one entry too many. Code that pairs the two '
        "tables by index is wrong for them."
    ),
    fix="Pair them by the scheduler's step_index, or take them from sdlab.course.",
    source="diffusers KDPM2DiscreteScheduler.set_timesteps",
)
def sigmas_unlike_timesteps(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the lengths of the scheduler's tables."""
    table = getattr(subject.scheduler, "sigmas", None)
    if table is not None and len(table) != subject.course.nfe + 1:
        yield Finding(f"{len(table)} sigmas for {subject.course.nfe} timesteps.")


@rule(
    "order-lowered",
    "note",
    explanation="The last steps are made with a lower order than the solver's.",
    details=(
        "lower_order_final makes the last step first order (and the one before second), because "
        "the extrapolation of few, long steps is not stable. DPM++, DEIS and Singlestep do so "
        "only below 15 steps, UniPC and SASolver always. An order measured over step counts then "
        "bends at 15."
    ),
    fix="Nothing for pictures; for a measured order take all step counts on one side of 15.",
    source="Lu et al. 2022 (arXiv 2211.01095), section 5; diffusers lower_order_final",
)
def order_lowered(subject: InspectedCourse) -> Iterator[Finding]:
    """Sample a Gaussian with the flag on and off."""
    if _flag(subject) is True and _flag_acts(subject):
        yield Finding(
            f"At {subject.num_steps} steps lower_order_final changes the result: the last step is"
            f" below order {_order(subject)}.",
            subject.num_steps - 1,
        )


@rule(
    "order-not-lowered",
    "warning",
    explanation="Few steps of a multistep solver end at full order.",
    details=(
        "With few steps the last one spans a large ratio of sigma, and extrapolating over it from "
        "the predictions before overshoots: the picture gets grain or ringing. That is why "
        "lower_order_final is on by default below 15 steps."
    ),
    fix="Leave lower_order_final at True.",
    source="Lu et al. 2022 (arXiv 2211.01095), section 5; diffusers lower_order_final",
)
def order_not_lowered(subject: InspectedCourse) -> Iterator[Finding]:
    """Sample a Gaussian with the flag on and off, below 15 steps."""
    few = subject.num_steps < LOWERED_BELOW
    if few and _flag(subject) is False and _flag_acts(subject):
        yield Finding(
            f"lower_order_final is off at {subject.num_steps} steps: the last one is of order"
            f" {_order(subject)}.",
            subject.num_steps - 1,
        )


@rule(
    "order-flag-idle",
    "note",
    explanation="lower_order_final is asked for, but does nothing at this number of steps.",
    details=(
        "The flag's name promises a last step of lower order. DPM++ and DEIS look at the number of "
        "steps first: from 15 on the flag is not read, and the last step has full order unless it "
        "goes to sigma 0."
    ),
    fix="Use fewer than 15 steps, or euler_at_final=True where the class has it.",
    source="diffusers DPMSolverMultistepScheduler.step",
)
def order_flag_idle(subject: InspectedCourse) -> Iterator[Finding]:
    """Sample a Gaussian with the flag on and off, where it was asked for."""
    asked = subject.request.options.get("lower_order_final") is True
    if asked and _flag(subject) is True and not _flag_acts(subject):
        yield Finding(
            f"At {subject.num_steps} steps the result is the same with lower_order_final=False."
        )


@rule(
    "noise-with-few-steps",
    "note",
    explanation="A stochastic sampler is used with few steps.",
    details=(
        "Fresh noise needs steps after it to be removed again, and each step's error is that of "
        "first order. Below some twenty steps a deterministic solver is closer to the model's "
        "picture; with many, the noise corrects errors made before."
    ),
    fix="Use more steps, a smaller eta, or a deterministic solver.",
    source="Song et al. 2021 (arXiv 2010.02502), table 1; arXiv 2206.00364, section 4",
)
def noise_with_few_steps(subject: InspectedCourse) -> Iterator[Finding]:
    """Measure the fresh noise in every step."""
    done = subject.rehearsal
    if subject.num_steps < FEW and done.stochastic and not _is_consistency(subject):
        what = "adds fresh noise"
        if subject.scheduler is not None:
            what = f"replaces up to {max(done.injected):.0%} of the noise in a step"
        yield Finding(f"{subject.course.name} {what}, and has {subject.num_steps} steps.")


@rule(
    "needs-distilled-model",
    "note",
    explanation="The sampler is made for models distilled to it.",
    details=(
        "LCM and TCD jump from every level straight to a picture and add noise again. A "
        "consistency model is trained so that this is exact; a plain diffusion model answers with "
        "a blurred mean, and more steps do not converge to its samples."
    ),
    fix="Use it with an LCM or TCD model or LoRA; else another sampler.",
    source="Luo et al. 2023 (arXiv 2310.04378); Zheng et al. 2024 (arXiv 2402.19159)",
)
def needs_distilled_model(subject: InspectedCourse) -> Iterator[Finding]:
    """Look for the samplers of consistency models."""
    if _is_consistency(subject):
        yield Finding(f"{subject.course.name} expects a consistency model.")


def _is_consistency(subject: InspectedCourse) -> bool:
    own = subject.scheduler is None and subject.course.name == "lcm"
    return own or bool({"original_inference_steps", "scale_factors"} & set(subject.config))


def _order(subject: InspectedCourse) -> Any:
    return subject.config.get("solver_order", subject.config.get("predictor_order", 2))


def _flag(subject: InspectedCourse) -> bool | None:
    if subject.scheduler is None:
        return None
    return subject.config.get("lower_order_final")


def _flag_acts(subject: InspectedCourse) -> bool:
    """Return whether the other value of the flag gives another result."""
    try:
        other = subject.variant(options={"lower_order_final": not _flag(subject)})
    except SchedulerError:
        return False  # the class takes only one value here
    if other.config.get("lower_order_final") is _flag(subject):
        return False  # and says so by changing it
    return not subject.failure and subject.ends_as(other) is not True
