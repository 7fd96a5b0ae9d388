"""What each engine makes of models, step counts and denoise, beside the figures it gave."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import sdlab
from sdlab.passports.asked import Asked
from sdlab.passports.diffusers_engine import lay_class
from sdlab.passports.passport import ENGINES, able_of, options_of, passport, schedulers_of
from sdlab.passports.presets import PRESETS, preset_of


@pytest.mark.parametrize("engine", ENGINES)
def test_every_model_and_scheduler_has_a_passport(engine):
    made = [
        passport(engine, model, scheduler, 7)
        for model in PRESETS
        for scheduler in schedulers_of(engine, model)
        if not any(slow in scheduler for slow in ("KDPM2", "kdpm", "SDES", "dpmpp_sde"))
    ]
    assert made
    for one in made:
        sigmas = np.array(one.sigmas)
        assert (np.diff(sigmas) <= 0).all() and sigmas[-1] >= 0, one.title
        assert len(one.timesteps) == one.steps <= one.evaluations, one.title
        assert one.noise_scale > 0 and one.source, one.title


@pytest.mark.parametrize(
    ("model", "first", "last"),
    [("sdxl", 14.6146, 0.0292), ("zero-snr", 4518.8, 0.0292), ("playground-v2.5", 80.0, 0.002)],
)
def test_the_ends_of_a_model_in_comfyui(model, first, last):
    sigmas = passport("comfyui", model, "karras", 10).sigmas
    assert sigmas[0] == pytest.approx(first, rel=1e-4)
    assert sigmas[-2] == pytest.approx(last, rel=1e-2)


def test_zero_terminal_snr_has_another_end_in_each_engine():
    first = {
        engine: passport(engine, "zero-snr", scheduler, 8).sigmas[0]
        for engine, scheduler in [("comfyui", "normal"), ("a1111", "normal"), ("diffusers", None)]
    }
    # alpha_bar is 0 at the end: 4.9e-8 stands for it there, 2^-24 in diffusers
    assert first["comfyui"] == pytest.approx(4518.8, rel=1e-4)
    assert first["a1111"] == pytest.approx(4518.8, rel=1e-4)
    assert first["diffusers"] == pytest.approx(4096, rel=1e-4)
    assert np.isinf(passport("diffusers", "zero-snr", "DDIMScheduler", 8).sigmas[0])


@pytest.mark.parametrize("shift", [1.0, 2.5, 8.0])
def test_comfyuis_flow_times_shift_the_low_end_twice(shift):
    n, model = 5, "sd3"
    sigmas = np.array(passport("comfyui", model, "normal", n, shift=shift).sigmas)

    def shifted(t):
        return shift * t / (1 + (shift - 1) * t)

    low = shifted(1 / 1000)
    np.testing.assert_allclose(sigmas[:-1], shifted(np.linspace(1, low, n)), rtol=1e-12)
    simple = passport("comfyui", model, "simple", n, shift=shift).sigmas
    np.testing.assert_allclose(simple, shifted(np.linspace(1, 0, n + 1)), rtol=1e-12)


def test_a_beta_schedule_takes_a_timestep_once():
    made = passport("comfyui", "sd15", "beta", 400)
    share = stats.beta.ppf(1 - np.linspace(0, 1, 400, endpoint=False), 0.6, 0.6)
    told = np.unique(np.rint(share * 999))[::-1]
    np.testing.assert_array_equal(made.timesteps, told)
    assert made.steps == len(told) < 400 and any(f"and {len(told)} run" in n for n in made.notes)


def test_linear_quadratic_is_a_line_and_a_parabola_that_goes_on_with_its_slope():
    for n in (2, 7, 20, 33):
        fallen = 1 - np.array(passport("comfyui", "flux-schnell", "linear_quadratic", n).sigmas)
        half = n // 2
        np.testing.assert_allclose(fallen[: half + 1], 0.025 * np.arange(half + 1) / half)
        curved = np.diff(fallen[half:], 2)
        assert np.allclose(curved, curved[:1]) and fallen[-1] == 1
        slope = fallen[half + 1] - fallen[half] - curved[:1] / 2 if len(curved) else [0.975]
        assert np.allclose(slope, 0.025 / half) or n == 2


def test_whole_strides_may_run_more_steps_than_were_asked_for():
    comfy, webui = (
        passport(engine, "sd15", name, 7)
        for engine, name in [("comfyui", "ddim_uniform"), ("a1111", "ddim")]
    )
    assert comfy.timesteps == tuple(range(995, 0, -142)) and comfy.steps == 8
    np.testing.assert_allclose(webui.sigmas, comfy.sigmas, rtol=2e-5)
    assert "7 steps were asked for, and 8 run." in comfy.notes and comfy.num_steps == 7


def test_align_your_steps_in_both_programs():
    node = passport("comfyui", "sdxl", "AlignYourStepsScheduler", 10)
    assert node.sigmas[1] == 6.3184485287 and node.sigmas[-1] == 0 and node.steps == 10
    # the web UI has as many levels above 0 as steps, so eleven steps are the table
    webui = passport("a1111", "sdxl", "Align Your Steps", 11)
    assert webui.sigmas[:3] == pytest.approx((14.615, 6.315, 3.771), rel=1e-12)
    half = passport("comfyui", "sdxl", "align_your_steps", 10, 0.45)
    assert half.steps == 4 and half.sigmas == node.sigmas[-5:]


def test_turbo_counts_down_from_the_highest_timestep():
    assert passport("comfyui", "sd15", "SDTurboScheduler", 4).timesteps == (999, 899, 799, 699)
    assert passport("comfyui", "sd15", "turbo", 4, 0.5).timesteps == (499, 399, 299, 199)
    assert passport("forge", "sdxl", "turbo", 4).timesteps == (999, 749, 499, 249)


@pytest.mark.parametrize(
    ("sampler", "calls"),
    [("euler", 5), ("heun", 9), ("dpm_2", 9), ("heunpp2", 12), ("seeds_3", 13), ("uni_pc", 5)],
)
def test_evaluations_of_a_sampler(sampler, calls):
    made = passport("comfyui", "sd15", "karras", 5, sampler=sampler)
    assert made.evaluations == calls and made.steps == 5
    whole = passport("comfyui", "sd15", "karras", 6).sigmas
    left_out = sampler in ("dpm_2", "uni_pc")
    assert made.sigmas == ((*whole[:-2], 0.0) if left_out else passport(
        "comfyui", "sd15", "karras", 5).sigmas)  # fmt: skip


def test_a_schedule_that_does_not_end_at_0_costs_the_last_step_in_full():
    assert passport("a1111", "sd15", "kl_optimal", 5, sampler="Heun").evaluations == 10


def test_automatic_is_the_samplers_own():
    assert passport("a1111", "sd15", None, 9, sampler="DPM++ 2M").scheduler == "karras"
    assert passport("a1111", "sd15", "Automatic", 9, sampler="Euler a").scheduler == "uniform"
    third = passport("a1111", "sd15", None, 9, sampler="dpm++ 3m sde")
    assert third.scheduler == "exponential" and any("left out" in note for note in third.notes)


@pytest.mark.parametrize(("steps", "denoise", "run"), [(20, 0.5, 11), (7, 0.3, 3), (1, 0.2, 1)])
def test_the_web_ui_runs_one_step_more_than_steps_times_denoise(steps, denoise, run):
    whole = passport("a1111", "sd15", "karras", steps).sigmas
    part = passport("a1111", "sd15", "karras", steps, denoise)
    assert part.sigmas == whole[-(run + 1) :] and part.noise_scale == part.sigmas[0]
    fixed = passport("a1111", "sd15", "karras", steps, denoise, img2img_fix_steps=True)
    assert fixed.steps == steps


def test_comfyui_runs_as_many_steps_as_were_asked_for():
    part = passport("comfyui", "sd15", "karras", 7, 0.3)
    assert part.sigmas == passport("comfyui", "sd15", "karras", 23).sigmas[-8:]
    assert passport("comfyui", "sd15", "karras", 7, 0.99999).steps == 7


def img2img(pipeline, preset, cls, steps, strength):
    """Return the timesteps that a pipeline of diffusers itself leaves of a scheduler's."""
    import diffusers

    model = preset_of(preset)
    scheduler = lay_class(getattr(diffusers, cls), Asked(model, cls, steps, 1.0, {}), {})
    held = SimpleNamespace(scheduler=scheduler)
    get = getattr(diffusers, pipeline).get_timesteps
    return get(held, steps, strength, "cpu")[0].tolist()


