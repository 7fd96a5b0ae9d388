"""Solvers over flow matching's time: ComfyUI's figures, exact distributions, pipelines."""

import copy
import json
import math
import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler

import sdlab
from sdlab.solvers.as_flow import FlowSolverScheduler
from sdlab.solvers.builtin.lms import adams_weights
from sdlab.solvers.builtin.plms import WEIGHTS
from sdlab.solvers.flow import draws_noise, flow_form
from sdlab.solvers.randomness import Noise
from sdlab.solvers.registry import solvers
from tests import flow
from tests.solvers.vp_time import density, place
from tests.tracing.pipelines import MASK, PICTURE
from tests.zoo.chosen import OWN, cases

MEAN = torch.tensor([0.3, -0.2, 0.7], dtype=torch.float64)
STD = torch.tensor([0.5, 1.5, 0.2], dtype=torch.float64)
ROWS = json.loads((Path(__file__).parents[1] / "data" / "comfyui_flow.json").read_text())["rows"]
NAMES = sorted(set(solvers()) - {"edm_stochastic"})
CALL = {"num_inference_steps": 4, "output_type": "latent", "height": 64, "width": 64}


def denoise(x, t):
    """E[x0 | x_t] of Gaussian data on x_t = (1 - t) x0 + t n, in closed form."""
    signal = 1 - t
    variance = signal**2 * STD**2 + t**2
    return MEAN + signal * STD**2 / variance * (x - signal * MEAN)


def rows(*samplers):
    found = [row for row in ROWS if row["sampler"] in samplers]
    assert len(found) == 2 * len(samplers)
    return [pytest.param(row, id=f"{row['sampler']} shift {row['shift']:g}") for row in found]


SAME = ("euler", "heun", "dpm_2", "dpmpp_2m", "ipndm", "res_multistep", "gradient_estimation")


@pytest.mark.parametrize("row", rows(*SAME))
def test_a_solver_over_t_ends_where_comfyui_does(row):
    start = torch.tensor(row["start"], dtype=torch.float64)
    found = flow_form(solvers()[row["sampler"]], {})
    end, asked = found.solve(start, tuple(row["sigmas"]), None, denoise)
    assert len(asked) == row["nfe"]
    torch.testing.assert_close(
        end, torch.tensor(row["end"], dtype=torch.float64), rtol=0, atol=1e-10
    )


def multistep(row, order, place, density):
    """Adams-Bashforth with its polynomial in a time of one's own, the last step x0_pred itself."""
    x, sigmas = torch.tensor(row["start"], dtype=torch.float64), row["sigmas"]
    before = []
    for sigma, after in zip(sigmas, sigmas[1:], strict=False):
        x0_pred = denoise(x, sigma)
        before = [(place(sigma), (x - x0_pred) / sigma), *before][:order]
        if after == 0:
            return x0_pred
        weights = adams_weights([p for p, _ in before], place(sigma), place(after), density)
        x = x + sum(weight * slope for weight, (_, slope) in zip(weights, before, strict=True))
    return x


@pytest.mark.parametrize("row", rows("lms"))
def test_lms_parts_from_comfyui_in_its_last_step_alone(row):
    """There the last step gives x0_pred; here it extrapolates like any other."""
    theirs = torch.tensor(row["end"], dtype=torch.float64)
    torch.testing.assert_close(multistep(row, 4, float, None), theirs, rtol=0, atol=1e-10)
    ours, _ = solvers()["lms"].solve(
        torch.tensor(row["start"], dtype=torch.float64), tuple(row["sigmas"]), None, denoise
    )
    assert (ours - theirs).abs().max() > 1e-3


