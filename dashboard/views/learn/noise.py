"""The stations of the noise: where a run begins, how the noise falls, how the network learnt."""

import math

import streamlit as st

from dashboard.charts import noise as noise_charts
from dashboard.charts.learn import own_loss
from dashboard.shell.navigation import entries
from dashboard.shell.theme import scheduler_color
from dashboard.views.learn.frames import frame_row
from dashboard.views.learn.lesson import Lesson
from dashboard.views.learn.station import Equations, Station, Way
from dashboard.widgets.figure import figure
from dashboard.widgets.run_fields import address_for, experiment_fields
from dashboard.widgets.sampler_rows import write_row


def draw_noise(lesson: Lesson) -> None:
    """Draw the start, and what it became."""
    frame_row(lesson, [("x_t", 0), ("x0_pred", len(lesson.run.trace.kept) - 1)])
    st.caption("Left the start, drawn as a picture; right what the network made of it.")


def noise_equations(lesson: Lesson) -> Equations:
    """Return the start noise with its true mean, spread and norm."""
    start = lesson.run.trace.x_t[0].float()
    mean, std = float(start.mean()), float(start.std(correction=0))
    count, norm = start.numel(), float(start.norm())
    symbols = [
        r"x_T = \epsilon \sim \mathcal{N}(0, I)",
        rf"\lVert x_T \rVert = {norm:.1f} \approx \sqrt{{{count}}} = {math.sqrt(count):.1f}",
    ]
    return symbols, f"Yours: {count:,} numbers of mean {mean:.3f} and spread {std:.3f}."


def _again(lesson: Lesson, **changes: object) -> dict[str, object]:
    """Return the address of the Experiment page with the run's fields, some of them changed."""
    changed = lesson.experiment.with_(**changes)
    return address_for("experiment", experiment_fields(changed), changed)


def try_noise(lesson: Lesson) -> Way:
    """Return the way to the same run with the next seed."""
    seed = lesson.experiment.seed + 1
    return Way(
        f"Take seed {seed} and change nothing else: other noise, another picture of the same "
        "words.",
        "experiment", f"The same with seed {seed}", _again(lesson, seed=seed),
    )  # fmt: skip


def draw_schedule(lesson: Lesson) -> None:
    """Draw how the noise of the run falls."""
    color = scheduler_color(lesson.experiment.solver)
    first, last = (float(lesson.run.steps["sigma"].iloc[place]) for place in (0, -1))
    begin = "noise alone" if math.isinf(first) else f"sigma {first:.3g}"
    figure(
        noise_charts.sigma(lesson.run.steps, "step", color),
        f"Your run goes from {begin} to sigma {last:.3g}: layout first, fine detail last.",
    )


def schedule_equations(lesson: Lesson) -> Equations:
    """Return the mixture and the noise level, with the numbers of the middle evaluation."""
    signal, noise = lesson.mixture()
    sigma = float(lesson.row["sigma"])
    told = (
        f"At evaluation {lesson.number} of your run, timestep {float(lesson.row['timestep']):.4g}."
    )
    numbers = rf"x_t = {signal:.3f}\,x_0 + {noise:.3f}\,\epsilon"
    if lesson.flow:
        mixed, level = r"x_t = (1 - t)\,x_0 + t\,\epsilon", r"\sigma = \frac{t}{1 - t} = "
        return [mixed, level + f"{sigma:.3f}", numbers], told
    bar = signal**2
    return [
        r"x_t = \sqrt{\bar\alpha}\,x_0 + \sqrt{1 - \bar\alpha}\;\epsilon",
        r"\sigma = \sqrt{\frac{1 - \bar\alpha}{\bar\alpha}} = "
        rf"\sqrt{{\frac{{1 - {bar:.3f}}}{{{bar:.3f}}}}} = {sigma:.3f}",
        numbers,
    ], told


