"""DDIM against diffusers where diffusers is right, and against the closed form where it is not."""

import numpy as np
import pytest
import torch

import sdlab
from sdlab.ddim.eta import fan, injected
from sdlab.denoisers.gaussian import denoise, solution
from sdlab.solvers.protocol import Answer
from sdlab.work import finish

MEAN = 0.3
LINSPACE = {"timestep_spacing": "linspace"}
TRAILING = {"timestep_spacing": "trailing"}
ENDS = {"options": {"set_alpha_to_one": True}}


def network(x_t, timestep):
    """Some smooth network: its output depends on the point and on the time."""
    return torch.tanh(1.3 * x_t) * (0.4 + timestep / 1000) + 0.1 * torch.sin(7 * x_t)


def run(name, steps, start, output, seed=0, **options):
    """Run a solver or scheduler; ``output(x_t, timestep, sigma)`` is the network's eps."""
    course = sdlab.course(name, steps, **options)
    generator = torch.Generator().manual_seed(seed)
    process = course.make_process(start, generator)
    try:
        query = next(process)
        while True:
            eps = output(query.x_t, query.timestep, query.sigma)
            x0_pred = query.x_t * (1 + query.sigma**2) ** 0.5 - query.sigma * eps
            query = process.send(Answer(eps, x0_pred))
    except StopIteration as stop:
        return stop.value


@pytest.fixture(scope="module")
def start():
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [4, 10, 50])
def test_leading_spacing_equals_diffusers(start, steps, eta):
    """Same noise, elementwise; both end without noise (``set_alpha_to_one``)."""
    options = {"eta": eta}
    theirs = run("DDIMScheduler", steps, start, lambda x, t, s: network(x, t), **options, **ENDS)
    ours = run("ddim", steps, start, lambda x, t, s: network(x, t), curve="leading", **options)
    # Theirs computes in float32 tables; the latents have a size of about 1.
    torch.testing.assert_close(ours, theirs, atol=1e-6 * float(theirs.abs().max()), rtol=1e-6)


def gaussian_error(name, steps, start, std, **options):
    """Return the relative error against the exact flow of N(mean, std^2)."""
    from sdlab.noise import NoiseSchedule
    from sdlab.solvers.from_diffusers import SD_CONFIG

    def exact(x_t, timestep, sigma):
        # A network knows the noise level from the timestep that it is told.
        level = float(schedule.timestep_to_sigma(timestep))
        x = x_t * (1 + level**2) ** 0.5
        return (x - denoise(x, level, MEAN, std)) / level

    schedule = NoiseSchedule.from_config(SD_CONFIG)
    course = sdlab.course(name, steps, **options)
    sigma = course.sigmas[0]
    end = run(name, steps, start, exact, **options) * (1 + course.end**2) ** 0.5
    x = start * (1 + sigma**2) ** 0.5
    spread = np.sqrt((std**2 + course.end**2) / (std**2 + sigma**2))
    right = MEAN + (x - MEAN) * spread
    if course.end == 0:
        torch.testing.assert_close(right, solution(x, sigma, MEAN, std))
    return float((end - right).square().mean().sqrt() / right.square().mean().sqrt())


@pytest.mark.parametrize(
    ("spacing", "curve", "steps"), [(LINSPACE, "linspace", 10), (TRAILING, "trailing", 30)]
)
def test_other_spacings_are_right_where_diffusers_is_not(start, spacing, curve, steps):
    """DDIMScheduler steps to t - T // N, not to the next timestep of its own list.

    Data that is one point has an exact DDIM step, so all error there is the timestep's.
    """
    ours = gaussian_error("ddim", steps, start, 0.0, curve=curve)
    theirs = gaussian_error("DDIMScheduler", steps, start, 0.0, options=spacing)
    assert ours < 1e-6
    assert theirs > 1e-3


@pytest.mark.parametrize(
    ("spacing", "curve"), [(LINSPACE, "linspace"), (TRAILING, "trailing")], ids=lambda v: str(v)
)
def test_on_a_gaussian_diffusers_error_grows_with_the_steps_where_ours_falls(start, spacing, curve):
    """At few steps DDIM's own error hides the wrong timesteps; at 300 they are all that is left."""
    ours = [gaussian_error("ddim", n, start, 0.5, curve=curve) for n in (100, 300)]
    theirs = [
        gaussian_error("DDIMScheduler", n, start, 0.5, options=spacing | {"set_alpha_to_one": True})
        for n in (100, 300)
    ]
    assert ours[1] < 0.45 * ours[0] and ours[1] < 0.02
    assert theirs[1] > 1.5 * theirs[0] and theirs[1] > 4 * ours[1]


def test_our_error_falls_with_the_steps_over_every_spacing(start):
    for curve in ("leading", "linspace", "trailing"):
        coarse, fine = (gaussian_error("ddim", n, start, 0.5, curve=curve) for n in (25, 100))
        assert fine < 0.35 * coarse, curve


class TestEta:
    SIGMAS = (14.0, 5.0, 1.0, 0.2, 0.0)

    def test_the_closed_form_is_ddpms_posterior_at_eta_1(self):
        table = injected(self.SIGMAS, [1.0])
        bar = 1 / (1 + np.array(self.SIGMAS) ** 2)
        beta = 1 - bar[:-1] / bar[1:]  # of the step, as if it were one of the training's
        with np.errstate(divide="ignore", invalid="ignore"):
            posterior = beta * (1 - bar[1:]) / (1 - bar[:-1])  # Ho et al. 2020, eq. 7
        np.testing.assert_allclose(table["eta_std_vp"], np.sqrt(posterior), atol=1e-12)

    def test_nothing_is_injected_at_eta_0_or_in_the_last_step(self):
        table = injected(self.SIGMAS, [0.0, 0.5])
        assert (table.loc[table["eta"] == 0, "eta_std"] == 0).all()
        assert (table.loc[table["sigma_next"] == 0, "eta_std"] == 0).all()

    def test_the_injected_share_is_what_the_solver_adds(self, start):
        """Of pure noise (x0_pred 0, eta 1) the step's variance parts as the table says."""
        table = injected((2.0, 1.0, 0.0), [0.7])
        first = table.iloc[0]
        assert first["share"] == pytest.approx(0.49 * (1 - (1 / 2) ** 2))

    def test_the_fan_spreads_with_eta(self, start):
        work = fan(
            lambda x, sigma: denoise(x, sigma, 0.0, 1.0),
            start, self.SIGMAS, (0.0, 0.5, 1.0), tuple(range(8)),
        )  # fmt: skip
        table = finish(work).spread()
        assert list(table["eta"]) == [0.0, 0.5, 1.0]
        assert table["std"][0] == 0 and table["distance"][0] == 0
        assert table["std"].is_monotonic_increasing and table["std"][2] > 0.3

    @pytest.mark.parametrize(
        ("etas", "seeds", "match"),
        [((0.5, 1.5), (1,), "got 1.5"), ((), (1,), "needs etas"), ((0.5,), (), "seeds")],
    )
    def test_bad_arguments_are_named(self, start, etas, seeds, match):
        with pytest.raises(ValueError, match=match):
            finish(fan(lambda x, sigma: x, start, self.SIGMAS, etas, seeds))
