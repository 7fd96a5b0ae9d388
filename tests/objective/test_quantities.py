"""The four predictions against each other and against the reference's losses."""

import numpy as np
import pytest
import torch

from sdlab.noise.forward import add_noise
from sdlab.noise.schedule import NoiseSchedule
from sdlab.objective.quantities import KINDS, Level, error_over_x0, level_at, own_kind, quantity
from sdlab.reference.losses import target
from sdlab.solvers.from_diffusers import SD_CONFIG

SD = NoiseSchedule.from_config(SD_CONFIG)
FLOW = NoiseSchedule.flow_matching(1000, 3.0)


def randn(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 4, 5, 6, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_they_are_what_the_reference_trains(kind):
    x0, eps, level = randn(0), randn(1), level_at(SD, 300)
    alpha_bar = torch.tensor(SD.alpha_bar[300]).view(1, 1, 1, 1)
    torch.testing.assert_close(
        quantity(kind, x0, eps, level.sigma), target(kind, x0, eps, alpha_bar)
    )
    assert level.alpha_bar == pytest.approx(SD.alpha_bar[300])
    assert level.signal**2 + level.noise**2 == pytest.approx(1)


@pytest.mark.parametrize(("schedule", "t"), [(SD, 0), (SD, 700), (FLOW, 10), (FLOW, 900)])
@pytest.mark.parametrize("kind", KINDS)
def test_one_error_on_four_scales(schedule, t, kind):
    """A guess of x0 with the eps that x_t then leaves: every error is that of x0 times a number."""
    x0, eps, level = randn(0), randn(1), level_at(schedule, t)
    x_t = add_noise(x0, eps, level.sigma, level.path)
    guess = x0 + 0.1 * randn(2)
    left = (x_t - level.signal * guess) / level.noise
    error = quantity(kind, guess, left, level.sigma) - quantity(kind, x0, eps, level.sigma)
    times = float(error_over_x0(kind, level.sigma))
    sign = 1 if kind == "sample" else -1
    torch.testing.assert_close(error, sign * times * (guess - x0), rtol=1e-9, atol=1e-9)


def test_the_end_of_time():
    """Flow matching ends in noise alone; zero terminal SNR at the schedule's largest sigma."""
    last = level_at(FLOW, 999)
    assert last.sigma == np.inf and (last.signal, last.noise, last.time) == (0, 1, 1)
    assert [float(error_over_x0(kind, np.inf)) for kind in KINDS] == [0, 1, 1, 1]
    torch.testing.assert_close(quantity("v_prediction", randn(0), randn(1), np.inf), -randn(0))
    zero = NoiseSchedule.from_config({**SD_CONFIG, "rescale_betas_zero_snr": True})
    assert level_at(zero, 999).sigma == pytest.approx(4096, rel=1e-3)
    assert level_at(zero, 998).sigma == pytest.approx(zero.sigma[998])


def test_what_a_schedules_network_predicts():
    assert (own_kind(SD), own_kind(FLOW)) == ("epsilon", "velocity")
    v = NoiseSchedule.from_config({**SD_CONFIG, "prediction_type": "v_prediction"})
    assert own_kind(v) == "v_prediction"


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="'eps'.*epsilon"):
        quantity("eps", randn(0), randn(1), 1.0)
    with pytest.raises(ValueError, match="'x0'.*sample"):
        error_over_x0("x0", 1.0)
    with pytest.raises(ValueError, match="timestep must be from 0 to 999"):
        level_at(SD, 1000)
    assert Level(3, 1.0, "flow").time == 0.5