@pytest.mark.parametrize(("steps", "strength"), [(20, 0.5), (7, 0.5), (10, 0.33), (9, 0.99)])
@pytest.mark.parametrize(
    ("pipeline", "model", "cls"),
    [
        ("StableDiffusionImg2ImgPipeline", "sd15", "EulerDiscreteScheduler"),
        ("StableDiffusionImg2ImgPipeline", "sd15", "HeunDiscreteScheduler"),
        ("StableDiffusionImg2ImgPipeline", "sd15", "PNDMScheduler"),
        ("FluxImg2ImgPipeline", "flux-dev", "FlowMatchEulerDiscreteScheduler"),
    ],
)
def test_diffusers_runs_what_its_own_pipeline_leaves(pipeline, model, cls, steps, strength):
    left = img2img(pipeline, model, cls, steps, strength)
    made = passport("diffusers", model, cls, steps, strength)
    assert made.evaluations == len(left) and made.timesteps[0] == left[0]
    assert made.noise_scale == made.sigmas[0]


def test_diffusers_start_and_options():
    own = passport("diffusers", "sd15", "EulerDiscreteScheduler", 20)
    assert own.sigmas[0] == pytest.approx(11.03, abs=5e-3)  # "leading" starts below the highest
    assert own.noise_scale == pytest.approx(np.hypot(1, own.sigmas[0]), rel=1e-6)
    assert any("below the highest, 14.61" in note for note in own.notes)
    same = passport("diffusers", "sd15", "euler karras", 20)
    flagged = passport("diffusers", "sd15", "EulerDiscreteScheduler", 20, use_karras_sigmas=True)
    assert same.sigmas == flagged.sigmas
    spaced = passport(
        "diffusers", "sd15", "EulerDiscreteScheduler", 20, timestep_spacing="linspace"
    )
    assert spaced.sigmas[0] == pytest.approx(14.6146, rel=1e-4)
    heun = passport("diffusers", "sd15", "HeunDiscreteScheduler", 20)
    assert heun.evaluations == 39 and heun.sigmas == own.sigmas


