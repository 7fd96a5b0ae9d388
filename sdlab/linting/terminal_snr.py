"""Rules about the terminal SNR: what is left of the picture at the last training timestep."""

from collections.abc import Iterator

from sdlab.linting.inspected_course import InspectedCourse
from sdlab.linting.registry import Finding, rule

# alpha_bar below which the picture counts as gone (sigma 1000).
GONE = 1e-6
PAPER = "Lin et al. 2023 (arXiv 2305.08891)"


def _is_zero(subject: InspectedCourse) -> bool:
    return float(subject.schedule.alpha_bar[-1]) < GONE


@rule(
    "terminal-snr",
    "note",
    explanation="At the schedule's last timestep some of the picture is left.",
    details=(
        "Training at the last timestep showed the network a rest of the picture, sqrt(alpha_bar) "
        "of it; sampling starts from noise without it. The network takes the noise's mean for "
        "the picture's, so pictures come out of medium brightness, never all dark or all bright."
    ),
    fix="A model trained with zero terminal SNR, offset noise, or none: it is how the model is.",
    source=f"{PAPER}, section 3.1 and table 1",
    path="vp",
)
def terminal_snr(subject: InspectedCourse) -> Iterator[Finding]:
    """Look at the last alpha_bar."""
    if _is_zero(subject):
        return
    schedule = subject.schedule
    bar = float(schedule.alpha_bar[-1])
    yield Finding(
        f"alpha_bar of t={schedule.num_timesteps - 1} is {bar:.3g}: sigma {schedule.sigma_max:.4g},"
        f" and {bar**0.5:.1%} of the picture's amplitude is left where sampling starts from none."
    )


@rule(
    "sigma-clamped",
    "warning",
    explanation="The infinite sigma of zero terminal SNR is replaced by a large finite one.",
    details=(
        "With alpha_bar = 0 sigma is infinite. diffusers' Euler, DPM++ and UniPC put alpha_bar = "
        "2^-24 in its place, which is sigma 4096; so do solvers of ours. The first step then spans "
        "a ratio of hundreds in sigma, in which the order of a method means nothing."
    ),
    fix="It works with v-prediction and trailing spacing; do not read the first step's sigma as "
    "the schedule's.",
    source="diffusers EulerDiscreteScheduler.__init__, rescale_betas_zero_snr",
    path="vp",
)
def sigma_clamped(subject: InspectedCourse) -> Iterator[Finding]:
    """Look for a course that visits the clamped level."""
    course = subject.course
    own = subject.scheduler is None or hasattr(subject.scheduler, "sigmas")
    if float(subject.schedule.alpha_bar[-1]) < 1e-12 and own and course.sigmas[0] > 1000.0:
        follows = f", the next at {course.sigmas[1]:.3g}" if course.nfe > 1 else ""
        yield Finding(
            f"The first evaluation stands at sigma {course.sigmas[0]:.4g} for infinity{follows}.",
            0,
        )


@rule(
    "zero-snr-epsilon",
    "error",
    explanation="Zero terminal SNR is used with a model that predicts the noise.",
    details=(
        "At alpha_bar = 0 the input is the noise, so its prediction says nothing of the picture, "
        "and x0 = (x - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar) divides by zero. DDIM gives NaN "
        "or infinity; those that clamp sigma multiply the network's error by 4096."
    ),
    fix="Use a model with v-prediction, or leave rescale_betas_zero_snr at False.",
    source=f"{PAPER}, section 3.2",
    path="vp",
)
def zero_snr_epsilon(subject: InspectedCourse) -> Iterator[Finding]:
    """Look for epsilon prediction where the course starts at zero SNR; run its first step."""
    starts = subject.course.timesteps[0] >= subject.schedule.num_timesteps - 1
    if not (_is_zero(subject) and subject.prediction_type == "epsilon" and starts):
        return
    done = subject.rehearsal
    if done.broken_at == 0:
        what = "the first step divides by zero and is not finite"
    else:
        what = f"an error of the first prediction is multiplied by {subject.course.sigmas[0]:.4g}"
    yield Finding(f"prediction_type is 'epsilon' at alpha_bar 0: {what}.", 0)


@rule(
    "zero-snr-spacing",
    "warning",
    explanation="The schedule has zero terminal SNR, but sampling does not start there.",
    details=(
        "The rescaled schedule makes pure noise a state that the network knows, at the last "
        "timestep only. A spacing that starts lower gives pure noise with a level at which the "
        "network expects a picture in it, and the whole gain is lost."
    ),
    fix='Use timestep_spacing="trailing".',
    source=f"{PAPER}, section 3.3",
    path="vp",
)
def zero_snr_spacing(subject: InspectedCourse) -> Iterator[Finding]:
    """Look whether the first timestep is the last of the training."""
    last = subject.schedule.num_timesteps - 1
    first = subject.course.timesteps[0]
    if _is_zero(subject) and first < last - 0.5:
        yield Finding(f"Sampling starts at t={first:.0f}; only t={last} has zero SNR.", 0)


@rule(
    "zero-snr-guidance",
    "note",
    explanation="Zero terminal SNR is used with guidance that is not rescaled.",
    details=(
        "A model that can reach every brightness overexposes under classifier-free guidance: the "
        "guided prediction has a larger spread than the conditional one. Rescaling brings the "
        "spread back; 0.7 is the paper's choice."
    ),
    fix="Set guidance_rescale to about 0.7.",
    source=f"{PAPER}, section 3.4",
    path="vp",
)
def zero_snr_guidance(subject: InspectedCourse) -> Iterator[Finding]:
    """Look at the guidance, if it is known."""
    scale, rescale = subject.request.guidance_scale, subject.request.guidance_rescale
    if _is_zero(subject) and scale is not None and scale > 1 and rescale == 0:
        yield Finding(f"guidance_scale is {scale:g} and guidance_rescale 0.")
