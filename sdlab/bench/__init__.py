"""The solver bench: measures how accurate a solver is, on data whose truth is known."""

from sdlab.bench.data import Problem, problem, problems
from sdlab.bench.fit import ORDER_STEPS, Order, fit, order, orders, sentence
from sdlab.bench.measure import COLUMNS, STEPS, TWELVE, errors
from sdlab.bench.paths import density, trajectories
from sdlab.bench.ready_solver import curves_for
from sdlab.submodules import on_first_use

__all__ = [
    "COLUMNS",
    "ORDER_STEPS",
    "STEPS",
    "TWELVE",
    "Order",
    "Problem",
    "curves_for",
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

__getattr__ = on_first_use(__name__)