def test_a_shift_by_the_pictures_size():
    square = passport("diffusers", "flux-dev", None, 4)
    shift = np.exp(1.15)  # at 1024 x 1024: 4096 tokens
    t = np.linspace(1, 0, 5)
    np.testing.assert_allclose(square.sigmas, shift * t / (1 + (shift - 1) * t), rtol=1e-6)
    small = passport("diffusers", "flux-dev", None, 4, width=256, height=256)
    assert small.sigmas[2] < square.sigmas[2]
    node = passport("comfyui", "flux-dev", "simple", 4, width=256, height=256)
    np.testing.assert_allclose(node.sigmas, small.sigmas, rtol=1e-6)
    np.testing.assert_allclose(
        passport("invokeai", "flux-dev", None, 4, width=256, height=256).sigmas, small.sigmas, 1e-6
    )
    fixed = passport("diffusers", "flux-dev", None, 4, shift=3.0)
    np.testing.assert_allclose(fixed.sigmas, 3 * t / (1 + 2 * t), rtol=1e-6)


def test_invokeai_by_model():
    # below 1000 x strength: of 951, 901, ... the first is 451
    part = passport("invokeai", "sd15", "ddim", 20, 0.5)
    assert part.timesteps[0] == 451 and part.steps == 10
    assert passport("invokeai", "sd3", None, 4).sigmas == (1.0, 0.75, 0.5, 0.25, 0.0)
    # it begins at the strength itself, in the place of the last time above it
    assert passport("invokeai", "sd3", None, 4, 0.6).sigmas == (0.6, 0.5, 0.25, 0.0)
    assert passport("invokeai", "qwen-image", None, 8).sigmas[-2] == pytest.approx(0.02, rel=1e-4)
    assert passport("invokeai", "flux-schnell", None, 2).sigmas == (1.0, 0.5, 0.0)
    start = passport("invokeai", "sd15", "euler", 20)
    assert start.noise_scale == start.sigmas[0]


