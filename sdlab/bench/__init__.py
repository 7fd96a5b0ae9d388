"""The solver bench: how accurate a solver is, on data whose truth is known."""

from sdlab.bench.data import Problem, problem, problems
from sdlab.bench.fit import ORDER_STEPS, Order, fit, order, orders, sentence
from sdlab.bench.measure import COLUMNS, STEPS, errors
from sdlab.bench.paths import density, trajectories

__all__ = [
    "COLUMNS",
    "ORDER_STEPS",
    "STEPS",
    "Order",
    "Problem",
    "density",
    "errors",
    "fit",
    "order",
    "orders",
    "problem",
    "problems",
    "sentence",
    "trajectories",
]
