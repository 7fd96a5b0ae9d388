"""DPM-Solver-v3 with given statistics: exact on Gaussians, its orders, and its authors' code."""

import math

import numpy as np
import pytest
import torch

from sdlab.denoisers.gaussian import Gaussian, denoise
from sdlab.noise import curves
from sdlab.solvers.contract import _levels, _reference
from sdlab.solvers.dpm_solver_v3 import dpm_solver_v3
from sdlab.solvers.model_statistics import ModelStatistics
from sdlab.solvers.registry import solvers
from sdlab.work import drive

MEAN, STD = 0.3, 0.6
LAST = 0.03


def waves(levels=2001):
    """Return smooth statistics that are nobody's: the order must not hang on them."""
    sigmas = np.geomspace(14.6, LAST, levels)
    place = -np.log(sigmas)[:, None]
    return ModelStatistics(
        sigmas, 0.5 + 0.3 * np.sin(place), 0.4 * np.cos(place), 0.2 * np.sin(2 * place)
    )


def of_x0(levels=50):
    """Return the statistics by which the method falls back on x0_pred: l 1, s and b 0."""
    sigmas = np.geomspace(14.6, LAST, levels)
    one = np.ones((levels, 1))
    return ModelStatistics(sigmas, one, 0 * one, 0 * one)


def start(size=14.6):
    generator = torch.Generator().manual_seed(0)
    return size * torch.randn(1, 4, 4, 4, generator=generator, dtype=torch.float64)


def sigmas_of(steps, last=LAST):
    return tuple(np.geomspace(14.6, last, steps + 1).tolist())


def test_on_a_gaussian_a_step_of_any_length_is_exact():
    """Statistics in closed form: l = sigma^2 / (std^2 + sigma^2), s = 0, b = 2 mean l (1 - l)."""
    mean, std = np.array([0.3, -2.0, 0.0, 1.0]), np.array([0.6, 0.1, 3.0, 1.0])
    sigmas = np.geomspace(14.6, LAST, 2001)
    linear = sigmas[:, None] ** 2 / (std**2 + sigmas[:, None] ** 2)
    held = ModelStatistics(sigmas, linear, 0 * linear, 2 * mean * linear * (1 - linear))
    rows = torch.from_numpy(np.repeat(np.stack([mean, std]), 16, axis=1)).view(2, 4, 4, 4)
    data = Gaussian(rows[0], rows[1].flatten())
    x = start()
    for steps in (1, 3):
        for order in (1, 2, 3):
            run = dpm_solver_v3(x, sigmas_of(steps), None, statistics=held, order=order)
            end = drive(run, lambda asked: data.denoise(*asked))
            torch.testing.assert_close(end, data.flow(x, 14.6, LAST), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({"order": 1, "corrector": False}, 1),
        ({"order": 1}, 2),  # the corrector is of one order more
        ({"order": 2}, 2),
        ({"order": 3}, 2),  # as its first step is of order 1
        ({"order": 2, "corrector_pseudo": False}, 2),
        ({"order": 2, "lower_order_final": False}, 2),
    ],
)
def test_order_on_a_mixture_whatever_the_statistics(options, order):
    data, x, reference = _reference()
    errors = []
    for steps in (64, 128):
        run = dpm_solver_v3(x, _levels(steps), None, statistics=waves(), **options)
        end = drive(run, lambda asked: data.denoise(*asked))
        errors.append(float((end - reference).square().mean().sqrt()))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


def solved(generator):
    return drive(generator, lambda asked: denoise(*asked, MEAN, STD))


def test_without_statistics_order_1_is_ddim_and_its_correction_sa_solvers():
    sigmas = tuple(curves.karras(10, LAST, 14.6).tolist())
    plain = dpm_solver_v3(start(), sigmas, None, statistics=of_x0(), order=1, corrector=False)
    ddim = solvers()["ddim"].function(start(), sigmas, None)
    torch.testing.assert_close(solved(plain), solved(ddim), rtol=0, atol=1e-12)
    corrected = dpm_solver_v3(start(), sigmas, None, statistics=of_x0(), order=1)
    options = {"tau": 0.0, "predictor_order": 1, "corrector_order": 2}
    adams = solvers()["sa_solver"].function(start(), sigmas, None, **options)
    torch.testing.assert_close(solved(corrected), solved(adams), rtol=0, atol=1e-10)


# Ends of the authors' algorithm (github.com/thu-ml/DPM-Solver-v3, commit ba168717, its EDM sampler,
# written anew in numpy; their file itself was not run) in float64 with the statistics of ``waves``
# over 8,001 levels: ten steps even in ln sigma from 14.6 to 0.03, from (14.6, -7.3, 3.65), on a
# Gaussian of independent coordinates.
AUTHORS_MEAN = torch.tensor([0.3, -0.2, 0.7], dtype=torch.float64).view(1, 1, 1, 3)
AUTHORS_STD = torch.tensor([0.5, 1.5, 0.2], dtype=torch.float64).view(1, 1, 1, 3)
AUTHORS_NAMES = (
    "order",
    "corrector",
    "predictor_pseudo",
    "corrector_pseudo",
    "lower_order_final",
)
AUTHORS_ENDS = [
    ((1, False, False, False, False), (0.432747287, -0.451899257, 0.737829085)),
    ((1, True, False, True, True), (0.861694268, -0.971762574, 0.769383725)),
    ((2, False, False, False, False), (1.216168951, -1.271251738, 0.817502395)),
    ((2, True, False, True, True), (0.645517172, -0.906486285, 0.726926004)),
    ((2, True, False, False, False), (0.728928158, -0.958903175, 0.728148599)),
    ((2, True, True, True, False), (0.617094522, -0.927744909, 0.70000137)),
    ((3, False, False, False, False), (0.522019484, -0.774263996, 0.706373935)),
    ((3, True, False, True, True), (0.531758317, -0.712747946, 0.718231206)),
    ((3, True, False, False, False), (0.660977573, -0.848275443, 0.715962761)),
    ((3, True, True, True, False), (0.580891285, -0.866409187, 0.688767128)),
]