def test_a_remark_in_brackets_is_passed_over():
    plain = passport("a1111", "sd3", "beta", 6)
    assert passport("a1111", "sd3 (flow, shift 3.0)", "Beta (0.6, 0.6)", 6) == plain


def test_k_diffusion_by_any_name():
    short, full = (passport("k-diffusion", "sd15", n, 6) for n in ("karras", "get_sigmas_karras"))
    assert short == full and full.scheduler == "get_sigmas_karras"
    assert passport("k-diffusion", "sd15", "vp", 6).sigmas[0] == pytest.approx(152, rel=1e-2)


def test_a_config_is_a_model(tmp_path):
    config = {"_class_name": "DDIMScheduler", "beta_schedule": "linear", "beta_end": 0.02}
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps(config))
    by_path, by_dict = (passport("comfyui", c, "normal", 5) for c in (path, config))
    assert by_path == by_dict and by_path.sigmas[0] == pytest.approx(157.4, rel=1e-3)
    flow = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 5.0}
    assert (
        passport("comfyui", flow, "simple", 4).sigmas
        == passport("comfyui", "sd3", "simple", 4, shift=5.0).sigmas
    )


def test_the_object_is_plain():
    made = sdlab.passport("comfyui", model="sd15", scheduler="karras", num_steps=4)
    facts = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert facts["sigmas"] == list(made.sigmas) and facts["evaluations"] == 4
    assert made.title == "ComfyUI: karras, 4 steps; Stable Diffusion 1.5"
    infinite = sdlab.passport("diffusers", "zero-snr", "DDIMScheduler", 4).to_dict()
    assert infinite["sigmas"][0] is None
    json.dumps(infinite, allow_nan=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: passport("comfi"), "Unknown engine 'comfi'. Did you mean 'comfyui'"),
        (lambda: passport("comfyui", "sd16"), "Unknown model 'sd16'.*scheduler_config.json"),
        (lambda: passport("comfyui", "sd15", "karas"), "Unknown scheduler 'karas'"),
        (lambda: passport("comfyui", num_steps=0), "num_steps"),
        (lambda: passport("comfyui", denoise=0), "denoise must be above 0 up to 1, got 0"),
        (lambda: passport("comfyui", smapler="euler"), "Unknown option of comfyui 'smapler'"),
        (lambda: passport("comfyui", sampler="eular"), "Unknown sampler 'eular'"),
        (lambda: passport("comfyui", sampler="dpm_adaptive"), "sampler"),
        (lambda: passport("comfyui", sampler=2), "sampler of comfyui cannot be 2"),
        (lambda: passport("comfyui", shift=3.0), "Stable Diffusion 1.5 has no shift"),
        (lambda: passport("comfyui", "sd3", shift=-1), "shift of comfyui must be above 0"),
        (lambda: passport("comfyui", "sd3", "kl_optimal", 1), "divides by steps - 1"),
        (lambda: passport("comfyui", "sd3", shift=[3]), r"shift of comfyui cannot be \[3\]"),
        (lambda: passport("comfyui", "sd3", "turbo"), "made for Stable Diffusion"),
        (lambda: passport("a1111", "wan"), "AUTOMATIC1111 does not run Wan.* It runs: sd15"),
        (lambda: passport("k-diffusion", denoise=0.5), "k-diffusion has no denoise"),
        (lambda: passport("diffusers", "sd15", "DDIM", 3, 0.1), "has no step to run"),
        (lambda: passport("diffusers", "sd3", "DDIM"), "DDIMScheduler does not sample"),
        (lambda: passport("diffusers", "sd15", "Eulre"), "Unknown scheduler 'Eulre'"),
        (lambda: passport("diffusers", "sd15", "euler blue"), "Unknown curve of euler 'blue'"),
        (lambda: passport("diffusers", "sd15", "euler", karras=True), "karras"),
        (lambda: passport("diffusers", {"a": 1}), "no scheduler config"),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_wrong_kind_is_told():
    with pytest.raises(TypeError, match=r"engine of passport\(\)"):
        passport(5)
    with pytest.raises(TypeError, match=r"model of passport\(\)"):
        passport("comfyui", 5)
    assert able_of("k-diffusion") == ["sd15", "sd21-v", "sdxl", "playground-v2.5"]
    assert "sampler" in options_of("a1111")