@pytest.mark.parametrize("row", rows("deis"))
def test_deis_parts_from_comfyui_in_the_time_of_its_polynomial(row):
    """There it is the time of a VP process from sigma 0.002 to 80; here it is ln sigma.

    Its weights are sums of 10,000 rectangles: 1e-6 is what that leaves.
    """
    theirs = torch.tensor(row["end"], dtype=torch.float64)
    torch.testing.assert_close(multistep(row, 3, place, density), theirs, rtol=0, atol=1e-6)
    ours, _ = solvers()["deis"].solve(
        torch.tensor(row["start"], dtype=torch.float64), tuple(row["sigmas"]), None, denoise
    )
    assert (ours - theirs).abs().max() > 1e-3


@pytest.mark.parametrize("row", rows("ipndm"))
def test_ipndm_is_plms_but_for_the_first_step_and_the_last(row):
    """There the first step is Euler's, one evaluation less, and the last gives x0_pred."""
    x, before = torch.tensor(row["start"], dtype=torch.float64), []
    for sigma, after in pairwise(row["sigmas"]):
        x0_pred = denoise(x, sigma)
        before = [(x - x0_pred) / sigma, *before[:3]]
        if after == 0:
            x = x0_pred
            break
        weights = WEIGHTS.get(len(before), (1.0,))
        x = x + (after - sigma) * sum(w * v for w, v in zip(weights, before, strict=True))
    torch.testing.assert_close(x, torch.tensor(row["end"], dtype=torch.float64), rtol=0, atol=1e-10)
    ours, asked = solvers()["plms"].solve(
        torch.tensor(row["start"], dtype=torch.float64), tuple(row["sigmas"]), None, denoise
    )
    assert len(asked) == row["nfe"] + 1 and (ours - x).abs().max() > 1e-3


DRAWING = [n for n in NAMES if n != "lcm" and draws_noise(solvers()[n], {})]


@pytest.mark.parametrize("name", cases(DRAWING, OWN))
def test_a_stochastic_solver_keeps_the_datas_mean_and_spread(name):
    """From t = 1, without a NaN; the mean of N samples is known within 5 STD / sqrt(N)."""
    count = 20_000
    times = tuple(np.linspace(1.0, 0.0, 201).tolist())
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    end, _ = flow_form(solvers()[name], {}).solve(start, times, _Fresh(generator), denoise)
    assert end.isfinite().all()
    error = 5 / math.sqrt(count) + 0.03  # of sampling, and of 200 steps
    assert ((end.mean(0) - MEAN).abs() / STD).max() < error
    assert (end.std(0) / STD - 1).abs().max() < error


class _Fresh(Noise):
    """Fresh noise also between two levels, one number a sample: no path for each of 20,000."""

    def between(self, x, sigma, sigma_next):
        return self(x)


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize(
    "name, theirs",
    [("euler", FlowMatchEulerDiscreteScheduler), ("heun", FlowMatchHeunDiscreteScheduler)],
)
def test_a_pipeline_draws_what_it_draws_with_diffusers_scheduler(name, theirs, shift):
    pipe = flow.sd3(shift=shift)
    pipe.scheduler = theirs(shift=shift)
    want = drawn(pipe)
    pipe.scheduler = sdlab.as_diffusers_scheduler(name, config=pipe.scheduler.config)
    assert isinstance(pipe.scheduler, FlowSolverScheduler)
    torch.testing.assert_close(drawn(pipe), want, rtol=1e-4, atol=1e-4)


def test_dynamic_shifting_and_packed_latents():
    pipe = flow.flux()
    want = drawn(pipe, **flow.FLUX_WORDS)
    pipe.scheduler = sdlab.as_diffusers_scheduler("euler", config=pipe.scheduler.config)
    torch.testing.assert_close(drawn(pipe, **flow.FLUX_WORDS), want, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="`mu` must be passed"):
        pipe.scheduler.set_timesteps(4)