@pytest.mark.parametrize(("given", "expected"), AUTHORS_ENDS)
def test_ends_where_the_authors_code_does(given, expected):
    """Within 1e-6: their integrals are sums of trapezoids over the levels, ours exact."""
    options = dict(zip(AUTHORS_NAMES, given, strict=True))
    x = torch.tensor([14.6, -7.3, 3.65], dtype=torch.float64).view(1, 1, 1, 3)
    run = dpm_solver_v3(x, sigmas_of(10), None, statistics=waves(), **options)

    def answer(asked):
        x, sigma = asked
        share = AUTHORS_STD**2 / (AUTHORS_STD**2 + sigma**2)
        return AUTHORS_MEAN + share * (x - AUTHORS_MEAN)

    end = drive(run, answer)
    torch.testing.assert_close(end.flatten(), torch.tensor(expected).double(), rtol=0, atol=1e-6)


def test_asks_once_a_step_and_ends_at_0_with_the_prediction():
    asked = []

    def answer(request):
        asked.append(request[1])
        return torch.full_like(request[0], float(len(asked)))

    sigmas = (8.0, 4.0, 2.0, 1.0, 0.0)
    end = drive(dpm_solver_v3(start(), sigmas, None, statistics=waves()), answer)
    assert asked == [8.0, 4.0, 2.0, 1.0] and bool((end == 4.0).all())


def test_data_of_other_channels_gets_the_mean():
    held = waves(10)
    two = ModelStatistics(
        held.sigmas, *(np.hstack([v - 0.1, v + 0.1]) for v in (held.l, held.s, held.b))
    )
    for name in ("l", "s", "b"):
        mean = getattr(two.for_channels(4), name)
        np.testing.assert_allclose(mean, getattr(held, name), atol=1e-15)
    assert two.for_channels(2) is two


def test_a_curve_beyond_the_statistics_is_refused():
    for sigmas in ((20.0, 1.0, 0.0), (10.0, 1.0, 0.01)):
        with pytest.raises(ValueError, match="known from sigma 14.6 to 0.03.*sdlab statistics"):
            next(dpm_solver_v3(start(), sigmas, None, statistics=waves()))


def test_orders_out_of_range_are_refused():
    with pytest.raises(ValueError, match="order of solver 'dpm_solver_v3' must be from 1 to 3"):
        next(dpm_solver_v3(start(), (2.0, 1.0), None, statistics=waves(), order=4))


def test_unknown_by_itself_it_says_how_it_is_made():
    import sdlab

    with pytest.raises(ValueError, match="made of a model's statistics: `sdlab statistics"):
        sdlab.course("dpm_solver_v3", 10)


def test_statistics_come_back_from_their_file(tmp_path):
    held = waves(20)
    (tmp_path / "v3.json").write_text(held.to_json())
    again = ModelStatistics.read(tmp_path / "v3.json")
    for name in ("sigmas", "l", "s", "b"):
        np.testing.assert_array_equal(getattr(again, name), getattr(held, name))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read as statistics"),
        ("[1", "cannot be read as statistics"),
        ("{}", "holds no statistics of format 1"),
        ('{"kind": "sdlab.model_statistics", "format": 1}', "holds no whole statistics"),
    ],
)
def test_files_that_hold_none_are_refused(tmp_path, text, message):
    path = tmp_path / "v3.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        ModelStatistics.read(path)


@pytest.mark.parametrize(
    ("sigmas", "values", "message"),
    [
        ([3.0, 2.0, 1.0], np.zeros((3, 1)), "at least 4, fall and stay above 0"),
        ([4.0, 2.0, 3.0, 1.0], np.zeros((4, 1)), "at least 4, fall and stay above 0"),
        ([4.0, 3.0, 2.0, 0.0], np.zeros((4, 1)), "at least 4, fall and stay above 0"),
        ([4.0, 3.0, 2.0, 1.0], np.zeros(4), "must be 4 levels by channels"),
        ([4.0, 3.0, 2.0, 1.0], np.full((4, 1), math.nan), "must be finite"),
    ],
)
def test_statistics_that_are_none_are_refused(sigmas, values, message):
    with pytest.raises(ValueError, match=message):
        ModelStatistics(np.array(sigmas), values, values, values)


def test_between_levels_they_are_smooth():
    """Cubics between 41 levels, against the functions themselves."""
    held, place = waves(41), np.linspace(-2.6, 3.4, 301)
    found = held.at(place)
    expected = 0.5 + 0.3 * np.sin(place), 0.4 * np.cos(place), 0.2 * np.sin(2 * place)
    for values, true in zip(found, expected, strict=True):
        np.testing.assert_allclose(values[:, 0], true, atol=2e-3)
