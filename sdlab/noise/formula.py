"""A curve from a formula that a user types, evaluated safely, step by step.

The text is parsed to a syntax tree of which only arithmetic is let through: numbers, the names
below, + - * / // % **, comparisons, ``a if b else c`` and the functions below. simpleeval evaluates
the tree on floats alone, so that no power and no product can take long, and length, nesting and
size of the text are bounded. An error at a step names that step.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from sdlab.bounds import MAX_STEPS
from sdlab.errors import shown, unknown
from sdlab.noise.schedule import Array

MAX_LENGTH = 500
MAX_NODES = 150
MAX_DEPTH = 60
VARIABLES = ("u", "n", "sigma_min", "sigma_max", "pi", "e")


def _real(function: Callable[..., Any]) -> Callable[..., float]:
    """Return the function with its result converted to a float."""

    @wraps(function)
    def returns_a_float(*arguments: float) -> float:
        value = function(*arguments)
        if isinstance(value, complex):
            raise ValueError("it is complex there, a power of a negative number")
        return float(value)

    return returns_a_float


# Name: the function, and the fewest and most arguments that it takes.
FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "abs": (_real(abs), 1, 1),
    "acos": (_real(math.acos), 1, 1),
    "asin": (_real(math.asin), 1, 1),
    "atan": (_real(math.atan), 1, 1),
    "ceil": (_real(math.ceil), 1, 1),
    "cos": (_real(math.cos), 1, 1),
    "cosh": (_real(math.cosh), 1, 1),
    "exp": (_real(math.exp), 1, 1),
    "floor": (_real(math.floor), 1, 1),
    "log": (_real(math.log), 1, 2),
    "log10": (_real(math.log10), 1, 1),
    "log2": (_real(math.log2), 1, 1),
    "max": (_real(max), 2, 9),
    "min": (_real(min), 2, 9),
    "sin": (_real(math.sin), 1, 1),
    "sinh": (_real(math.sinh), 1, 1),
    "sqrt": (_real(math.sqrt), 1, 1),
    "tan": (_real(math.tan), 1, 1),
    "tanh": (_real(math.tanh), 1, 1),
}
_OPERATORS: dict[type, Callable[..., float]] = {
    ast.Add: _real(operator.add),
    ast.Sub: _real(operator.sub),
    ast.Mult: _real(operator.mul),
    ast.Div: _real(operator.truediv),
    ast.FloorDiv: _real(operator.floordiv),
    ast.Mod: _real(operator.mod),
    ast.Pow: _real(operator.pow),
    ast.USub: _real(operator.neg),
    ast.UAdd: _real(operator.pos),
    ast.Lt: _real(operator.lt),
    ast.LtE: _real(operator.le),
    ast.Gt: _real(operator.gt),
    ast.GtE: _real(operator.ge),
    ast.Eq: _real(operator.eq),
    ast.NotEq: _real(operator.ne),
}
_NODES = (
    ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.Load,
    *_OPERATORS,
)  # fmt: skip
_INSTEAD = {
    ast.BitXor: "write ** for a power, not ^",
    ast.Attribute: "a formula has no attributes (no dots after a name)",
    ast.Subscript: "a formula has no [ ]",
    ast.Lambda: "a formula has no lambda",
    ast.BoolOp: "use a comparison in 'a if b else c' instead of and / or",
    ast.NamedExpr: "a formula assigns nothing",
}


@dataclass(frozen=True)
class CurveProblem:
    """What is wrong with a curve, and where.

    Attributes:
        index: Place in the curve's sigmas, from 0.
        value: The value there; NaN if there is no number.
        sentence: What is wrong and what to do.
    """

    index: int
    value: float
    sentence: str


def evaluate(
    text: str, num_steps: int, sigma_min: float, sigma_max: float
) -> tuple[Array, list[CurveProblem]]:
    """Return a formula's sigmas, NaN where it has no value, and the problems found.

    Args:
        text: The formula.
        num_steps: Solver steps, 1 to ``MAX_STEPS``.
        sigma_min: The model's smallest noise level.
        sigma_max: The model's largest.

    Raises:
        ValueError: If the text is no formula at all, whatever u is, or another argument is out of
            range.
    """
    from simpleeval import SimpleEval

    if not 1 <= num_steps <= MAX_STEPS:
        raise ValueError(f"num_steps of a formula must be from 1 to {MAX_STEPS}, got {num_steps}.")
    tree = parse(text)
    functions = {name: found[0] for name, found in FUNCTIONS.items()}
    evaluator = SimpleEval(operators=dict(_OPERATORS), functions=functions)
    fixed = {
        "sigma_min": _float(sigma_min),  # as an option of the curve it may be a whole number
        "sigma_max": _float(sigma_max),
        "pi": math.pi,
        "e": math.e,
    }
    sigmas = np.full(num_steps + 1, np.nan)
    sigmas[-1] = 0.0
    problems = []
    for index, u in enumerate(np.linspace(0.0, 1.0, num_steps).tolist()):
        evaluator.names = {**fixed, "u": u, "n": float(num_steps)}
        try:
            sigmas[index] = _finite(evaluator.eval(text, previously_parsed=tree))
        except (ArithmeticError, ValueError, RecursionError) as error:
            sentence = f"The formula has no value at step {index} (u = {u:.4g}): {_why(error)}."
            problems.append(CurveProblem(index, math.nan, sentence))
    return sigmas, problems


def parse(text: str) -> ast.expr:
    """Return the syntax tree of a formula, its numbers floats.

    Raises:
        ValueError: If it is no formula: too long, no expression, or with anything but arithmetic.
    """
    if not isinstance(text, str):
        raise ValueError(f"formula must be text, got {text!r}.")
    plain = " ".join(text.split())
    if not plain:
        raise ValueError("formula is empty; for example: sigma_max * (sigma_min / sigma_max) ** u")
    if len(plain) > MAX_LENGTH:
        raise ValueError(f"formula must be at most {MAX_LENGTH} characters, got {len(plain)}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "5is 4" and the like
            tree = ast.parse(plain, mode="eval").body
    except SyntaxError as error:
        at = f" at character {error.offset}" if error.offset else ""
        raise ValueError(f"formula {shown(plain)} is no expression{at}: {error.msg}.") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"formula {shown(plain)} cannot be read: {_why(error)}.") from None
    _judge(tree)
    return tree


def _judge(tree: ast.expr) -> None:
    """Let only arithmetic through, and make its numbers floats."""
    level: list[ast.AST] = [tree]
    nodes = depth = 0
    while level:
        depth, nodes = depth + 1, nodes + len(level)
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ValueError(
                "formula is too large: at most"
                f" {MAX_NODES} parts nested {MAX_DEPTH} deep; write it shorter."
            )
        for node in level:
            _judge_node(node)
        level = [child for node in level for child in _children(node)]


def _children(node: ast.AST) -> list[ast.AST]:
    return node.args if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))  # type: ignore[return-value]


def _judge_node(node: ast.AST) -> None:
    if not isinstance(node, _NODES):
        instead = _INSTEAD.get(type(node), "only numbers, names, arithmetic and functions may be")
        raise ValueError(f"formula has {type(node).__name__}: {instead}.")
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise ValueError(f"formula may hold numbers only, it has {shown(node.value)}.")
        node.value = _float(node.value)
    elif isinstance(node, ast.Name) and node.id not in VARIABLES:
        what = "variable of a formula"
        if node.id in FUNCTIONS:
            raise ValueError(f"{node.id} is a function; write {node.id}(...) in the formula.")
        raise ValueError(unknown(what, node.id, VARIABLES))
    elif isinstance(node, ast.Call):
        _judge_call(node)


def _judge_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        raise ValueError("formula calls something that is no function's name.")
    name = node.func.id
    if name not in FUNCTIONS:
        raise ValueError(unknown("function of a formula", name, FUNCTIONS))
    low, high = FUNCTIONS[name][1:]
    if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        raise ValueError(f"{name}() in a formula takes plain arguments only.")
    if not low <= len(node.args) <= high:
        wanted = f"{low}" if low == high else f"{low} to {high}"
        raise ValueError(f"{name}() takes {wanted} argument(s), got {len(node.args)}.")


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise ValueError("formula has a number beyond 1e308; write a smaller one.") from None


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("it is not a number there" if math.isnan(number) else "it is infinite")
    return number


def _why(error: Exception) -> str:
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, OverflowError):
        return "the number is too large"
    if isinstance(error, (RecursionError, MemoryError)):
        return "it is nested too deep"
    if "domain" in str(error) or "expected a" in str(error):
        return "outside a function's domain, such as log(0) or sqrt(-1)"
    return str(error).rstrip(".")
