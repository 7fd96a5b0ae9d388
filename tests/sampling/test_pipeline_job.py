"""Pipelines in the engine: bit-identical alone, shared within rounding, each failing alone."""

import copy

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, SCMScheduler

import sdlab
from sdlab.errors import ModelError
from sdlab.models import pipelines
from sdlab.models.scheduler_config import completed
from sdlab.sampling.engine import Engine
from tests import flow
from tests.conftest import make_pipeline
from tests.tracing import pipelines as tiny
from tests.zoo import pipelines as zoo
from tests.zoo.experiments import experiment as of_call
from tests.zoo.pipelines import build

PICTURE, MASK = tiny.PICTURE.resize((64, 64)), tiny.MASK.resize((64, 64))
EULER = "FlowMatchEulerDiscreteScheduler"
SMALL = {"width": 64, "height": 64}
TINY = {"width": 32, "height": 32}  # for the small Stable Diffusion 3, whose VAE halves: 256 tokens
STEPS = {"num_steps": 4, "guidance_scale": 3.0}


def asked(**fields):
    return sdlab.Experiment(**{"prompt": "a red car", **STEPS, **fields})


def by_hand(pipe, experiment, cls=None, scheduler=None, **given):
    """The picture and final latents of a plain call of the pipeline."""
    own = pipe.scheduler if scheduler is None else scheduler
    again = pipelines.over_parts(pipe, cls or type(pipe), copy.deepcopy(own))
    call = {
        "prompt": experiment.prompt,
        "num_inference_steps": experiment.num_steps,
        "guidance_scale": experiment.guidance_scale,
        **given,
    }

    def drawn(output_type):
        generator = torch.Generator().manual_seed(experiment.seed)
        return again(**call, generator=generator, output_type=output_type).images

    return drawn("pil")[0], drawn("latent")


def same(run, image, latents):
    assert np.array_equal(np.asarray(run.image), np.asarray(image))
    assert torch.equal(run.latents, latents)


CASES = {
    "sd3": (flow.sd3, {"solver": EULER, **TINY}, TINY, None),
    "sd3 not square": (
        flow.sd3,
        {"solver": EULER, "width": 48, "height": 32},
        {"width": 48, "height": 32},
        None,
    ),
    "sd3 after a picture": (
        flow.sd3,
        {"solver": EULER, "image": PICTURE, "strength": 0.5},
        {"image": PICTURE, "strength": 0.5, **SMALL},
        "image",
    ),
    "sdxl": (tiny.xl, {"solver": "DDIMScheduler", **SMALL}, SMALL, None),
    "sd after a picture": (
        make_pipeline,
        {"solver": "DDIMScheduler", "image": PICTURE, "strength": 0.8},
        {"image": PICTURE, "strength": 0.8},
        "image",
    ),
    "sd inside a mask": (
        make_pipeline,
        {"solver": "DDIMScheduler", "image": PICTURE, "mask_image": MASK, "strength": 1.0},
        {"image": PICTURE, "mask_image": MASK, "strength": 1.0, **SMALL},
        "inpaint",
    ),
    "nine channels": (
        tiny.inpaint_nine,
        {"solver": "DDIMScheduler", "image": PICTURE, "mask_image": MASK, "strength": 1.0},
        {"image": PICTURE, "mask_image": MASK, "strength": 1.0, **SMALL},
        None,
    ),
    "controlnet": (
        tiny.controlnet,
        {"solver": "DDIMScheduler", "control_image": PICTURE, "controlnet_conditioning_scale": 0.7},
        {"image": PICTURE, "controlnet_conditioning_scale": 0.7, **SMALL},
        None,
    ),
}


def made(make):
    pipe = make()
    return pipe[0] if isinstance(pipe, tuple) else pipe


