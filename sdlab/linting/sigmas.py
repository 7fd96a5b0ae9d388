"""Rules about sigmas: range, step lengths, repetitions, the end, and values that overflow."""

from collections.abc import Iterator

import numpy as np

from sdlab.linting.inspected_course import CLEAN, InspectedCourse
from sdlab.linting.registry import Finding, rule
from sdlab.linting.rehearsal import holds_ve

RANGE = 1.01
STRIDE = 0.05
LAST_JUMP = 0.25
SAME = 1e-6


@rule(
    "not-finite",
    "error",
    explanation="A step gives NaN or infinity, on data where the right answer is known.",
    details=(
        "The steps are really made, with the exact prediction for data of one point. What is not "
        "finite there is not finite with any network. Usual causes: a step of length zero in a "
        "multistep method, whose formula divides by the length; zero terminal SNR with epsilon "
        "prediction."
    ),
    fix='Look at the other findings of this course. For DPM++: final_sigmas_type="zero", or '
    "lower_order_final=True.",
    source="Measured on diffusers 0.42.1; Lu et al. 2022 (arXiv 2211.01095), algorithm 2",
)
def not_finite(subject: InspectedCourse) -> Iterator[Finding]:
    """Run every step."""
    at = subject.rehearsal.broken_at
    if at is not None:
        yield Finding(
            f"The call at {subject.sigma_from(at)} (evaluation {at}, t="
            f"{subject.course.timesteps[at]:.0f}) returns values that are not finite.",
            int(subject.course.steps[at]),
        )


