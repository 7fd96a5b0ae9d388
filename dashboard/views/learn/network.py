"""The stations of the network and the solver: what it answers, guidance, the step."""

import math

import streamlit as st

from dashboard.charts import guidance as guidance_charts
from dashboard.charts import path as path_charts
from dashboard.shell.messages import plain
from dashboard.shell.navigation import entries
from dashboard.views.learn.frames import frame_row
from dashboard.views.learn.lesson import Lesson, number
from dashboard.views.learn.station import Equations, Station, Way
from dashboard.widgets.figure import figure
from dashboard.widgets.run_fields import (
    address_for,
    comparison_fields,
    experiment_fields,
    partner,
)
from dashboard.widgets.run_ways import latents_of
from sdlab.sampler_names import titled

TRIED = 10.0
"""The guidance that is to be tried; 1 where the run has as much."""


def draw_network(lesson: Lesson) -> None:
    """Draw what goes into the network at the middle evaluation, and what comes out."""
    names = ("x_t", "eps_pred", "x0_pred")
    frame_row(lesson, [(name, lesson.place) for name in names])
    st.caption("What the network is given, and its answer: the noise, or by subtraction the rest.")


def network_equations(lesson: Lesson) -> Equations:
    """Return x0_pred from eps_pred, with one latent value's numbers."""
    signal, noise = lesson.mixture()
    x, x0 = lesson.at_center(lesson.x_t), lesson.at_center(lesson.x0_pred)
    if not noise:
        return [r"x_t = x_0"], ""
    eps = (x - signal * x0) / noise
    factors = (
        r"a = 1 - t,\quad b = t"
        if lesson.flow
        else r"a = \sqrt{\bar\alpha},\ b = \sqrt{1 - \bar\alpha}"
    )
    return [
        r"\hat x_0 = \frac{x_t - b\,\hat\epsilon}{a}",
        factors,
        rf"\frac{{{x:.3f} - {noise:.3f} \cdot {number(eps)}}}{{{signal:.3f}}} = {x0:.3f}",
    ], f"The value in the middle of channel 0, at evaluation {lesson.number}."


def try_network(lesson: Lesson) -> Way:
    """Return the way into the network, or to its answers step by step."""
    if "network" in entries():
        fields = {"network.run": lesson.run.id, "network.evaluation": str(lesson.number)}
        return Way(
            "Go from block to block: what each makes of your picture at this evaluation, and how "
            "coarse the deepest sees it.",
            "network", "Inside the network, at this evaluation", fields,
        )  # fmt: skip
    return Way(
        "Go through the run: x0_pred is blurred early, when many pictures are possible, and sharp "
        "late.",
        "latents", "This run's predictions", dict(latents_of(lesson.run.id)),
    )  # fmt: skip


def guided(lesson: Lesson) -> bool:
    """Return whether the run has both halves of guidance."""
    return bool(lesson.run.steps["guidance_norm"].notna().any())


def draw_guidance(lesson: Lesson) -> None:
    """Draw how far the words push the prediction."""
    if not guided(lesson):
        st.info("Guidance was off in this run, or its halves are not told apart: one call a step.")
        return
    figure(
        guidance_charts.guidance_norm(lesson.run.steps, "step"),
        "How far your words push the prediction; what they push most, they decide.",
    )


def guidance_equations(lesson: Lesson) -> Equations:
    """Return guidance, with the lengths of its parts at the middle evaluation."""
    symbol = (
        r"\hat\epsilon = \epsilon_u + s\,(\epsilon_c - \epsilon_u)"
        if not lesson.flow
        else r"\hat v = v_u + s\,(v_c - v_u)"
    )
    row, scale = lesson.row, lesson.experiment.guidance_scale
    push = float(row["guidance_norm"])
    if math.isnan(push):
        return [symbol, rf"s = {scale:g}"], ""
    length, kind = float(row["eps_uncond_norm"]), "v" if lesson.flow else r"\epsilon"
    return [
        symbol,
        rf"\lVert {kind}_u \rVert = {length:.2f}",
        rf"s\,\lVert {kind}_c - {kind}_u \rVert = {scale:g} \cdot {push:.2f} = "
        rf"{scale * push:.2f}",
    ], f"At evaluation {lesson.number}; the cosine of both is {float(row['cosine']):.4f}."