@pytest.mark.parametrize("case", CASES)
def test_alone_it_is_the_pipeline_bit_for_bit_and_every_step_is_read(case):
    make, fields, given, task = CASES[case]
    pipe = made(make)
    model, experiment = sdlab.load(pipe), asked(**fields)
    cls = pipelines.siblings(type(pipe))[task] if task else None
    scheduler = None
    if experiment.solver == "DDIMScheduler":
        scheduler = DDIMScheduler.from_config(completed(model.scheduler_config))
    run = sdlab.run(model, experiment)
    same(run, *by_hand(pipe, experiment, cls, scheduler, **given))
    assert run.manifest["warnings"] == []
    assert len(run.steps) == max(1, int(4 * (experiment.strength or 1)))
    assert run.steps["x0_pred_mean"].notna().all()
    assert run.steps["guidance_norm"].notna().all()
    assert run.manifest["width"], run.manifest["height"] == run.image.size
    assert all("forward" not in vars(network) for network in model.networks.values())


@pytest.mark.parametrize(
    "make, counts, size",
    [(flow.sd3, (3, 4, 3), TINY), (tiny.xl, (3, 3, 3), SMALL)],
    ids=["sd3", "sdxl"],
)
def test_runs_agree_within_rounding_in_shared_calls_and_bit_for_bit_in_turns(make, counts, size):
    model = sdlab.load(made(make))
    wanted = [asked(seed=seed, solver="heun", num_steps=n, **size) for seed, n in enumerate(counts)]
    together = sdlab.run_many(model, wanted)
    apart = sdlab.run_many(model, wanted, mix=False)
    for run, exact, experiment in zip(together, apart, wanted, strict=True):
        alone = sdlab.run(model, experiment)
        assert exact.tensors.keys() == alone.tensors.keys()
        assert all(torch.equal(exact.tensors[name], alone.tensors[name]) for name in alone.tensors)
        assert run.manifest["shared_calls"] > 0 and alone.manifest["shared_calls"] == 0
        torch.testing.assert_close(run.latents, alone.latents, rtol=1e-4, atol=1e-4)
        assert len(run.steps) == len(alone.steps) == 2 * experiment.num_steps - 1


@pytest.mark.parametrize("solver", ["euler", "heun", "dpmpp_2m", "ddim"])
def test_a_solver_of_ours_in_a_flow_pipeline_is_the_scheduler_made_of_it(solver):
    pipe = flow.sd3()
    model, experiment = sdlab.load(pipe), asked(solver=solver, **TINY)
    scheduler = sdlab.as_diffusers_scheduler(solver, config=pipe.scheduler.config)
    same(sdlab.run(model, experiment), *by_hand(pipe, experiment, None, scheduler, **TINY))


