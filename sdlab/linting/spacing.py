"""Rules about spacing: where the steps start, where each ends, and where img2img starts."""

from collections.abc import Iterator

import numpy as np

from sdlab.linting.inspected_course import InspectedCourse
from sdlab.linting.registry import Finding, rule
from sdlab.linting.rehearsal import SIDE, SIGNAL
from sdlab.noise.flow import sigma_to_time

# ln sigma by which a step may miss: for rounding, and for the chance in 4,096 samples of noise.
EXACT, NOISY = 1e-3, 0.06
FULL_START, FULL_TIME = 0.9, 0.99
SCALE = 0.005
STRENGTH = 0.5


@rule(
    "spacing-mismatch",
    "warning",
    explanation="Steps end at another timestep than the next evaluation's.",
    details=(
        "DDIM and PNDM in diffusers do not look up the next timestep: they step to t - T // N. "
        "With leading spacing that is the next one. With linspace, or with trailing where N does "
        "not divide T, it is not: the network is then told a noise level that the latents do not "
        "have, and the error does not fall with the order of the method. T // N is rounded "
        "down, so the more steps, the larger the share of each that is missed: of 1,000 timesteps "
        "in 256 steps each goes 3 instead of 3.9, and the error grows again."
    ),
    fix="Use leading spacing, trailing with a step count that divides T, or a solver that walks "
    "the table itself: ddim, euler, DPMSolverMultistepScheduler.",
    source="diffusers issues 11347 and 12633",
)
def spacing_mismatch(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the level at which each call really ends with the next evaluation's."""
    if subject.scheduler is None:
        return
    bad, found, wanted = _misses(subject)
    if len(bad) == 0:
        return
    worst = bad[np.argmax(np.abs(np.log(found[bad] / wanted[bad])))]
    really, asked = subject.schedule.told_timestep([found[worst], wanted[worst]])
    yield Finding(
        f"{len(bad)} of {len(wanted)} transitions miss the next timestep; the worst ends at"
        f" t={really:.0f} ({subject.height(found[worst])}) where the next evaluation stands at"
        f" t={asked:.0f} ({subject.height(wanted[worst])}).",
        int(subject.course.steps[worst]),
    )


@rule(
    "solver-off-level",
    "error",
    explanation="The solver asks for a prediction at a sigma that its x does not have.",
    details=(
        "On data of one point the noise in x can be measured. A solver whose x holds another "
        "noise level than the sigma it yields shows the network inputs that it was never trained "
        "on; the usual cause is a slip in the update formula or a missing or doubled noise term."
    ),
    fix="Check the update: after a step, x must be x0 + sigma_next n, and the yield must say "
    "sigma_next.",
    source="Karras et al. 2022 (arXiv 2206.00364), eq. 1",
)
def solver_off_level(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the level of every x of a solver of ours with the sigma that it yields."""
    if subject.scheduler is not None:
        return
    bad, found, wanted = _misses(subject)
    if len(bad):
        at = bad[0]
        yield Finding(
            f"{len(bad)} of {len(wanted)} times x holds another noise level than it should; first"
            f" at evaluation {at + 1}: sigma {found[at]:.3g} for {wanted[at]:.3g}.",
            int(subject.course.steps[at]),
        )


def _misses(subject: InspectedCourse) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which calls end at another level than the next evaluation's, and both levels."""
    done = subject.rehearsal
    wanted = np.array(subject.course.sigmas[1:])
    found = np.array(done.ends[: len(wanted)])
    wanted = wanted[: len(found)]
    if not len(found):
        return np.array([], dtype=int), found, wanted
    share = np.array(done.injected[: len(found)])
    # Of much fresh noise the picture's share is known to sigma / (SIDE SIGNAL) only.
    noisy = NOISY + 3.0 * wanted / (SIDE * SIGNAL)
    limit = np.where(np.maximum.accumulate(share) > 1e-2, noisy, EXACT)
    with np.errstate(divide="ignore"):
        off = np.abs(np.log(found) - np.log(wanted)) > limit
    return np.flatnonzero(off), found, wanted


@rule(
    "starts-below-training",
    "warning",
    explanation="The first evaluation is well below the largest noise level of the training.",
    details=(
        "At the first evaluation the latents are pure noise, but the network is told of a level at "
        "which training showed it a rest of the picture. Low frequencies, the mean brightness "
        "above all, are taken for part of the picture. Leading spacing starts at t = T - T // N."
    ),
    fix='Use timestep_spacing="trailing" or "linspace", or more steps.',
    source="Lin et al. 2023 (arXiv 2305.08891), section 3.3 and table 2",
)
def starts_below_training(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the first sigma with the schedule's last."""
    first, top = float(max(subject.course.sigmas)), subject.trained.sigma_max
    if subject.path == "flow":
        time = float(sigma_to_time(first))
        if time < FULL_TIME:
            yield Finding(
                f"The first evaluation stands at t {time:.3g}, where training showed"
                f" {1.0 - time:.1%} of the picture; the start noise has none.",
                0,
            )
    elif first < FULL_START * top:
        yield Finding(
            f"The first evaluation stands at sigma {first:.3g} (t="
            f"{subject.course.timesteps[0]:.0f}); training went up to {top:.3g} (t="
            f"{subject.trained.num_timesteps - 1}).",
            0,
        )


@rule(
    "start-scale",
    "note",
    explanation="The start noise is scaled for another level than that of the first evaluation.",
    details=(
        "Pipelines start from pure noise brought to the variance of noise and picture together: "
        "1 in VP coordinates, sigma^2 + 1 in VE. There is no picture in it, so the noise is more "
        "than the level says, the more the lower the first sigma is."
    ),
    fix="Harmless by itself; it goes away with a start at the largest sigma.",
    source="diffusers EulerDiscreteScheduler.init_noise_sigma; arXiv 2305.08891",
    path="vp",
)
def start_scale(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the noise really put into the start with the first sigma's."""
    sigma = subject.first_sigma
    if subject.scheduler is None:
        given, wanted, what = float(np.hypot(sigma, 1.0)), sigma, "sigma"
    else:
        given = float(subject.scheduler.init_noise_sigma)
        wanted = sigma if given > 1.0 else sigma / float(np.hypot(sigma, 1.0))
        what = "sigma" if given > 1.0 else "the noise's share"
    excess = given / wanted - 1.0
    if abs(excess) > SCALE:
        yield Finding(
            f"The start noise has standard deviation {given:.4g} where {what} is {wanted:.4g}:"
            f" {abs(excess):.1%} {'more' if excess > 0 else 'less'}.",
            0,
        )


@rule(
    "leading-offset",
    "warning",
    explanation="Leading spacing is used without the offset of 1 that Stable Diffusion expects.",
    details=(
        "The original Stable Diffusion code adds 1 to its leading timesteps. Without it the last "
        "evaluation stands at t = 0, where the original's stands at t = 1, and all others one "
        "timestep lower."
    ),
    fix="Set steps_offset=1, or use trailing spacing.",
    source="CompVis/stable-diffusion make_ddim_timesteps; diffusers deprecation of steps_offset!=1",
    path="vp",
)
def leading_offset(subject: InspectedCourse) -> Iterator[Finding]:
    """Look at the last timestep of leading spacing if the model needs an offset."""
    config, model = subject.config, subject.request.config
    stable = model.get("beta_schedule") == "scaled_linear"
    expected = model.get("steps_offset") == 1 or stable
    spacing = subject.request.curve or config.get("timestep_spacing", "leading")
    if expected and spacing == "leading" and subject.course.timesteps[-1] == 0:
        if not (config.get("steps_offset") or 0):
            yield Finding(
                "steps_offset is 0, so the last evaluation stands at t=0, not at t=1.",
                subject.num_steps - 1,
            )


@rule(
    "img2img-start",
    "note",
    explanation="Image-to-image at strength 0.5 starts far from half of the timesteps.",
    details=(
        "diffusers' img2img skips the first evaluations of the table: it starts at index "
        "(N - N * strength) * order. Where the table is not even in timesteps (Karras), or has "
        "more entries than steps (PNDM's Runge-Kutta start), the same strength adds another amount "
        "of noise than it does with DDIM."
    ),
    fix="Choose the strength by the noise level at which it starts, not by its number.",
    source="diffusers StableDiffusionImg2ImgPipeline.get_timesteps",
)
def img2img_start(subject: InspectedCourse) -> Iterator[Finding]:
    """Look up where strength 0.5 starts, and compare with half of T."""
    course = subject.course
    if subject.scheduler is None or subject.num_steps < 2:
        return
    steps = subject.num_steps
    index = (steps - min(int(steps * STRENGTH), steps)) * subject.scheduler.order
    if index >= course.nfe:
        return
    total = subject.schedule.num_timesteps
    t, half = course.timesteps[index], STRENGTH * total
    if abs(t - half) > 1.5 * total / steps + 1:
        yield Finding(
            f"Strength 0.5 starts at t={t:.0f} ({subject.sigma_from(index)}), {course.nfe - index}"
            f" evaluations before the end; half of the timesteps would be t={half:.0f}.",
            int(course.steps[index]),
        )
