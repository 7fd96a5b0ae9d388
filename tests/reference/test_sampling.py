"""Schedule and steps are those of diffusers' DDIMScheduler and DDPMScheduler."""

import math
from functools import partial

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from sdlab.reference.sampling import Schedule, ddim_step, ddpm_step, guided, sample
from tests.conftest import SD_SCHEDULER


def predict(x, t):
    """Some smooth function of both in the network's place."""
    return torch.tanh(x * (1 + t / 1000)) + 0.1 * x.roll(1, -1)


def start():
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))


def ours(config, num_steps, step):
    generator = torch.Generator().manual_seed(5)
    draw = partial(torch.randn, 2, 4, 8, 8, generator=generator)
    return list(sample(predict, Schedule.from_config(config), start(), num_steps, draw, step))


def theirs(scheduler, num_steps, **options):
    generator, x, visits = torch.Generator().manual_seed(5), start(), []
    scheduler.set_timesteps(num_steps)
    for t in scheduler.timesteps:
        done = scheduler.step(predict(x, int(t)), t, x, generator=generator, **options)
        visits.append((int(t), x, done.pred_original_sample, done.prev_sample))
        x = done.prev_sample
    return visits


def assert_same(mine, expected, tolerance):
    assert [visit.timestep for visit in mine] == [visit[0] for visit in expected]
    for visit, (_, *tensors) in zip(mine, expected, strict=True):
        for a, b in zip(visit[1:], tensors, strict=True):
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("eta", [0, 0.5, 1])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("set_alpha_to_one", [False, True])
def test_ddim(eta, prediction_type, set_alpha_to_one):
    config = {
        **SD_SCHEDULER,
        "prediction_type": prediction_type,
        "set_alpha_to_one": set_alpha_to_one,
        "num_train_timesteps": 1000,
    }
    mine = ours(config, 7, partial(ddim_step, eta=eta))
    assert_same(mine, theirs(DDIMScheduler(**config), 7, eta=eta), 0)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("num_steps", [1, 13, 100])
def test_ddpm(prediction_type, num_steps):
    options = {k: v for k, v in SD_SCHEDULER.items() if k != "set_alpha_to_one"}
    options |= {"prediction_type": prediction_type, "num_train_timesteps": 1000}
    expected = theirs(DDPMScheduler(**options), num_steps)
    # the last noise of diffusers has a deviation of 1e-10 where ours has none
    assert_same(ours(options, num_steps, ddpm_step), expected, 1e-7)


def test_ddim_at_eta_1_is_ddpm():
    """The two differ only in how they are written, but for where the last jump ends."""
    config = {**SD_SCHEDULER, "set_alpha_to_one": True, "num_train_timesteps": 1000}
    for a, b in zip(
        ours(config, 9, partial(ddim_step, eta=1)), ours(config, 9, ddpm_step), strict=True
    ):
        torch.testing.assert_close(a.x_next, b.x_next, rtol=1e-4, atol=1e-4)


def test_guidance():
    def unet(x, t, context):
        return x * context.mean() if len(context) == 1 else x * context.mean((1, 2))[:, None]

    x, cond, uncond = torch.ones(1, 4), torch.full((1, 77, 2), 3.0), torch.full((1, 77, 2), 1.0)
    assert guided(unet, cond, uncond, 4.0)(x, 0).tolist() == [[9.0] * 4]
    assert guided(unet, cond, uncond, 1.0)(x, 0).tolist() == [[3.0] * 4]


@pytest.mark.parametrize("num_steps", [0, 1000])
def test_steps_out_of_range(num_steps):
    schedule = Schedule.from_config({**SD_SCHEDULER, "num_train_timesteps": 1000})
    with pytest.raises(ValueError, match=f"num_steps must be from 1 to 999, got {num_steps}"):
        schedule.jumps(num_steps)


def test_999_steps_stay_in_the_schedule():
    schedule = Schedule.from_config({**SD_SCHEDULER, "num_train_timesteps": 1000})
    assert schedule.jumps(999)[0] == (999, 998)


def test_a_scheduler_of_another_kind():
    config = {**SD_SCHEDULER, "num_train_timesteps": 1000, "timestep_spacing": "trailing"}
    with pytest.raises(ValueError, match="timestep_spacing .* 'leading', .* got 'trailing'"):
        Schedule.from_config(config)


def test_what_is_read_of_a_v_prediction():
    schedule = Schedule.from_config(
        {**SD_SCHEDULER, "num_train_timesteps": 1000, "prediction_type": "v_prediction"}
    )
    x0, eps, a = start(), start().flip(0), schedule.alpha_bar[600]
    x, v = a.sqrt() * x0 + (1 - a).sqrt() * eps, a.sqrt() * eps - (1 - a).sqrt() * x0
    for seen, true in zip(schedule.read(x, 600, v), (x0, eps), strict=True):
        torch.testing.assert_close(seen, true, rtol=1e-5, atol=1e-5)
    assert math.isclose(schedule.alpha_bar[0], 1 - SD_SCHEDULER["beta_start"], rel_tol=1e-6)