def test_euler_over_t_is_diffusers_euler():
    model = sdlab.load(flow.sd3())
    ours, theirs = (
        sdlab.run(model, asked(solver=solver, **TINY)).latents for solver in ("euler", EULER)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_flow_time_stands_beside_sigma_and_nothing_is_nan():
    model = sdlab.load(flow.sd3())
    steps = sdlab.run(model, asked(solver="euler", **TINY)).steps
    times = steps["flow_time"].to_numpy()
    assert times[0] == 1.0 and np.isinf(steps["sigma"][0])
    assert np.allclose(steps["timestep"], 1000 * times)
    rest = steps.drop(columns=["run", "angle_deg"]).to_numpy(dtype=float)
    assert not np.isnan(rest).any()


def test_cancelled_on_the_way_the_model_is_as_before():
    model = sdlab.load(flow.sd3())
    experiment = asked(solver=EULER, **TINY)
    want = sdlab.run(model, experiment)
    engine = Engine(model, mix=True)
    job, other = engine.submit(experiment), engine.submit(experiment.with_(seed=1))
    engine.round()
    job.cancel()
    while engine.round():
        pass
    assert job.state == "cancelled" and other.state == "done"
    assert torch.is_grad_enabled()
    assert all("forward" not in vars(network) for network in model.networks.values())
    assert torch.equal(sdlab.run(model, experiment).latents, want.latents)


def test_one_that_fails_fails_alone():
    model = sdlab.load(flow.sd3())

    class Breaks(FlowMatchEulerDiscreteScheduler):
        def step(self, *args, **kwargs):
            raise RuntimeError("it broke")

    engine = Engine(model)
    bad, good = (engine.submit(asked(seed=s, solver=EULER, **TINY)) for s in range(2))
    bad.plan.call.scheduler.__class__ = Breaks
    while engine.round():
        pass
    assert bad.state == "failed" and "it broke" in str(bad.error)
    assert good.state == "done"
    assert torch.equal(good.result.latents, sdlab.run(model, good.experiment).latents)


def test_two_engines_hold_one_network():
    model = sdlab.load(flow.sd3())
    experiment = asked(solver=EULER, **TINY)
    want = sdlab.run(model, experiment).latents
    engines = [Engine(model), Engine(model)]
    jobs = [engine.submit(experiment) for engine in engines]
    going = True
    while going:
        going = any([engine.round() for engine in engines])
    assert all(torch.equal(job.result.latents, want) for job in jobs)
    assert "forward" not in vars(model.network)


def test_rows_that_depend_on_each_other_are_never_shared(monkeypatch):
    model = sdlab.load(flow.sd3())
    real = model.network.forward

    def mixing(*args, **kwargs):
        out = real(*args, **kwargs)
        return (out[0] + out[0].mean(),) if isinstance(out, tuple) else out

    monkeypatch.setattr(model.network, "forward", mixing)
    wanted = [asked(seed=seed, solver=EULER, **TINY) for seed in range(3)]
    for run in sdlab.run_many(model, wanted):
        assert run.manifest["shared_calls"] == 0
        assert torch.equal(run.latents, sdlab.run(model, run.experiment).latents)


REFUSED = [
    (flow.sd3, {"control_image": PICTURE}, "no ControlNet"),
    (flow.sd3, {"true_cfg_scale": 3.0}, "no true_cfg_scale"),
    (flow.sd3, {"guidance_rescale": 0.5}, "no guidance_rescale"),
    (flow.sd3, {"width": 63 * 8 + 1}, "multiple of"),
    (
        flow.sd3,
        {"pipeline_options": {"skip_layer_guidance_scal": 2.0}},
        "skip_layer_guidance_scale",
    ),
    (flow.sd3, {"pipeline_options": {"generator": 2}}, "experiment field 'seed'"),
    (flow.sd3, {"solver": "DEISMultistepScheduler"}, "cannot sample flow matching"),
    (make_pipeline, {"prompt_2": "a dog"}, "no prompt_2"),
    (make_pipeline, {"prompt_2": ""}, "no prompt_2"),
    (make_pipeline, {"true_cfg_scale": 0.0}, "no true_cfg_scale"),
    (tiny.inpaint_nine, {}, "image="),
    (tiny.controlnet, {}, "control_image="),
    (make_pipeline, {"image": PICTURE, "width": 64}, "takes the size of its picture"),
]


@pytest.mark.parametrize("make, fields, message", REFUSED)
def test_what_a_pipeline_does_not_take_is_said_before_it_runs(make, fields, message):
    model = sdlab.load(made(make))
    with pytest.raises(ValueError, match=message):
        sdlab.plan(model, sdlab.Experiment(**{"solver": "euler", **fields}))


def test_a_model_whose_scheduler_is_neither_runs_with_that_one_alone():
    pipe = flow.sd3()
    pipe.register_modules(scheduler=SCMScheduler())
    model = sdlab.load(pipe)
    assert model.path is None
    with pytest.raises(ModelError, match="not known"):
        _ = model.schedule
    with pytest.raises(ValueError, match="can only run with its own SCMScheduler"):
        sdlab.plan(model, asked(solver="heun"))
    plan = sdlab.plan(model, asked(solver="SCMScheduler"))
    assert plan.course is None and plan.nfe == 4


def test_an_option_that_a_pipeline_breaks_on_is_named():
    model = sdlab.load(make_pipeline())
    with pytest.raises(sdlab.SdlabError, match="failed: .*Leave pipeline_options out"):
        sdlab.run(model, asked(solver="ddim", pipeline_options={"cross_attention_kwargs": 5}))


def test_a_second_scheduler_is_each_run_s_own_too():
    pipe, arguments = zoo.build("KandinskyV22CombinedPipeline")
    model = sdlab.load(pipe)
    one = of_call(pipe, arguments)
    alone = sdlab.run(model, one)
    together = sdlab.run_many(model, [one, one.with_(seed=1)])
    torch.testing.assert_close(together[0].latents, alone.latents, rtol=0, atol=1e-4)


def test_a_list_that_the_network_empties_is_not_the_call_s_own():
    pipe, arguments = zoo.build("StableDiffusionAdapterPipeline")
    model, one = sdlab.load(pipe), of_call(pipe, arguments)
    alone = sdlab.run(model, one)
    together = sdlab.run_many(model, [one, one.with_(seed=1)])
    assert together[0].manifest["shared_calls"] > 0
    torch.testing.assert_close(together[0].latents, alone.latents, rtol=0, atol=1e-4)


def run_of(name, **fields):
    pipe, arguments = build(name)
    model = sdlab.load(pipe)
    asked = {"num_steps": 4, "width": 64, "height": 64, **fields}
    return model, sdlab.Experiment("a red car", **asked)


@pytest.mark.parametrize("name", ["FluxPipeline", "Lumina2Pipeline"])
def test_the_plan_of_a_pipeline_that_lays_out_its_own_times_is_what_runs(name):
    model, experiment = run_of(name, solver="euler")
    run, planned = sdlab.run(model, experiment), sdlab.plan(model, experiment)
    np.testing.assert_allclose(planned.timesteps[1:], run.steps["timestep"][1:], rtol=0.1)
    assert run.steps["flow_time"].iloc[-1] > 0.2  # 1 / 4, shifted


def test_lint_knows_the_times_that_a_pipeline_hands_over():
    model, _ = run_of("FluxPipeline")
    assert "end-shifted-twice" not in set(sdlab.lint("euler", 10, model=model)["rule"])


@pytest.mark.parametrize("solver", ["euler", "heun", "dpm_2"])
def test_ours_drive_a_pipeline_that_hands_timesteps_over(solver):
    model, experiment = run_of("CogView4Pipeline", solver=solver)
    ours = sdlab.run(model, experiment)
    told = ours.steps["timestep"].tolist()
    assert all(time.is_integer() for time in told)  # as the pipeline's own, between steps too
    assert list(sdlab.plan(model, experiment).timesteps) == told
    assert ours.latents.isfinite().all() and np.isinf(ours.steps["sigma"][0])
    if solver == "euler":
        theirs = sdlab.run(model, experiment.with_(solver=EULER))
        torch.testing.assert_close(ours.latents, theirs.latents, rtol=1e-3, atol=1e-3)
        assert np.allclose(ours.steps["timestep"], theirs.steps["timestep"], atol=0.01)


@pytest.mark.parametrize("name", ["FlowMatchHeunDiscreteScheduler", "UniPCMultistepScheduler"])
def test_a_class_that_takes_no_timesteps_is_refused_before_it_runs(name):
    model, experiment = run_of("CogView4Pipeline", solver=name)
    with pytest.raises(ValueError, match=f"{name} cannot drive CogView4Pipeline"):
        sdlab.plan(model, experiment)


def test_a_curve_of_diffusers_own_over_t_is_laid_out_by_its_class():
    model, experiment = run_of("StableDiffusion3Pipeline", solver=EULER, curve="beta")
    assert "sigmas" not in sdlab.plan(model, experiment).call.arguments
    assert np.isfinite(sdlab.run(model, experiment).steps["timestep"]).all()


def test_a_class_that_fails_on_what_a_pipeline_hands_over_is_refused_before_it_runs():
    model, experiment = run_of("FluxPipeline", solver="FlowMatchHeunDiscreteScheduler")
    with pytest.raises(ValueError, match="hands sigmas over"):
        sdlab.plan(model, experiment)


def test_true_cfg_guides_by_a_negative_prompt():
    model, plain = run_of("QwenImagePipeline", solver="euler")
    assert not sdlab.plan(model, plain).guided
    guided = plain.with_(negative_prompt="a dog", guidance_scale=1.0)
    assert sdlab.plan(model, guided).guided
    run = sdlab.run(model, guided)
    assert not any("ignored" in warning for warning in run.manifest["warnings"])
    assert run.steps["samples"].iloc[0] == 2
    off = sdlab.run(model, guided.with_(true_cfg_scale=1.0))
    assert any("true_cfg_scale" in warning for warning in off.manifest["warnings"])