@pytest.mark.parametrize("name", cases(NAMES, {"euler", "heun", "dpmpp_2m", "dpmpp_sde", "unipc"}))
def test_every_solver_runs_in_text_to_image_and_image_to_image(name):
    pipe = flow.sd3()
    pipe.scheduler = sdlab.as_diffusers_scheduler(name, config=pipe.scheduler.config)
    assert drawn(pipe).isfinite().all()
    if name == "plms":  # its first step is unlike the others
        return
    pipe = flow.sd3_img2img()
    pipe.scheduler = sdlab.as_diffusers_scheduler(name, config=pipe.scheduler.config)
    assert drawn(pipe, image=PICTURE.resize((64, 64)), strength=0.75).isfinite().all()


def test_inpainting_gives_what_it_gives_with_diffusers_scheduler():
    given = {"image": PICTURE.resize((64, 64)), "mask_image": MASK.resize((64, 64))}
    pipe = flow.sd3_inpaint()
    want = drawn(pipe, **given)
    pipe.scheduler = sdlab.as_diffusers_scheduler("euler", config=pipe.scheduler.config)
    torch.testing.assert_close(drawn(pipe, **given), want, rtol=1e-4, atol=1e-4)


def test_a_curve_over_the_time():
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0, use_karras_sigmas=True)
    theirs.set_timesteps(6)
    ends = {"sigma_min": float(theirs.sigmas[-2])}  # shifted twice; ours go to 1/1000 shifted once
    ours = FlowSolverScheduler("euler", curve="karras", curve_options=ends, shift=3.0)
    ours.set_timesteps(6)
    torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde"])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_made_on_the_way_goes_on_alike(name, duplicate):
    scheduler = FlowSolverScheduler(name, shift=3.0)
    scheduler.set_timesteps(5)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    ends = []
    for timestep in scheduler.timesteps[:2]:
        x = scheduler.step(torch.tanh(x), timestep, x, generator, return_dict=False)[0]
    other, state = duplicate(scheduler), generator.get_state()
    for one in (scheduler, other):
        generator.set_state(state)
        y = x
        for timestep in one.timesteps[2:]:
            y = one.step(torch.tanh(y), timestep, y, generator, return_dict=False)[0]
        ends.append(y)
    torch.testing.assert_close(*ends, rtol=0, atol=0)


def test_a_saved_pipeline_opens_in_diffusers(tmp_path):
    from diffusers import StableDiffusion3Pipeline

    pipe = flow.sd3()
    pipe.scheduler = sdlab.as_diffusers_scheduler("heun", config=pipe.scheduler.config)
    want = drawn(pipe)
    pipe.save_pretrained(tmp_path / "model")
    opened = StableDiffusion3Pipeline.from_pretrained(
        tmp_path / "model", text_encoder_3=None, tokenizer_3=None
    )
    assert isinstance(opened.scheduler, FlowSolverScheduler)
    torch.testing.assert_close(drawn(flow.quiet(opened)), want, rtol=1e-5, atol=1e-5)


def test_config_goes_to_and_from_diffusers_own():
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True, max_shift=0.9)
    ours = FlowSolverScheduler.from_config(theirs.config, solver="heun")
    assert (ours.config.max_shift, ours.config.use_dynamic_shifting) == (0.9, True)
    back = FlowMatchEulerDiscreteScheduler.from_config(ours.config)
    assert back.config.max_shift == 0.9 and back.config.shift == 3.0


def test_times_that_do_not_fall_are_refused():
    scheduler = FlowSolverScheduler("euler")
    with pytest.raises(ValueError, match="times of the steps must fall, got 0.5, 0.9"):
        scheduler.set_timesteps(sigmas=[0.5, 0.9])


def test_unknown_solver_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'heun'"):
        FlowSolverScheduler("heum")


def drawn(pipe, **arguments):
    """The latents of one picture of seed 0."""
    call = dict(CALL)
    if "image" in arguments and "mask_image" not in arguments:
        del call["height"], call["width"]
    words = {} if "prompt_embeds" in arguments else {"prompt": "a red car"}
    generator = torch.Generator().manual_seed(0)
    return pipe(**words, generator=generator, **call, **arguments).images
