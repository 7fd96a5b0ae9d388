"""Every own solver keeps its contract, and each way to break it is found."""

from itertools import pairwise

import pytest
import torch

import sdlab
from sdlab.solvers.contract import check
from sdlab.solvers.registry import Solver, solvers

OWN = sorted(n for n, s in solvers().items() if s.function.__module__.startswith("sdlab."))


@pytest.mark.parametrize("name", OWN)
def test_own_solvers_keep_it(name):
    assert sdlab.check_solver(name) == []


def euler(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        x = x0_pred + (x - x0_pred) * sigma_next / sigma
    return x


def test_a_good_one_passes():
    assert check(Solver("good", euler, order=1)) == []


def yields_a_name(x, sigmas, noise):
    yield "x", sigmas[0]
    return x


def yields_half_of_it(x, sigmas, noise):
    yield x[..., :1], sigmas[0]
    return x


def asks_at_zero(x, sigmas, noise):
    yield x, sigmas[0]
    yield x, sigmas[-1]
    return x


def returns_nothing(x, sigmas, noise):
    yield x, sigmas[0]


def returns_double(x, sigmas, noise):
    x0_pred = yield x, sigmas[0]
    return x0_pred.double()


def never_ends(x, sigmas, noise):
    while True:
        yield x, sigmas[0]


def divides_by_zero(x, sigmas, noise):
    yield x, sigmas[0] / sigmas[-1]
    return x


def overflows(x, sigmas, noise):
    x0_pred = yield x, sigmas[0]
    return x0_pred / 0


def works_in_place(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        x -= x0_pred
        x *= sigma_next / sigma
        x += x0_pred
    return x


def overwrites_predictions(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        x = x0_pred + (x - x0_pred) * sigma_next / sigma
        x0_pred.zero_()
    return x


def asks_twice(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        yield x, sigma
        x0_pred = yield x, sigma
        x = x0_pred + (x - x0_pred) * sigma_next / sigma
    return x


def has_its_own_dice(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        x = x0_pred + sigma_next * torch.randn_like(x)
    return x


def draws(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        x = x0_pred + sigma_next * noise(x)
    return x


def looks_at_its_neighbours(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        x = x0_pred + (x - x0_pred) * sigma_next / sigma + 1e-3 * x.mean()
    return x


def stops_early(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas[:-1]):
        x0_pred = yield x, sigma
        x = x0_pred + (x - x0_pred) * sigma_next / sigma
    return x


def forgets_its_noise(x, sigmas, noise):
    for sigma, _ in pairwise(sigmas):
        x = yield x, sigma
    return x


@pytest.mark.parametrize(
    ("function", "declared", "rule", "message"),
    [
        (yields_a_name, {}, "runs", "yields at sigma 14.6 str, no tensor"),
        (yields_half_of_it, {}, "runs", r"shape \(2, 4, 8, 1\), not \(2, 4, 8, 8\)"),
        (asks_at_zero, {}, "runs", "asks for a prediction at sigma 0"),
        (returns_nothing, {}, "runs", "returns NoneType, no tensor"),
        (returns_double, {}, "runs", "returns torch.float64, not torch.float32"),
        (never_ends, {}, "runs", "does its loop end"),
        (divides_by_zero, {}, "runs", "ZeroDivisionError"),
        (overflows, {}, "finite", "NaN or infinity"),
        (works_in_place, {}, "in_place", "write x = x"),
        (overwrites_predictions, {}, "in_place", "a prediction in place"),
        (asks_twice, {}, "evaluations", "makes 20 evaluations in 10 steps, but declares stages=1"),
        (has_its_own_dice, {}, "repeatable", "from noise alone"),
        (draws, {}, "deterministic", "declares deterministic=True"),
        (euler, {"deterministic": False}, "deterministic", "draws no noise"),
        (looks_at_its_neighbours, {}, "batch", "depends on the others"),
        (stops_early, {}, "ends_at_last_sigma", "away from data that is a single point"),
        (forgets_its_noise, {}, "ends_at_last_sigma", "the last sigma is 0.5"),
        (euler, {"order": 2}, "order", r"declares order 2, but reaches 1\.00"),
        (draws, {"order": 1, "deterministic": False}, "order", "declares order 1"),
    ],
)
def test_what_is_broken_is_found(function, declared, rule, message):
    findings = check(Solver("broken", function, **declared))
    told = [finding.message for finding in findings if finding.rule == rule]
    assert told, findings
    with pytest.raises(ValueError, match=message):
        raise ValueError(" ".join(told))


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match="Unknown solver 'huen'. Did you mean 'heun'"):
        sdlab.check_solver("huen")
