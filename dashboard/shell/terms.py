"""The words of the pages with their definitions; ``glossary`` finds them in texts."""

from typing import NamedTuple


class Term(NamedTuple):
    """A word with its meaning.

    Attributes:
        name: As the pages write it.
        group: What it belongs to, a heading of the Glossary.
        symbol: In equations, LaTeX; "" if it has none.
        meaning: One to three plain sentences.
        pages: Those on which it is seen, by name.
        words: Patterns of the words by which it is recognised in a text; empty for a word that
            is too common to be told everywhere.
    """

    name: str
    group: str
    symbol: str
    meaning: str
    pages: tuple[str, ...]
    words: tuple[str, ...] = ()


NOISE, NETWORK, SOLVERS = "Noise", "Network and prediction", "Solvers and schedules"
WORDS, PICTURE, MEASURES = "Words and attention", "Latents and pictures", "Measures"

TERMS = (
    Term(
        "x0", PICTURE, "x_0",
        "The clean latents: a picture as the VAE encodes it, without noise.",
        ("latents", "noised_images"),
    ),
    Term(
        "x_t", NOISE, r"x_t",
        "The noisy latents that the network is given: sqrt(alpha_bar) of the picture's latents "
        "plus sqrt(1 - alpha_bar) of noise. All tables and charts have it so (VP), whatever the "
        "solver computes in; noise alone then has spread 1.",
        ("run", "latents", "compare"), (r"x_t",),
    ),
    Term(
        "eps", NOISE, r"\epsilon",
        "The noise that was mixed into the picture: independent normal numbers of mean 0 and "
        "spread 1. eps_pred is what the network takes for it.",
        ("run", "latents"), (r"eps(?:_pred)?",),
    ),
    Term(
        "sigma", NOISE, r"\sigma",
        "The noise level: how strong the noise is against the picture, sqrt((1 - alpha_bar) / "
        "alpha_bar). Stable Diffusion was trained from 14.6, hardly any picture, to 0.03.",
        ("noise_schedules", "run"), (r"sigma", r"noise levels?"),
    ),
    Term(
        "timestep", NOISE, "t",
        "The noise level as the network is told it: a number from 999, nearly noise alone, to 0, "
        "nearly the picture. It is not the step of a solver: 20 steps visit 20 of the 1,000.",
        ("noise_schedules", "training"), (r"timesteps?",),
    ),
    Term(
        "alpha_bar", NOISE, r"\bar\alpha_t",
        "How much of x_t's variance is picture, from 1 (all) to 0 (none): 1 / (1 + sigma²).",
        ("noise_schedules", "ddim"), (r"alpha_bar",),
    ),
    Term(
        "SNR", NOISE, r"\mathrm{SNR}",
        "Signal-to-noise ratio, alpha_bar / (1 - alpha_bar) = 1 / sigma². Its logarithm, log-SNR, "
        "is 0 where picture and noise are equally strong; in decibels it is -20 log10 sigma.",
        ("noise_schedules", "noised_images", "run"), (r"(?:log-)?SNR", r"signal-to-noise ratio"),
    ),
    Term(
        "VP", NOISE, r"x_t = \sqrt{\bar\alpha}\,x_0 + \sqrt{1 - \bar\alpha}\,\epsilon",
        "Variance preserving: the picture is made weaker as noise is added, so that the sum keeps "
        "spread 1. The networks of Stable Diffusion 1.x, 2.x and XL are given x_t so.",
        ("compare", "ddim"), (r"VP",),
    ),
    Term(
        "VE", NOISE, r"x = x_0 + \sigma \epsilon",
        "Variance exploding: noise is added to the picture as it is, so the spread grows with "
        "sigma. Many solvers compute so; dividing by sqrt(1 + sigma²) gives VP.",
        ("solver_bench", "ddim"), (r"VE",),
    ),
    Term(
        "flow matching", NOISE, r"x_t = (1 - t)\,x_0 + t\,\epsilon",
        "A straight mixture of picture and noise, with a time t from 1 (noise) to 0 (picture). "
        "Stable Diffusion 3 and Flux are trained so, and predict a velocity.",
        ("noised_images", "compare"), (r"flow[- ]matching", r"flow time"),
    ),
    Term(
        "x0_pred", NETWORK, r"\hat x_0",
        "The picture that the network predicts from x_t, as latents: the mean of all pictures "
        "that the noise leaves possible. Early many are possible, so it is blurred; late few are.",
        ("run", "latents"), (r"x0_pred",),
    ),
    Term(
        "v", NETWORK, r"v = \sqrt{\bar\alpha}\,\epsilon - \sqrt{1 - \bar\alpha}\,x_0",
        "A mixture of noise and picture that some networks predict in place of eps, Stable "
        "Diffusion 2.1 for one. With x_t it tells both.",
        ("training", "noise_schedules"), (r"v[- ]prediction",),
    ),
    Term(
        "velocity", NETWORK, r"\frac{dx_t}{dt} = \epsilon - x_0",
        "What a flow-matching network predicts: the direction from the picture to the noise, in "
        "which x_t moves as t grows.",
        ("training", "run"), (r"velocit(?:y|ies)",),
    ),
    Term(
        "prediction type", NETWORK, "",
        "What the network was trained to output: eps, x0, v or a velocity. With x_t and sigma "
        "each gives all others.",
        ("training", "noise_schedules"), (r"prediction types?",),
    ),
    Term(
        "evaluation", NETWORK, r"\mathrm{NFE}",
        "One call of the network for one picture; their number is the NFE. With guidance the pair "
        "with and without your words counts as one. They cost nearly all the time, so samplers "
        "are compared at equal evaluations.",
        ("compare", "run"), (r"evaluations?", r"NFE"),
    ),
    Term(
        "guidance", NETWORK, r"\epsilon_u + s\,(\epsilon_c - \epsilon_u)",
        "Classifier-free guidance (CFG): the network is asked with your words and without, and "
        "the difference is multiplied by the scale s: uncond + s (cond - uncond). At 1 or less "
        "the half without words is not computed.",
        ("experiment", "run"), (r"guidance(?! rescale)", r"CFG"),
    ),
    Term(
        "cond and uncond", NETWORK, r"\epsilon_c,\ \epsilon_u",
        "The two predictions of guidance: cond is given your prompt, uncond the negative prompt "
        "or the empty one.",
        ("run",), (r"(?:un)?cond",),
    ),
    Term(
        "guidance rescale", NETWORK, r"\phi",
        "Reduces the spread of the guided prediction to that of the prediction with the prompt "
        "alone (Lin et al. 2023, section 3.4): large guidance otherwise makes glaring pictures.",
        ("experiment",), (r"guidance rescale",),
    ),
    Term(
        "U-Net", NETWORK, "",
        "The network of Stable Diffusion 1.x to XL: convolutions that shrink the latents in some "
        "levels and widen them again, with skips between levels of one size.",
        ("network", "models"), (r"U-Net",),
    ),
    Term(
        "skip", NETWORK, "",
        "A connection in a U-Net that hands what a level on the way down has made to the level "
        "of the same size on the way up, so that fine detail is not lost.",
        ("network",), (r"skips?",),
    ),
    Term(
        "transformer", NETWORK, "",
        "A network of attention and small networks at each place, without convolutions. Stable "
        "Diffusion 3 and Flux have one in place of the U-Net; CLIP's text encoder is one too.",
        ("models", "attention"), (r"transformers?",),
    ),
    Term(
        "time embedding", NETWORK, r"\gamma(t)",
        "The timestep as a vector: sines and cosines of many frequencies, then two layers. Every "
        "block of the network is told the noise level by it.",
        ("network",), (r"time embeddings?",),
    ),
    Term(
        "SiLU", NETWORK, r"x\,\mathrm{sigmoid}(x)",
        "The activation of the network's blocks: about x where x is large, about 0 where it is far "
        "below 0, and smooth between, so that gradients pass.",
        ("network",), (r"SiLUs?",),
    ),
    Term(
        "loss", NETWORK, r"\mathcal{L}",
        "What training makes smaller: the mean squared difference between what the network "
        "predicts and what it should, over pictures, noises and timesteps.",
        ("training",), (r"(?:simple )?loss",),
    ),
    Term(
        "ELBO", NETWORK, "",
        "Evidence lower bound, with its sign turned the variational bound: a sum over timesteps "
        "that is never below the true -log likelihood of the data. It weighs timesteps otherwise "
        "than the simple loss.",
        ("training",), (r"ELBO", r"variational bound"),
    ),
    Term(
        "posterior mean", NETWORK, r"\tilde\mu_t",
        "Where DDPM's step back goes on average, if the picture were known: a weighted sum of x0 "
        "and x_t. Its variance is beta_tilde.",
        ("training",), (r"posterior mean",),
    ),
    Term(
        "step", SOLVERS, "N",
        "One stretch of a solver's way from a noise level to the next lower one. A step takes one "
        "evaluation or more.",
        ("experiment", "run"),
    ),
    Term(
        "solver", SOLVERS, "",
        "The rule that makes of x_t and the network's prediction the x_t of the next, lower noise "
        "level: Euler, Heun, DPM++. Also called sampler; diffusers calls it scheduler, with its "
        "noise levels.",
        ("solver_bench", "compare"), (r"solvers?", r"samplers?"),
    ),
    Term(
        "order", SOLVERS, "p",
        "How fast a solver's error falls with more steps: with order 1 twice the steps halve it, "
        "with order 2 they quarter it.",
        ("solver_bench", "compare"), (r"orders?(?= [0-9p]| of convergence)", r"the order"),
    ),
    Term(
        "schedule", SOLVERS, "",
        "Which noise level belongs to which timestep, as the network was trained. A sampler visits "
        "a few of these levels.",
        ("noise_schedules",), (r"training schedule", r"noise schedules?"),
    ),
    Term(
        "spacing", SOLVERS, "",
        "Which timesteps a sampler visits. leading leaves the noisiest out, trailing begins with "
        "the noisiest, linspace has both ends.",
        ("noise_schedules",), (r"spacings?",),
    ),
    Term(
        "sigma curve", SOLVERS, "",
        "A rule that places the noise levels of N steps between the largest and the smallest, in "
        "place of a spacing of timesteps: karras, exponential, or your own.",
        ("workbench", "noise_schedules"), (r"sigma curves?",),
    ),
    Term(
        "ancestral", SOLVERS, "",
        "Of a sampler that goes further down than the next noise level and adds fresh noise to "
        "come back up to it. Its pictures do not settle as steps are added.",
        ("compare",), (r"ancestral",),
    ),
    Term(
        "stochastic", SOLVERS, "",
        "Of a sampler that draws fresh noise on its way (ancestral, SDE, DDPM), so that the start "
        "noise alone does not decide the picture.",
        ("compare", "solver_bench"), (r"stochastic",),
    ),
    Term(
        "eta", SOLVERS, r"\eta",
        "The share of fresh noise that DDIM adds at each step: 0 is DDIM, without any, and 1 is "
        "DDPM.",
        ("ddim", "experiment"), (r"eta",),
    ),
    Term(
        "img2img strength", SOLVERS, "",
        "How much of a source picture is drawn anew: the run begins that share of the steps "
        "before the end, from the picture with so much noise.",
        ("experiment",),
    ),
    Term(
        "latents", PICTURE, "x_0, x_t",
        "The small grid of numbers that the network works on: in Stable Diffusion 4 channels, an "
        "eighth of the picture's height and width. The VAE makes them of a picture and back.",
        ("latents",), (r"latents?",),
    ),
    Term(
        "VAE", PICTURE, r"\mathrm{E}, \mathrm{D}",
        "Variational autoencoder: its encoder makes latents of a picture, its decoder a picture "
        "of latents. What it loses no sampler can draw.",
        ("latents",), (r"VAE",),
    ),
    Term(
        "latent units", PICTURE, "",
        "The scale of latents as the network has them, after the VAE's scaling factor: those of "
        "pictures have a spread near 1, as noise has.",
        ("run", "latents"), (r"latent units",),
    ),
    Term(
        "token", WORDS, "",
        "A piece of the prompt with a number in the vocabulary: a whole word or a part of one. "
        "CLIP reads 77 of them, start and end token included.",
        ("tokens",), (r"tokens?",),
    ),
    Term(
        "padding", WORDS, "",
        "Tokens that fill a prompt up to 77. The network of Stable Diffusion is given them too, "
        "and they carry meaning: each has seen all words before it.",
        ("tokens", "attention"), (r"pads?", r"padding"),
    ),
    Term(
        "embedding", WORDS, "",
        "A vector that stands for a token: first a row of a table (token embedding), then what "
        "the text encoder makes of it in its sentence (contextual embedding).",
        ("tokens",), (r"embeddings?",),
    ),
    Term(
        "text encoder", WORDS, "",
        "The network that turns tokens into vectors: CLIP's, of which Stable Diffusion 1.x takes "
        "77 vectors of 768 numbers; newer models have several.",
        ("tokens",), (r"text encoders?",),
    ),
    Term(
        "attention", WORDS, r"\mathrm{softmax}(q k^\top / \sqrt d)",
        "How places gather from other places or from words: each place shares out a weight of 1 "
        "among them, by how well its query fits their keys.",
        ("attention",), (r"attention",),
    ),
    Term(
        "cross-attention", WORDS, "",
        "Attention of the picture's places to the prompt's tokens: the only way by which words "
        "reach the U-Net.",
        ("attention",), (r"cross-attention",),
    ),
    Term(
        "self-attention", WORDS, "",
        "Attention of the picture's places to each other, or of a prompt's tokens to each other.",
        ("attention", "tokens"), (r"self-attention",),
    ),
    Term(
        "joint attention", WORDS, "",
        "Attention in which words and places stand in one softmax, as in Stable Diffusion 3 and "
        "Flux.",
        ("attention",), (r"joint attention",),
    ),
    Term(
        "head", WORDS, "",
        "One of several attentions that a layer computes side by side, each with its own queries "
        "and keys.",
        ("attention",),
    ),
    Term(
        "entropy", MEASURES, r"H = -\sum p \ln p",
        "How widely a word's attention is spread, in nats: 0 if it is all at one place, and ln of "
        "the number of places at most, 6.93 for a map of 32 x 32.",
        ("attention",), (r"entropy",),
    ),
    Term(
        "spread", MEASURES, "",
        "Standard deviation, here that of all values of a channel of one tensor around their mean. "
        "Noise alone has 1.",
        ("run", "latents"), (r"spread of (?:x_t|x0_pred)", r"standard deviation"),
    ),
    Term(
        "RMSE", MEASURES, "",
        "Root mean square error: the size of a typical difference. Relative RMSE is divided by "
        "the size of what is compared with.",
        ("ddim", "latents"), (r"RMSE",),
    ),
    Term(
        "PSNR", MEASURES, r"20 \log_{10} \frac{255}{\mathrm{RMSE}}",
        "How near two pictures are, pixel by pixel, in decibels: higher is nearer, equal ones "
        "have infinite. Above 40 dB a difference is hard to see.",
        ("latents", "noised_images", "ddim"), (r"PSNR",),
    ),
    Term(
        "SSIM", MEASURES, "",
        "How alike the structure of two pictures is (Wang et al. 2004); 1 if they are equal.",
        ("latents", "ddim"), (r"SSIM",),
    ),
    Term(
        "converged picture", MEASURES, "",
        "What a deterministic sampler's picture comes to as steps are added: Compare makes it with "
        "many steps and measures how far the others are from it.",
        ("compare",), (r"converged (?:picture|one)",),
    ),
    Term(
        "sliced Wasserstein distance", MEASURES, "",
        "How far two clouds of points are apart: both are projected on many directions and sorted, "
        "and the differences averaged. 0 if the clouds are alike; clouds of one truth have a "
        "little.",
        ("playground",), (r"[Ss]liced Wasserstein(?: distance)?",),
    ),
    Term(
        "displacement", MEASURES, r"\lVert x_{i+1} - x_i \rVert",
        "How far an evaluation moves the latents, in VE coordinates: the length of the difference "
        "of two states.",
        ("run",), (r"[Dd]isplacement",),
    ),
    Term(
        "min-SNR weight", MEASURES, r"\min(\mathrm{SNR}, \gamma)",
        "A weight of the training loss that keeps easy, little noised pictures from counting more "
        "than others (Hang et al. 2023).",
        ("training",), (r"min-SNR",),
    ),
)  # fmt: skip
"""All terms."""
