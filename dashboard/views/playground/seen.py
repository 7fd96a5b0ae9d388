"""What is seen on the Playground page, a line each, and the theory behind it."""

TRUTH = "What the network is to learn: it sees only points, never their law."
CLOUD = "Grey: points of the truth. Orange: what the network makes of noise."
FIELD = "Each line starts at a noisy point and goes a sixth of the way to its x0_pred."
LOSS = "Falls fast, then flattens above 0: part of the noise can never be known."
DISTANCES = "Best is as near as the truth is to itself; right of the Gaussian, little was learned."
ABOUT_DISTANCE = (
    "Both clouds are seen from 32 directions; from each, the mean way that the mass has to go from "
    "one to the other, in standard deviations. The interval is over 16 batches of 500 points: how "
    "well this network's distance is known, not how another seed's training would end."
)
PREDICTIONS = {
    "epsilon": "noise (eps)",
    "sample": "points (x0)",
    "v_prediction": "v",
    "flow": "velocity (flow)",
}
EQUATIONS = (
    r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\;\epsilon \quad\text{or}\quad "
    r"x_t = (1 - t)\,x_0 + t\,\epsilon",
    r"\min_\theta\; \mathbb{E}\,\lVert \text{target} - f_\theta(x_t, t) \rVert^2",
)
WHY = """
**The same as Stable Diffusion, in two dimensions.** Points take the place of latents, three layers
of 128 the place of the U-Net. A point is drawn, noise is mixed in, the network is told the time and
says what it is asked for; the weights move to make its squared error smaller. Nothing else is
learned, and yet noise then finds its way back to the data.

**Why no error of 0.** Many points and noises give the same x_t. The best answer is the mean of all
that are possible, so x0_pred lies between the data while there is much noise, and the lines point
to the middle. With less noise they part towards the nearest arm.

**What to try.** Flow in the place of eps, whose paths are straighter: also with 5 sampling steps.
The scalar embedding tells the time by one number: is it enough? Tanh and sigmoid against SiLU. A
spiral needs more training than two moons. One seed's answer need not be another's: the
manual's docs/activations.md has the figures of several, with intervals.
"""
