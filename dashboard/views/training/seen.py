"""What is seen on the Training page, a line each, and the theory behind it."""

LOSS = (
    r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\;\epsilon",
    r"L_\text{simple} = \mathbb{E}_{x_0, \epsilon, t}\,"
    r"\lVert \epsilon - \epsilon_\theta(x_t, t, c) \rVert^2",
)
FLOW_LOSS = (
    r"x_t = (1 - t)\,x_0 + t\,\epsilon",
    r"L = \mathbb{E}_{x_0, \epsilon, t}\,\lVert (\epsilon - x_0) - u_\theta(x_t, t, c) \rVert^2",
)
WHY_LOSS = (
    "Training repeats this step millions of times: a picture, its caption c, a timestep t and "
    "noise are drawn, and the weights move so that the mean of the squared differences falls. "
    "Noise cannot be guessed exactly, so the loss never reaches 0: the best network answers with "
    "the mean of all noises that x_t leaves possible. The caption narrows these down, so the loss "
    "with it is lower; one caption in ten was left out in training, so that guidance has a network "
    "that also answers without (Ho, Salimans 2022, arXiv 2207.12598)."
)
OVER_T = "Noise is hard to guess where there is little of it; the gap is what the caption tells."
FLOW_OVER_T = "Hardest at both ends of t; the gap is what the caption tells."
WEIGHTS = "The bound counts the finest noise most; the simple loss counts every timestep alike."
FLOW_WEIGHTS = "The bound counts the finest noise most; the simple loss counts every t alike."
BOUND = (
    r"L_t = \tfrac{1}{2}\left(\mathrm{SNR}(t-1) - \mathrm{SNR}(t)\right)"
    r"\lVert x_0 - x_{0,\theta} \rVert^2",
    r"= \frac{\beta_t^2}{2 \tilde\beta_t\, \alpha_t (1 - \bar\alpha_t)}"
    r"\lVert \epsilon - \epsilon_\theta \rVert^2,\qquad \mathrm{SNR} = 1 / \sigma^2",
)
WHY_WEIGHTS = (
    "The variational bound on the likelihood (DDPM eq. 5) is a sum of such terms, so its own "
    "weight of each timestep follows. DDPM left the weight out: all timesteps count alike in "
    "eps, which moves effort away from noise too faint to see and made better pictures, if a "
    "worse likelihood (Ho et al. 2020, arXiv 2006.11239, section 3.4). Min-SNR caps what low noise "
    "counts in the error of x0 at gamma (Hang et al. 2023, arXiv 2303.09556). Each curve is "
    "divided by its mean, so that only shapes are compared."
)
VARIANCES = "They differ only in the first steps, where the picture's finest detail is decided."
WHY_STEP = (
    "The forward step is chosen, not learned. If x0 were known, the step back would be a Gaussian "
    "too, with the posterior's mean and variance beta_tilde (DDPM eq. 7). The network puts its "
    "guess in the place of x0. The best variance then lies between beta_tilde, right for a single "
    "point as data, and beta, right for data that are noise themselves; Improved DDPM learns v, "
    "its place between the two on a log scale (Nichol, Dhariwal 2021, arXiv 2102.09672, eq. 15). "
    "The term of the bound is the divergence of the two Gaussians: the cost of this guess, in "
    "nats per latent value. At t = 0 it is a density of the latents themselves, and may be "
    "negative."
)
WHY_FOUR = (
    "x_t is known, so any one of the four decides the others, and their errors are the same error "
    "on different scales. That scale is what matters: where an error of x0 is multiplied by 1 / "
    "sigma, squaring eps counts low noise most; squaring x0 counts high noise most; v and the "
    "velocity never fall below either. So the choice of what to predict is a choice of weights "
    "(Salimans, Ho 2022, arXiv 2202.00512)."
)
FOUR_ROWS = "One error on four scales: each row follows from any other."