def try_schedule(lesson: Lesson) -> Way:
    """Return the way to the run's noise levels beside others."""
    x = lesson.experiment
    rows = [write_row(x.solver, "", x.curve, ""), "DDIMScheduler", "DDIMScheduler + trailing"]
    fields: dict[str, object] = {"schedules.steps": str(min(x.num_steps, 1000))}
    if not lesson.flow:
        fields["schedules.rows"] = list(dict.fromkeys(rows))
    return Way(
        "See your sampler's noise levels beside others of as many steps: they neither start nor "
        "end at the same level.",
        "noise_schedules", "Your noise levels beside others", fields,
    )  # fmt: skip


def draw_training(lesson: Lesson) -> None:
    """Draw the loss of the run's predictions."""
    table = lesson.losses
    if table.empty:
        st.caption("The predictions of this run are its picture: there is no error to draw.")
        return
    figure(
        own_loss(table),
        "Taking your picture for the truth: late the noise is faint, and hard to tell from fine "
        "detail.",
    )


def training_equations(lesson: Lesson) -> Equations:
    """Return the loss that was trained on, with the run's own at the middle evaluation."""
    rows = lesson.losses.set_index("evaluation")["loss"]
    if lesson.flow:
        symbols = [r"\mathcal{L} = \mathrm{mean}\,\lVert (\epsilon - x_0) - v_\theta \rVert^2"]
    else:
        symbols = [
            r"\mathcal{L} = \mathrm{mean}\,\lVert \epsilon - \epsilon_\theta(x_t, t, c) "
            r"\rVert^2",
            r"= \mathrm{SNR}\cdot\mathrm{mean}\,\lVert x_0 - \hat x_0 \rVert^2",
        ]
    if lesson.number not in rows:
        return symbols, ""
    loss = float(rows[lesson.number])
    error = float((lesson.x0_pred - lesson.latents).square().mean())
    signal, noise = lesson.mixture()
    factor = (1 if lesson.flow else signal) / noise
    numbers = rf"= {factor**2:.4g} \cdot {error:.4g} = {loss:.4g}"
    return [*symbols, numbers], f"At evaluation {lesson.number} of your run."


def try_training(lesson: Lesson) -> Way:
    """Return the way to the run's picture with noise, as the network is trained on it."""
    if "training" in entries():
        fields = {"training.from": "Run", "training.run": lesson.run.id}
        if not lesson.flow:
            fields["training.t"] = str(round(float(lesson.row["timestep"])))
        return Way(
            "Hide your picture under noise at a timestep, and see what the network takes for it: "
            "one step of training.",
            "training", "Training on your picture", fields,
        )  # fmt: skip
    return Way(
        "Your picture at every noise level: from such, and the caption, the network learnt to "
        "tell the noise.",
        "noised_images", "Your picture with noise",
        {"noised.from": "Run", "noised.run": lesson.run.id},
    )  # fmt: skip


NOISE = Station(
    "Noise",
    "What is the picture made of?",
    "Of noise: independent normal numbers, drawn from the seed. The network cannot do without "
    "it, for all it can do is to take noise away. With the same words and seed the same picture "
    "comes out.",
    draw_noise,
    noise_equations,
    ("model:StableDiffusion.visits",),
    try_noise,
)
SCHEDULE = Station(
    "Schedule",
    "How much noise is there at each step?",
    "Training mixed noise into pictures at 1,000 levels, the timesteps. A run visits a few of them "
    "from the noisiest down; sigma is how strong the noise is against the picture.",
    draw_schedule,
    schedule_equations,
    ("sampling:Schedule.from_config", "sampling:Schedule.jumps"),
    try_schedule,
)
TRAINING = Station(
    "Training",
    "How did the network learn to do this?",
    "It was shown pictures with noise at a random timestep and their captions, and had to tell the "
    "noise; the mean squared error was made smaller, step by step. It never practised "
    "making a picture. (In your run the prediction is guided, so its loss is not quite the "
    "training's.)",
    draw_training,
    training_equations,
    ("losses:unet_loss", "losses:noised"),
    try_training,
)
