"""A step of training on a loaded model: the network's own answer, unchanged by being asked."""

import pytest
import torch

import sdlab
from sdlab.models.model import Model
from sdlab.objective.looking import looking, noise_of
from sdlab.objective.loss_curve import loss_curve, spread, weights
from sdlab.work import finish
from tests import flow
from tests.conftest import make_pipeline

PROMPT = "a red car"


@pytest.fixture(scope="module")
def latents():
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def look(small, latents):
    return finish(looking(small, latents, 400, PROMPT, seed=7))


def asked(model, x_t, timestep, prompt):
    context = model.encode_prompt(prompt)[0]
    with torch.no_grad():
        return model.pipeline.unet(x_t, timestep, encoder_hidden_states=context).sample


def test_the_network_is_asked_as_a_pipeline_asks_it(small, latents, look):
    """diffusers' own scheduler makes x_t, and the U-Net answers it."""
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(7))
    x_t = small.pipeline.scheduler.add_noise(latents, noise, torch.tensor([400]))
    torch.testing.assert_close(look.x_t, x_t, rtol=1e-5, atol=1e-5)
    assert torch.equal(look.noise, noise) and look.kind == "epsilon"
    for name, prompt in (("caption", PROMPT), ("none", "")):
        said = look.predicted(name)
        assert torch.equal(said, asked(small, look.x_t, 400, prompt))
        loss = torch.nn.functional.mse_loss(said, noise)
        assert look.loss(name) == pytest.approx(float(loss), rel=1e-5)
        assert look.squared_error(name).shape == latents.shape


def test_the_noise_is_that_of_a_run():
    model = Model(make_pipeline(), "small")
    run = sdlab.run(model, sdlab.Experiment(prompt="", seed=11, num_steps=1, solver="ddim"))
    start = noise_of([5, 11], (4, 16, 16))[1]
    torch.testing.assert_close(run.trace.x_t[0].float().reshape(4, 16, 16), start)


def test_every_kind_of_network_is_read(latents):
    """The same network said to predict x0 or v: its output is what is compared."""
    for kind in ("sample", "v_prediction"):
        model = Model(make_pipeline(kind), kind)
        found = finish(looking(model, latents, 600, PROMPT))
        assert found.kind == kind
        torch.testing.assert_close(
            found.predicted("caption"), asked(model, found.x_t, 600, PROMPT), rtol=1e-4, atol=1e-4
        )


def test_nothing_is_left_behind(small, latents):
    before = asked(small, latents, 10, PROMPT)
    work = looking(small, latents, 400, PROMPT)
    assert next(work) == (1, 2)
    work.close()
    hooks = [m for m in small.network.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert not hooks and torch.equal(before, asked(small, latents, 10, PROMPT))


def test_the_curve_is_the_mean_of_looks(small, latents):
    seen = []
    table = finish(
        loss_curve(small, latents, [100, 800], PROMPT, noises=3, seed=7),
        lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (12, 12) and len(table) == 4
    looks = [finish(looking(small, latents, 800, PROMPT, seed)) for seed in (7, 8, 9)]
    row = table[(table["conditioning"] == "none") & (table["timestep"] == 800)].iloc[0]
    losses = torch.tensor([each.loss("none") for each in looks], dtype=torch.float64)
    assert row["loss"] == pytest.approx(float(losses.mean()), rel=1e-4)
    half = 4.302653 * float(losses.std()) / 3**0.5  # Student's, two degrees of freedom
    assert row["high"] - row["loss"] == pytest.approx(half, rel=1e-3)
    assert row["epsilon"] == row["loss"] and row["kind"] == "epsilon" and row["noises"] == 3
    v = sum(each.loss("none", "v_prediction") for each in looks) / 3
    assert row["v_prediction"] == pytest.approx(v, rel=1e-4)
    with pytest.raises(ValueError, match="noises must be 2 or more, got 1"):
        finish(loss_curve(small, latents, [100], noises=1))


def test_flow_matching_is_asked_for_its_velocity():
    model = Model(flow.sd3(), "sd3")
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    table = finish(loss_curve(model, latents, [200, 999], PROMPT, noises=2))
    assert list(table["flow_time"][:2]) == pytest.approx([model_time(model, 200), 1.0])
    assert set(table["kind"]) == {"velocity"} and (table["velocity"] == table["loss"]).all()
    found = finish(looking(model, latents, 200, PROMPT))
    t = found.level.time
    torch.testing.assert_close(found.x_t, (1 - t) * latents + t * found.noise)
    torch.testing.assert_close(found.truth(), found.noise - latents)
    assert found.loss("caption") == pytest.approx(found.loss("caption", "sample") / t**2, rel=1e-3)
    counted = weights(model.schedule)
    assert counted["flow_time"].is_monotonic_increasing and len(counted) == 250


def model_time(model, timestep):
    sigma = model.schedule.sigma[timestep]
    return sigma / (1 + sigma)


def test_timesteps_are_spread_evenly(small):
    assert spread(small.schedule, 4) == [125, 375, 625, 875]
    assert spread(small.schedule, 2000) == list(range(1000))
