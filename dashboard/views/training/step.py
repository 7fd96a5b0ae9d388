"""The forward and the reverse step in symbols and, with the chosen timestep, in numbers."""

import math
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.views.training import seen
from dashboard.views.training.form import Asked
from dashboard.views.training.work import look_at
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.objective.chain import ReverseStep, StepNumbers
    from sdlab.objective.looking import Look

VARIANCES = {
    "fixed_small": "fixed small, beta_tilde",
    "fixed_large": "fixed large, beta",
    "learned_range": "learned, at v",
}
NEAR = 0.95
"""From this share on the two variances make hardly a difference."""
MEAN = (
    r"\tilde\mu_t &= \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1 - \bar\alpha_t}\,x_0 + "
    r"\frac{\sqrt{1 - \beta_t}\,(1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}\,x_t"
)


def show(page: str, asked: Asked, model: ModelView) -> None:
    """Draw the section."""
    found = look_at(page, asked, model)
    if found is None:
        return
    if asked.level.path == "flow":
        _flow(asked, found.look)
        return
    from sdlab.objective.chain import reverse_step, step_numbers

    numbers = step_numbers(asked.schedule, asked.level.timestep)
    _place(found.look)
    st.header("Forward: noise is added", anchor=False)
    st.latex(aligned(forward(numbers, found.look)))
    st.header("Back: the mean", anchor=False)
    back = reverse_step(asked.schedule, found.look)
    st.latex(aligned(backward(numbers, found.look, back)))
    _variances(page, asked, numbers, found.look)


def _place(look: "Look") -> None:
    height, width = look.x0.shape[2:]
    st.caption(
        f"The numbers of one latent value, channel 0 at row {height // 2}, column {width // 2}; "
        "the network asked with the caption."
    )


