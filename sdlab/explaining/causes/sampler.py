"""Causes in the sampler: its method, and the noise that it draws on the way."""

from collections.abc import Iterator

from sdlab.explaining.causes.start_noise import other_seed
from sdlab.explaining.making import Making
from sdlab.explaining.registry import ANOTHER, VISIBLE, Found, cause
from sdlab.sampler_names import titled


@cause(
    "sampler",
    "Sampler",
    VISIBLE,
    needs="sampler",
    explanation="Samplers that draw no noise on the way solve the same equation: they differ by "
    "their error at these steps, less the more steps there are. One that draws noise makes another "
    "picture by right.",
    fix="Choose the same sampler; the names of AUTOMATIC1111, ComfyUI and diffusers are matched in "
    "docs/solvers.md.",
    source="Song et al. 2021 (arXiv 2011.13456)",
)
def sampler(a: Making, b: Making) -> Iterator[Found]:
    """Compare the samplers by their names here."""
    if a["sampler"] == b["sampler"]:
        return
    draws = any(one.facts.get("draws_noise") for one in (a, b))
    options = {} if b.experiment is None else dict(b.experiment.solver_options)
    change = {} if b.experiment is None else {"solver": b["sampler"], "solver_options": options}
    said = f"The sampler is {titled(a['sampler'])} and {titled(b['sampler'])}"
    more = ": one of them draws noise on the way" if draws else ""
    yield Found(f"{said}{more}.", change, effect=ANOTHER if draws else "")


@cause(
    "step-noise",
    "Noise on the way",
    ANOTHER,
    needs="step_noise draws_noise",
    explanation="Ancestral and SDE samplers draw fresh noise at each step, and programs draw it "
    "from different generators: AUTOMATIC1111 from seed + ENSD, ComfyUI from a new generator on "
    "the network's device, diffusers from the one that drew the start.",
    fix='Compare with a sampler that draws none (DDIM, Euler, DPM++ 2M); set "Eta noise seed '
    'delta" to 0.',
    source="AUTOMATIC1111 modules/rng.py; ComfyUI comfy/k_diffusion/sampling.py "
    "default_noise_sampler; leejet/stable-diffusion.cpp#978",
)
def step_noise(a: Making, b: Making) -> Iterator[Found]:
    """Compare the generators where noise is drawn on the way."""
    if a["step_noise"] != b["step_noise"] and (a["draws_noise"] or b["draws_noise"]):
        yield Found(
            f"The noise of later steps comes from {a['step_noise']}, and from {b['step_noise']}.",
            other_seed(a),
            "measured with another seed, start noise included",
        )


@cause(
    "eta",
    "Eta",
    ANOTHER,
    needs="eta sampler",
    explanation="Eta is the share of noise that is taken away more and drawn anew: 0 is the ODE.",
    fix="Set the same eta; AUTOMATIC1111 has one for DDIM and one for ancestral samplers.",
    source="Song et al. 2021 (arXiv 2010.02502), eq. 12",
)
def eta(a: Making, b: Making) -> Iterator[Found]:
    """Compare the shares of noise that one sampler injects; each has its own."""
    if a["eta"] != b["eta"] and a["sampler"] == b["sampler"]:
        yield Found(f"Eta is {a['eta']:g} and {b['eta']:g}.", {"eta": b["eta"]})


@cause(
    "churn",
    "Sigma churn",
    ANOTHER,
    needs="churn",
    explanation="Churn adds noise before each step and raises sigma with it.",
    fix="Set sigma churn to 0 in both.",
    source="Karras et al. 2022 (arXiv 2206.00364), algorithm 2",
)
def churn(a: Making, b: Making) -> Iterator[Found]:
    """Compare the noise added before each step."""
    if a["churn"] != b["churn"]:
        yield Found(f"Sigma churn is {a['churn']:g} and {b['churn']:g}.")