def try_guidance(lesson: Lesson) -> Way:
    """Return the way to the same run with other guidance."""
    scale = 1.0 if lesson.experiment.guidance_scale >= TRIED else TRIED
    changed = lesson.experiment.with_(guidance_scale=scale)
    more = "more" if scale > 1 else "no"
    return Way(
        f"Take {more} guidance, scale {scale:g}: the words weigh otherwise, the noise is the same.",
        "experiment", f"The same at scale {scale:g}",
        address_for("experiment", experiment_fields(changed), changed),
    )  # fmt: skip


def draw_solver(lesson: Lesson) -> None:
    """Draw how far each evaluation moves the latents."""
    figure(
        path_charts.displacement(lesson.run.steps, "step"),
        "How far your solver moved at each evaluation; long moves are guesses over a long way.",
    )


def ddim_next(lesson: Lesson) -> tuple[float, float, float, float, float] | None:
    """Return DDIM's step from the middle evaluation to the next, and how far the run's is from it.

    Returns:
        a' and b' of the next level, the value of channel 0 in the middle by DDIM and in the run,
        and the RMS difference over the RMS of the run's x_t; None if there is no next.
    """
    trace, place = lesson.run.trace, lesson.place
    signal, noise = lesson.mixture()
    if place + 1 >= len(trace.kept) or not noise:
        return None
    next_signal, next_noise = lesson.mixture(place + 1)
    eps = (lesson.x_t - signal * lesson.x0_pred) / noise
    by_ddim = next_signal * lesson.x0_pred + next_noise * eps
    own = trace.x_t[place + 1].float()
    apart = float((by_ddim - own).square().mean().sqrt() / own.square().mean().sqrt())
    return next_signal, next_noise, lesson.at_center(by_ddim), lesson.at_center(own), apart


def solver_equations(lesson: Lesson) -> Equations:
    """Return DDIM's step with numbers, and where the run's own solver went."""
    symbol = r"x_{t'} = a'\,\hat x_0 + b'\,\hat\epsilon \quad\text{(DDIM)}"
    found = ddim_next(lesson)
    if found is None:
        return [symbol], ""
    next_signal, next_noise, by_ddim, own, apart = found
    signal, noise = lesson.mixture()
    x0 = lesson.at_center(lesson.x0_pred)
    eps = (lesson.at_center(lesson.x_t) - signal * x0) / noise
    numbers = (
        rf"{next_signal:.3f} \cdot {number(x0)} + {next_noise:.3f} \cdot {number(eps)} = "
        rf"{by_ddim:.3f}"
    )
    name = plain(titled(lesson.experiment.solver))
    return [symbol, numbers], (
        f"The value in the middle of channel 0, after evaluation {lesson.number}. {name} went to "
        f"{own:.3f}; over all values its next x_t is {apart:.2%} from DDIM's."
    )


def try_solver(lesson: Lesson) -> Way:
    """Return the way to a comparison of the run's solver with another."""
    other = titled(partner(lesson.experiment))
    fields = address_for("compare", comparison_fields(lesson.experiment), lesson.experiment)
    return Way(
        f"Compare your solver with {other} at equal evaluations, from the same noise.",
        "compare", f"Compare with {other}", fields,
    )  # fmt: skip


NETWORK = Station(
    "U-Net",
    "What does the network answer?",
    "It is given the noisy latents, the timestep and the words' vectors, and says what of the "
    "latents is noise. Levels shrink the latents to see the whole, and widen them again; skips "
    "carry the detail across. What is left without the noise is its guess of the picture.",
    draw_network,
    network_equations,
    ("unet:UNet.forward",),
    try_network,
)
GUIDANCE = Station(
    "Guidance",
    "Why does the picture follow the words so closely?",
    "Because it is made to: at each evaluation the network is asked with your words (c) and "
    "without (u), and the difference is multiplied by the scale s. Too much of it makes glaring, "
    "uniform pictures.",
    draw_guidance,
    guidance_equations,
    ("sampling:guided",),
    try_guidance,
)
SOLVER = Station(
    "Solver",
    "How does it get from one noise level to the next?",
    "The guess of the picture and the guess of the noise are mixed again, with less noise. That is "
    "DDIM's step; solvers of higher order also use earlier or further predictions, since "
    "the guess changes on the way.",
    draw_solver,
    solver_equations,
    ("sampling:ddim_step",),
    try_solver,
)
