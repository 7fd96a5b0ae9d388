"""What is seen in the charts of a run, a line each, and the theory behind them."""

import math

import pandas as pd

LOG_SNR = "Below 0 noise prevails, above 0 the picture."
MEAN = {
    "x0_pred": "Roughly the brightness and tint of the guess.",
    "x_t": "Noise alone has 0; the picture moves it.",
}
SPREAD = {
    "x0_pred": "It ends at the picture's own spread.",
    "x_t": "Noise alone has 1; the picture changes it.",
}
RANGE = "Least to greatest; guidance widens it."
NORMS = {
    True: "With your words and without: near in length.",
    False: "The length of the prediction.",
}
PUSH = "How far your words push; 0: not at all."
COSINE = "1: there your words change nothing."
MOVED = "How far each evaluation moves the latents."
TURNED = "How sharply the path turns; 0 is straight."

NOISE = (
    r"x_t = \sqrt{\bar\alpha}\,x_0 + \sqrt{1 - \bar\alpha}\;\epsilon",
    r"\sigma = \sqrt{\frac{1 - \bar\alpha}{\bar\alpha}}",
    r"\log \mathrm{SNR} = -2 \ln \sigma",
)
WHY_NOISE = (
    "Sigma is the noise against the picture in what the network is given; with flow matching, "
    "where x_t = (1 - t) x0 + t eps, it is t / (1 - t). Evaluations at high noise decide the "
    "layout, those at low noise the fine detail, so a line tells what the steps are spent on. The "
    "time is that of the network call that served an evaluation, also where other runs shared it; "
    "making attention maps counts too. With guidance, the pair with and without your words counts "
    "as one evaluation."
)
LATENTS = (
    r"\mathrm{var}(x_t) = \bar\alpha\,\mathrm{var}(x_0) + 1 - \bar\alpha",
    r"\text{x0\_pred} \approx \mathrm{E}[x_0 \mid x_t]",
)
WHY_LATENTS = (
    "x_t begins as noise, with mean 0 and spread 1 in each channel, and ends as the picture's "
    "latents. x0_pred is the network's guess of them: a mean over all pictures that the noise "
    "leaves possible. The mean of many is grey and blurred, so its spread is small at first and "
    "grows as fewer are possible. Guidance and large steps widen it further: a spread far above "
    "the picture's own is too much guidance."
)
GUIDANCE = (
    r"\hat\epsilon = \epsilon_\text{uncond} + s\,(\epsilon_\text{cond} - \epsilon_\text{uncond})"
)
WHY_GUIDANCE = (
    "With a scale s, guidance goes s times the way from the prediction without your words to that "
    "with them. At s = 1 it is the latter, and nothing else is computed. Norms are Euclidean, over "
    "all latent values: noise alone of d values has about the root of d. Where the difference is "
    "near 0, guidance hardly changes the picture. With flow matching the "
    "predictions are velocities."
)
PATH = (
    r"\delta_i = \lVert x_{i+1} - x_i \rVert",
    r"\cos \theta_i = \frac{(x_{i+1} - x_i) \cdot (x_i - x_{i-1})}{\delta_i\,\delta_{i-1}}",
)
WHY_PATH = (
    "In the coordinates x_t sqrt(1 + sigma²), with flow matching those of x_t itself, the path is "
    "straight as long as x0_pred stays the same. So a turn is a change of the predicted picture, "
    "or fresh noise of a stochastic solver; a straight piece could be gone in one "
    "step, and a long one is a guess over a long way."
)


def noise_level(sigmas: pd.Series) -> str:
    """Return from which noise level to which a run goes, in its order."""
    first, last = (float(sigmas.iloc[place]) for place in (0, -1))
    if math.isinf(first):
        return f"From noise alone to sigma {last:.3g}."
    return f"From sigma {first:.3g} to {last:.3g}."


def pace(ms: pd.Series) -> str:
    """Return what an evaluation takes, and the slowest."""
    known = ms.dropna()
    if known.empty:
        return "No time was kept."
    return f"{duration(known.median())} each (median), {duration(known.max())} at most."


def duration(ms: float) -> str:
    """Return milliseconds as a person writes them: '10.5 ms', '250 ms', '2.48 s'."""
    if ms < 999.5:
        return f"{ms:.3g} ms"
    seconds = ms / 1000
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:,.0f} s"