@rule(
    "repeated-sigma",
    "warning",
    explanation="Two consecutive steps are at the same noise level.",
    details=(
        "A step of length zero costs an evaluation and moves nothing. In a multistep method its "
        "length stands in a denominator: some formulas give NaN. It comes from "
        'final_sigmas_type="sigma_min" under a curve whose last sigma is sigma_min already, such '
        "as Karras, and from schedules shorter than the step count."
    ),
    fix='Use final_sigmas_type="zero", or a curve that ends above sigma_min.',
    source="diffusers DPMSolverMultistepScheduler.set_timesteps; k-diffusion appends a zero",
)
def repeated_sigma(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare each step's first sigma with the next one's; where that rises there is a length."""
    levels = subject.heights
    same = np.flatnonzero(np.abs(levels[:-1] - levels[1:]) <= SAME * levels[:-1])
    if len(same):
        at, what = int(same[0]), "t" if subject.path == "flow" else "sigma"
        yield Finding(
            f"{len(same)} step(s) without length; step {at} goes from {what} {levels[at]:.4g} to"
            f" {levels[at + 1]:.4g}.",
            at,
        )


@rule(
    "ends-above-zero",
    "note",
    explanation="The last step ends above sigma 0, so some noise stays in the picture.",
    details=(
        "DEIS and SASolver end at the schedule's smallest sigma, as does DDIM with "
        "set_alpha_to_one=False. The rest is small, and the VAE hides most of it; but it is a "
        "floor under any comparison with a sampler that ends at 0. A last step to 0, in turn, "
        "floors the error of higher orders at first order's."
    ),
    fix="Nothing for pictures. For comparisons let all samplers end at the same level.",
    source="diffusers set_alpha_to_one, final_sigmas_type; Karras et al. 2022 (arXiv 2206.00364)",
)
def ends_above_zero(subject: InspectedCourse) -> Iterator[Finding]:
    """Measure the noise that is left."""
    left = subject.ends_at
    if left > CLEAN:
        yield Finding(
            f"Noise of standard deviation {left:.3g} is left after the last step.",
            subject.num_steps - 1,
        )


@rule(
    "sigma-out-of-range",
    "warning",
    explanation="An evaluation is at a noise level at which the model was never trained.",
    details=(
        "Above the schedule's largest sigma or below its smallest there is no timestep to tell "
        "the network: it gets the nearest, which is wrong, and sees inputs that it never saw. "
        "EDM's own range, 0.002 to 80, is for EDM's networks. Noise added before a step (churn) "
        "also goes beyond."
    ),
    fix="Take sigma_min and sigma_max from the model's schedule; limit churn to sigmas below it.",
    source="Karras et al. 2022 (arXiv 2206.00364), table 1; k-diffusion DiscreteSchedule",
    path="vp",
)
def sigma_out_of_range(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare every sigma with the model's range."""
    trained, sigmas = subject.trained, np.array(subject.course.sigmas)
    beyond = (sigmas > RANGE * trained.sigma_max) | (sigmas < trained.sigma_min / RANGE)
    if beyond.any():
        at = int(np.argmax(beyond))
        yield Finding(
            f"{int(beyond.sum())} of {len(sigmas)} evaluations stand outside"
            f" {trained.sigma_min:.3g} to {trained.sigma_max:.4g}; the first at sigma"
            f" {sigmas[at]:.3g}.",
            int(subject.course.steps[at]),
        )


@rule(
    "large-step",
    "warning",
    explanation="One step cuts the noise to less than a twentieth.",
    details=(
        "A solver's error in a step grows with the logarithm of sigma / sigma_next. From 14.6 to "
        "0.03 are 6.2 units of it; a twentieth is 3, half of the way in one step. The prediction "
        "at its start has no detail of what is visible at its end."
    ),
    fix="More steps, a smoother curve (karras, exponential), or a smaller sigma_max.",
    source="Lu et al. 2022 (arXiv 2206.00927), section 3.4; arXiv 2206.00364, section 3",
    path="vp",
)
def large_step(subject: InspectedCourse) -> Iterator[Finding]:
    """Look for the smallest sigma_next / sigma above 0."""
    levels = subject.levels
    keep = levels[1:] > 0
    if not keep.any():
        return
    ratio = np.where(keep, levels[1:] / levels[:-1], 1.0)
    at = int(np.argmin(ratio))
    if ratio[at] < STRIDE:
        yield Finding(
            f"Step {at} goes from sigma {levels[at]:.3g} to {levels[at + 1]:.3g}, a ratio of"
            f" {ratio[at]:.2g}.",
            at,
        )


@rule(
    "large-last-jump",
    "warning",
    explanation="The last step jumps to 0 from a level at which much noise is left.",
    details=(
        "From sigma to 0 every solver is of first order: the last prediction is the picture. From "
        "a high sigma it is a blurred mean. Spacings that do not reach down end so: trailing and "
        "DPM++'s linspace stand at t = T / N before the end, and so do flow matching's times "
        "where they are even and then shifted."
    ),
    fix="More steps, or a curve that ends lower: karras, linspace, leading.",
    source="Karras et al. 2022 (arXiv 2206.00364), section 3; Lin et al. 2023 (arXiv 2305.08891)",
)
def large_last_jump(subject: InspectedCourse) -> Iterator[Finding]:
    """Look at the last sigma before 0."""
    last, end = subject.levels[-2:]
    if end == 0 and last > LAST_JUMP:
        yield Finding(
            f"The last step goes from {subject.height(last)} to 0 at once.", subject.num_steps - 1
        )


@rule(
    "hidden-latent-scale",
    "note",
    explanation="The scheduler shows VE sigmas but holds VP latents.",
    details=(
        "DPM++, UniPC, DEIS and SASolver keep a table `.sigmas` like Euler's, x = x0 + sigma n, "
        "but their latents are a x0 + b n with a^2 + b^2 = 1. Code that adds sigma times noise, or "
        "divides by sqrt(sigma^2 + 1), is wrong for them by a factor of up to 14.6."
    ),
    fix="Use the scheduler's add_noise and scale_model_input; read init_noise_sigma, not .sigmas.",
    source="diffusers DPMSolverMultistepScheduler._sigma_to_alpha_sigma_t",
    path="vp",
)
def hidden_latent_scale(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the scale of the start with the table of sigmas."""
    scheduler = subject.scheduler
    if scheduler is None or not hasattr(scheduler, "sigmas") or holds_ve(scheduler):
        return
    first = subject.course.sigmas[0]
    if first > 1.5:
        yield Finding(
            f".sigmas starts at {first:.3g}, but the start noise has standard deviation"
            f" {float(scheduler.init_noise_sigma):.3g}.",
            0,
        )


@rule(
    "ve-latents",
    "note",
    explanation="The scheduler holds VE latents, which are not on the scale of DDIM's.",
    details=(
        "Euler, Heun, LMS and KDPM2 hold x0 + sigma n. Latents seen in a callback are up to 14.6 "
        "times as large as those of DDIM or DPM++ at the same timestep; tables and charts of this "
        "laboratory bring them to one scale."
    ),
    fix="Divide by sqrt(sigma^2 + 1) before you compare latents of two schedulers.",
    source="Karras et al. 2022 (arXiv 2206.00364), table 1; diffusers scale_model_input",
    path="vp",
)
def ve_latents(subject: InspectedCourse) -> Iterator[Finding]:
    """Look at the scale of the start."""
    if subject.scheduler is not None and holds_ve(subject.scheduler):
        scale = float(subject.scheduler.init_noise_sigma)
        yield Finding(f"Latents start with standard deviation {scale:.4g}, not 1.", 0)
