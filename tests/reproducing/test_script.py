"""A script of diffusers alone makes the run's picture, pixel for pixel, whatever the sampler."""

import pytest
from PIL import Image

import sdlab
from sdlab.runs.pictures import save_pictures
from sdlab.shipped import FLOW
from sdlab.solvers.from_diffusers import compatible_classes
from sdlab.solvers.registry import is_own, solvers
from tests.zoo.chosen import FEW
from tests.zoo.experiments import NotAsked
from tests.zoo.experiments import experiment as zoo_experiment
from tests.zoo.pipelines import build

OFTEN = {"heun", "dpmpp_2m_sde", "edm_stochastic", "plms", "DPMSolverMultistepScheduler"}
NAMES = [*sorted(filter(is_own, solvers())), *sorted(compatible_classes())]


def each(names):
    return [n if n in OFTEN else pytest.param(n, marks=pytest.mark.every) for n in names]


def experiment(model, **changes):
    fields = {"prompt": "a parrot on a beach", "negative_prompt": "a car", "seed": 11}
    return sdlab.Experiment(**{**fields, "num_steps": 4, "model": model.name, **changes})


def agree(model, wanted, executed):
    picture = executed(sdlab.diffusers_script(model, wanted), wanted)
    assert picture.tobytes() == sdlab.run(model, wanted).image.tobytes()


@pytest.mark.parametrize("name", each(NAMES))
def test_every_sampler_of_stable_diffusion(stored_model, executed, name):
    agree(stored_model, experiment(stored_model, solver=name), executed)


PICTURE = Image.effect_mandelbrot((128, 128), (-2, -1.5, 1, 1.5), 30).convert("RGB")
MASK = Image.effect_mandelbrot((128, 128), (-1, -1, 1, 1), 30)
MASKED = {"image": PICTURE, "mask_image": MASK, "strength": 0.9, "num_steps": 6}
WAYS = {
    "karras": {"solver": "heun", "curve": "karras", "curve_options": {"rho": 5.0}},
    "formula": {
        "solver": "dpmpp_2m",
        "curve": "formula",
        "curve_options": {"formula": "sigma_max * (1 - u) + 0.05 * u"},
    },
    "eta": {"solver": "ddim", "eta": 0.7},
    "eta of diffusers": {"solver": "DDIMScheduler", "eta": 0.7},
    "own curve of a class": {"solver": "DPMSolverMultistepScheduler", "curve": "karras"},
    "curve given to a class": {"solver": "EulerDiscreteScheduler", "curve": "beta"},
    "solver options": {"solver": "unipc", "solver_options": {"order": 3, "variant": "bh1"}},
    "class options": {
        "solver": "DPMSolverMultistepScheduler",
        "solver_options": {"algorithm_type": "sde-dpmsolver++", "solver_order": 3},
    },
    "unguided": {"solver": "heun", "guidance_scale": 1.0},
    "rescaled": {"solver": "heun", "guidance_rescale": 0.7},
    "wide": {"solver": "euler", "width": 96, "height": 56},
    "fast": {"solver": "heun", "fast": True},
    "fast of diffusers": {"solver": "DDIMScheduler", "fast": True},
    "clip skip": {"solver": "DDIMScheduler", "pipeline_options": {"clip_skip": 1}},
    "after a picture": {"solver": "heun", "image": PICTURE, "strength": 0.6, "num_steps": 8},
    "after a picture of diffusers": {
        "solver": "EulerDiscreteScheduler",
        "image": PICTURE,
        "strength": 0.6,
        "num_steps": 8,
    },
    "masked": {"solver": "DDIMScheduler", "image": PICTURE, "mask_image": MASK, "strength": 0.9},
    "masked, by a solver": {"solver": "heun", **MASKED},
    "masked, with noise": {"solver": "euler_ancestral", **MASKED},
    "masked, over a curve": {"solver": "dpmpp_sde", "curve": "karras", **MASKED},
}
SELDOM = {"formula", "eta of diffusers", "class options", "unguided", "rescaled", "wide"}
SELDOM |= {"karras", "curve given to a class", "fast of diffusers", "after a picture of diffusers"}
SELDOM |= {"masked, with noise", "masked, over a curve"}


@pytest.mark.parametrize(
    "way", [pytest.param(w, marks=pytest.mark.every) if w in SELDOM else w for w in WAYS]
)
def test_every_way(stored_model, executed, way, tmp_path):
    wanted = experiment(stored_model, **WAYS[way])
    save_pictures(wanted, tmp_path)
    agree(stored_model, wanted, executed)


# A pipeline of each way of noising and packing, its own scheduler and solvers of sdlab's.
OF_PIPELINES = [("StableDiffusionXLPipeline", "dpmpp_2m"), ("FluxPipeline", "dpmpp_2m_sde")]
NOT_FROM_A_FOLDER = {"KolorsPipeline", "StableCascadeCombinedPipeline"}  # sdlab.load says why
OF_PIPELINES_TOO = [
    *((name, "") for name in sorted(FEW - NOT_FROM_A_FOLDER)),
    ("StableDiffusionXLImg2ImgPipeline", "heun"),
    ("StableDiffusion3Pipeline", "heun"),
    ("StableDiffusion3Img2ImgPipeline", "euler"),
    ("QwenImagePipeline", "unipc"),
]


@pytest.mark.parametrize(
    ("name", "solver"),
    [*OF_PIPELINES, *(pytest.param(*one, marks=pytest.mark.every) for one in OF_PIPELINES_TOO)],
)
def test_every_kind_of_pipeline(name, solver, executed, tmp_path_factory, tmp_path):
    pipe, arguments = build(name)
    folder = tmp_path_factory.mktemp("pipeline")
    pipe.save_pretrained(folder)
    model = sdlab.load(folder, device="cpu")
    try:
        asked = zoo_experiment(model.pipeline, arguments)
    except NotAsked as argument:
        pytest.skip(f"no field of an experiment is {argument}; can run once one is")
    wanted = asked.with_(model=model.name, **({"solver": solver} if solver else {}))
    save_pictures(wanted, tmp_path)
    agree(model, wanted, executed)


def test_the_embedded_transformer_whose_t5_is_left_out(executed):
    model = sdlab.load(FLOW, device="cpu")
    agree(model, experiment(model, solver="FlowMatchEulerDiscreteScheduler", num_steps=2), executed)
    script = sdlab.diffusers_script(model, experiment(model, solver="euler", num_steps=2))
    assert "text_encoder_3=None, tokenizer_3=None" in script and "max_sequence_length=32" in script
