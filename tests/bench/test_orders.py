"""Orders of convergence: those of theory, those declared, and one that has none."""

import math

import numpy as np
import pandas as pd
import pytest

from sdlab import bench
from sdlab.bench.ready_solver import is_stochastic
from sdlab.solvers.registry import solvers
from tests.zoo.chosen import OWN, cases

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("problem", "curve"),
    [("gaussian", "karras"), ("gaussian", "exponential"), ("mixture_2d", "karras")],
)
@pytest.mark.parametrize(
    ("name", "order"),
    [("euler", 1), ("ddim", 1), ("heun", 2), ("dpm_2", 2), ("dpmpp_2m", 2), ("unipc", 3)],
)
@pytest.mark.every
def test_orders_of_theory(name, order, problem, curve):
    found = bench.order(name, curve=curve, problem=problem)
    assert found.order == pytest.approx(order, abs=0.15)
    assert found.low < found.order < found.high and found.high - found.low < 0.2
    assert found.points >= 5 and found.note == ""


DECLARED = sorted(n for n, s in solvers().items() if s.order)


@pytest.mark.parametrize("name", cases(DECLARED, OWN))
def test_every_declared_order_is_reached(name):
    """Strong for deterministic solvers, weak for the others; an upper end of 0.1 below counts."""
    table = bench.errors(name, curve="karras", end="sigma_min", steps=bench.ORDER_STEPS)
    found = bench.fit(table)
    assert set(table["measure"]) == {"weak" if is_stochastic(name) else "strong"}
    assert found.high > solvers()[name].order - 0.1, found


def test_dpmpp_2m_sde_is_of_weak_order_two():
    found = bench.order("dpmpp_2m_sde", steps=(32, 64, 128, 256, 512))
    assert found.order == pytest.approx(2, abs=0.15)


def test_diffusers_ddim_with_linspace_has_no_order():
    """Its step goes back by T // N timesteps, which is not where its next evaluation is."""
    table = bench.errors("DDIMScheduler", curve="linspace")
    leading = bench.errors("DDIMScheduler", curve="leading")
    slopes = -np.diff(np.log2(table["error"]))
    assert slopes.min() < -1 and slopes.max() > 0.5  # more steps make it worse
    assert table["error"].iloc[-1] > 10 * leading["error"].iloc[-1]
    assert math.isnan(bench.fit(table).order)
    own = bench.order("ddim", curve="linspace", end="zero", steps=bench.STEPS)
    assert own.order == pytest.approx(1, abs=0.15)


def rows(steps, error, solver="euler", floor=math.nan, chance=math.nan):
    frame = pd.DataFrame({"num_steps": steps, "error": error}).reindex(columns=list(bench.COLUMNS))
    given = {"solver": solver, "curve": "karras", "problem": "gaussian", "measure": "strong"}
    return frame.assign(**given, floor=floor, chance=chance, note="")


STEPS = np.array([8, 16, 32, 64, 128, 256])


def test_fit_finds_a_power_and_its_interval():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        error = 3.0 * STEPS**-2.0 * np.exp(rng.normal(0, 0.02, len(STEPS)))
        found = bench.fit(rows(STEPS, error))
        hits += found.low <= 2 <= found.high
    assert 180 <= hits <= 199  # 95 %, within four standard errors


def test_fit_leaves_out_the_floor():
    error = 5.0 * STEPS**-2.0 + 1e-3
    bent = bench.fit(rows(STEPS, error))
    found = bench.fit(rows(STEPS, error, floor=1e-3))
    assert math.isnan(bent.order) or bent.order < 1.5
    assert (found.first, found.last) == (8, 16) or found.points == 0  # too few above it
    longer = np.array([2, 4, 8, 16, 32])
    found = bench.fit(rows(longer, 5.0 * longer**-2.0 + 1e-4, floor=1e-4))
    assert found.order == pytest.approx(2, abs=0.05) and found.last == 32 and found.first > 2


def test_fit_leaves_out_coarse_steps_that_bend():
    error = 3.0 * STEPS**-2.0 * (1 + (14 / STEPS) ** 3)
    found = bench.fit(rows(STEPS, error * 0.1))
    assert found.first > 8 and found.order == pytest.approx(2, abs=0.1)


def test_fit_claims_no_order_from_a_jagged_line():
    found = bench.fit(rows(STEPS, 1e-2 * np.array([3, 1, 5, 1, 4, 2])))
    assert math.isnan(found.order) and "no straight line" in found.note
    assert bench.sentence(found).startswith("no order (no straight line")


def test_fit_with_too_few_points_says_so():
    assert "fewer than 3" in bench.fit(rows(STEPS[:2], [0.1, 0.05])).note
    assert "no step count" in bench.fit(rows(STEPS, np.nan)).note


def test_orders_tabulates_every_solver():
    table = bench.errors(["euler", "heun"], curve="karras", end="sigma_min")
    found = bench.orders(table)
    assert list(found["solver"]) == ["euler", "heun"] and list(found["declared"]) == [1, 2]
    assert found["order"].round().tolist() == [1, 2]
    assert "order 2.0" in bench.sentence(next(found.iloc[1:].itertuples()))