def middle(x: "Tensor") -> float:
    """Return the value in the middle of channel 0."""
    return float(x[0, 0, x.shape[2] // 2, x.shape[3] // 2])


def aligned(lines: list[str]) -> str:
    """Return lines as one equation, aligned at their ampersands."""
    return r"\begin{aligned} " + r" \\ ".join(lines) + r" \end{aligned}"


def forward(n: "StepNumbers", look: "Look") -> list[str]:
    """Return the forward step and the jump from x0, in symbols and in numbers."""
    signal, noise = n.alpha_bar**0.5, (1 - n.alpha_bar) ** 0.5
    x0, eps, x_t = (middle(x) for x in (look.x0, look.noise, look.x_t))
    return [
        rf"\beta_t &= {n.beta:.6f},\qquad \bar\alpha_t = {n.alpha_bar:.5f},\qquad "
        rf"\bar\alpha_{{t-1}} = {n.alpha_bar_before:.5f}",
        r"x_t &= \sqrt{1 - \beta_t}\,x_{t-1} + \sqrt{\beta_t}\;\epsilon'",
        rf"&= {(1 - n.beta) ** 0.5:.5f}\,x_{{t-1}} + {n.beta**0.5:.5f}\,\epsilon'",
        r"x_t &= \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\;\epsilon",
        rf"&= {signal:.4f} \cdot {_signed(x0)} + {noise:.4f} \cdot {_signed(eps)} = {x_t:.4f}",
    ]


def backward(n: "StepNumbers", look: "Look", back: "ReverseStep") -> list[str]:
    """Return the posterior's mean with the true x0 and with the network's, in numbers."""
    x0, x_t = middle(look.x0), middle(look.x_t)
    answer = look.answers["caption"]
    guess, eps = middle(answer.x0_pred), middle(answer.eps_pred)
    inverse = (1 - n.beta) ** -0.5
    return [
        MEAN,
        rf"&= {n.of_x0:.5f} \cdot {_signed(x0)} + {n.of_x_t:.5f} \cdot {_signed(x_t)} = "
        rf"{middle(back.posterior):.4f}",
        rf"\mu_\theta &= {n.of_x0:.5f} \cdot {_signed(guess)} + {n.of_x_t:.5f} \cdot "
        rf"{_signed(x_t)} = {middle(back.predicted):.4f}",
        r"&= \frac{1}{\sqrt{1 - \beta_t}}\left(x_t - "
        r"\frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}\,\epsilon_\theta\right)",
        rf"&= {inverse:.5f}\,({_bare(x_t)} - {n.of_eps:.5f} \cdot {_signed(eps)}) = "
        rf"{inverse * (x_t - n.of_eps * eps):.4f}",
    ]


def _variances(page: str, asked: Asked, n: "StepNumbers", look: "Look") -> None:
    from dashboard.charts import training as charts
    from sdlab.objective.chain import chain, reverse_step

    st.header("Back: the variance", anchor=False)
    v = bound().slider(
        "v of a learned variance", 0.0, 1.0, 0.5, 0.05, key=f"{page}.v",
        help="0 is beta_tilde, 1 is beta. Stable Diffusion learned none; here it is tried.",
    )  # fmt: skip
    back = reverse_step(asked.schedule, look, v=float(v))
    st.latex(aligned(variance_lines(n, float(v))))
    whole = chain(asked.schedule)
    st.markdown(learned_or_fixed(n, float(whole.beta_tilde[1] / whole.beta[1])))
    rows = table(n, back, float(v))
    csv_table(
        rows, f"ddpm-step-t{n.timestep}", f"{page}.csv_step",
        "The variances, and the bound's term of this step.",
        {name: st.column_config.NumberColumn(name, format="%.5g") for name in rows.columns[1:]},
    )  # fmt: skip
    places = sorted({round(1.03**k) for k in range(240) if 1.03**k < len(whole) - 1})
    both = {"beta": whole.beta[places].numpy(), "beta_tilde": whole.beta_tilde[places].numpy()}
    figure(
        charts.variances(pd.DataFrame({"timestep": places, **both}), n.timestep),
        seen.VARIANCES,
        alt="The smaller variance of a step back over the larger, at each timestep",
    )
    why(seen.WHY_STEP)


def learned_or_fixed(n: "StepNumbers", at_one: float) -> str:
    """Return in sentences what learning the variance could change at this timestep.

    Args:
        n: The timestep's numbers.
        at_one: beta_tilde over beta at t = 1, where they differ most.
    """
    ratio = n.beta_tilde / n.beta
    much = "so there is little to learn" if ratio > NEAR else "so here it matters which is taken"
    return (
        f"**Learned or fixed?** At t = {n.timestep} beta_tilde is {ratio:.2%} of beta, and a "
        f"learned variance lies between the two, {much}. At t = 1 it is {at_one:.0%}. DDPM fixes "
        "the variance; Improved DDPM learns v, which betters the likelihood, since the bound "
        "counts the last steps most, and lets pictures be drawn in fewer steps."
    )


def variance_lines(n: "StepNumbers", v: float) -> list[str]:
    """Return the two variances and the one between them, in numbers."""
    small = (
        rf"\tilde\beta_t &= \frac{{1 - \bar\alpha_{{t-1}}}}{{1 - \bar\alpha_t}}\,\beta_t = "
        rf"\frac{{1 - {n.alpha_bar_before:.5f}}}{{1 - {n.alpha_bar:.5f}}} \cdot {n.beta:.6f} = "
        rf"{n.beta_tilde:.6f}"
    )
    between = (
        r"\Sigma_\theta &= \exp\left(v \log \beta_t + (1 - v) \log \tilde\beta_t\right) = "
        rf"{n.learned(v):.6f}"
    )
    return [small, between]


def table(n: "StepNumbers", back: "ReverseStep", v: float) -> pd.DataFrame:
    """Return the three variances of the step back with the bound's term of each."""
    found = {
        "fixed_small": n.beta_tilde,
        "fixed_large": n.beta,
        "learned_range": n.learned(v),
    }
    return pd.DataFrame(
        [
            {
                "variance": VARIANCES[kind], "value": value, "std": math.sqrt(value),
                "term (nats per value)": back.terms[kind],
            }
            for kind, value in found.items()
        ]
    )  # fmt: skip


def _flow(asked: Asked, look: "Look") -> None:
    before = asked.level.timestep - 1
    from sdlab.objective.quantities import level_at

    after = level_at(asked.schedule, before).time if before >= 0 else 0.0
    _place(look)
    st.latex(aligned(flow_lines(asked.level.time, after, look)))
    st.caption(
        "Flow matching adds no noise on the way back: a step follows the velocity.",
        help="There is no chain of DDPM steps, so no posterior and no variance; the step is "
        "Euler's from t to the training time before it.",
    )


def flow_lines(time: float, after: float, look: "Look") -> list[str]:
    """Return flow matching's forward mix, velocity and Euler step, in symbols and in numbers."""
    x0, eps, x_t = (middle(x) for x in (look.x0, look.noise, look.x_t))
    said = middle(look.predicted("caption"))
    return [
        r"x_t &= (1 - t)\,x_0 + t\,\epsilon",
        rf"&= {1 - time:.4f} \cdot {_signed(x0)} + {time:.4f} \cdot {_signed(eps)} = {x_t:.4f}",
        rf"u &= \epsilon - x_0 = {_bare(eps)} - {_signed(x0)} = {eps - x0:.4f}",
        rf"u_\theta &= {said:.4f}",
        r"x_{t'} &= x_t - (t - t')\,u_\theta",
        rf"&= {_bare(x_t)} - {time - after:.4f} \cdot {_signed(said)} = "
        rf"{x_t - (time - after) * said:.4f}",
    ]


def _signed(value: float) -> str:
    return f"({value:.4f})" if value < 0 else f"{value:.4f}"


def _bare(value: float) -> str:
    return f"{value:.4f}"
