"""What a flow-matching pipeline hands to its scheduler: times before the shift, and mu.

A pipeline's call may lay the times out itself, and have a formula of its own for mu. Both are in
the lines of its source that lead to the scheduler's ``set_timesteps``: they are run here without
the rest, on a scheduler that only notes what it is given. What needs more than the scheduler's
config, the steps and the picture's tokens is not known.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.configuration_utils import FrozenDict

from sdlab.models.scheduler_config import parameters
from sdlab.noise.flow import dynamic_mu
from sdlab.solvers.flow_course import SD3_CONFIG, TOKENS
from sdlab.solvers.probing import scheduler_classes
from sdlab.solvers.registry import solvers

UNKNOWN = object()
_LAYING = ("retrieve_timesteps", "set_timesteps")
_TOKENS = ("image_seq_len", "video_sequence_length", "seq_len")
_GIVEN = ("self", "num_inference_steps", *_TOKENS)
_SIZES = ("height", "width", "num_frames", "strength", "device")
"""Names whose defaults are not what a picture is drawn with."""
_OTHER_TOKENS = (
    "BriaPipeline",  # it draws twice the size that its factor tells
    "LongCatImageEditPipeline",  # of another size than is asked for
    "QwenImageEditInpaintPipeline",
    "Lumina2Pipeline",  # it takes the channels for the tokens
)


def hands_sigmas(pipeline: type) -> bool:
    """Return whether a pipeline's call makes the times itself, by its source."""
    return bool(_lines(pipeline)) and handed_over(pipeline, 4)["sigmas"] is not None


def handed_times(
    pipeline: type, num_steps: int, config: Mapping[str, Any] = SD3_CONFIG, solver: str = ""
) -> list[float] | None:
    """Return the times before the shift that a pipeline hands to its scheduler, by its source.

    None where it hands none, or they are not known, not one a step or not within 0 to 1.

    Args:
        pipeline: A class.
        num_steps: Solver steps.
        config: The model's scheduler config.
        solver: Who makes the steps: some pipelines hand none where ``use_flow_sigmas`` is set.
    """
    cls = None if solver in solvers() else scheduler_classes().get(solver)
    if cls is not None and "use_flow_sigmas" in parameters(cls):
        config = {**config, "use_flow_sigmas": True}  # as ``flow_course`` sets it
    times = handed_over(pipeline, num_steps, config)["sigmas"]
    if times is None or times is UNKNOWN:
        return None
    laid_out = [float(t) for t in times]
    return laid_out if len(laid_out) == num_steps and 0 < min(laid_out) <= 1 else None


def handed_timesteps(
    pipeline: type, num_steps: int, config: Mapping[str, Any] = SD3_CONFIG
) -> list[float] | None:
    """Return what a pipeline lets the network be told in the place of 1000 t, by its source.

    CogView4 and GLM-Image tell it whole numbers, which the shift of the times does not move. None
    where a pipeline hands none, or they are not known, or come without times.

    Args:
        pipeline: A class.
        num_steps: Solver steps.
        config: The model's scheduler config.
    """
    handed = handed_over(pipeline, num_steps, config)
    told = handed["timesteps"]
    if told is None or told is UNKNOWN or handed_times(pipeline, num_steps, config) is None:
        return None
    return [float(time) for time in told]


def handed_mu(
    pipeline: type, num_steps: int, config: Mapping[str, Any], tokens: int | None = None
) -> float | None:
    """Return the mu that a pipeline hands to its scheduler; None where it is not known.

    Args:
        pipeline: A class.
        num_steps: Solver steps, by which Flux.2's goes.
        config: The model's scheduler config.
        tokens: Latent tokens of the picture; those of 1024 x 1024 pixels if not given.
    """
    mu = handed_over(pipeline, num_steps, config, tokens)["mu"]
    if mu is None:
        return dynamic_mu(tokens or TOKENS, config)  # the scheduler will miss it, if it needs one
    return None if mu is UNKNOWN else float(mu)


def are_known(
    pipeline: type, num_steps: int, config: Mapping[str, Any], curve: str | None = None
) -> bool:
    """Return whether it is known over which times a pipeline draws.

    Args:
        pipeline: A class.
        num_steps: Solver steps.
        config: The model's scheduler config.
        curve: How sigma falls; a curve takes the place of the pipeline's times.
    """
    if config.get("use_dynamic_shifting") and handed_mu(pipeline, num_steps, config) is None:
        return False
    handed = handed_over(pipeline, num_steps, config)
    if curve is not None or handed["sigmas"] is None:
        return curve is not None or handed["timesteps"] is None
    return handed_times(pipeline, num_steps, config) is not None


def handed_over(
    pipeline: type,
    num_steps: int,
    config: Mapping[str, Any] = SD3_CONFIG,
    tokens: int | None = None,
) -> dict[str, Any]:
    """Return the ``sigmas``, ``timesteps`` and ``mu`` of a pipeline's ``set_timesteps``.

    Each is None where it is not handed over, ``UNKNOWN`` where it is not known.

    Args:
        pipeline: A class.
        num_steps: Solver steps.
        config: The model's scheduler config.
        tokens: Latent tokens of the picture; those of 1024 x 1024 pixels if not given.
    """
    scheduler = _Noting({**_defaults(), "use_dynamic_shifting": False, **config})
    count = UNKNOWN if pipeline.__name__ in _OTHER_TOKENS else tokens or TOKENS
    taken = inspect.signature(pipeline.__call__).parameters
    names = {
        **vars(sys.modules[pipeline.__module__]),
        **{name: p.default for name, p in taken.items()},
        **dict.fromkeys(_SIZES, UNKNOWN),
        **dict.fromkeys(_TOKENS, count),
        "self": SimpleNamespace(scheduler=scheduler),
        "num_inference_steps": num_steps,
    }
    for line, targets in _lines(pipeline):
        try:
            exec(line, names)  # noqa: S102 - a line of the pipeline's own
        except Exception:  # it needs more than is known here
            names |= dict.fromkeys(targets, UNKNOWN)
    return scheduler.told


class _Noting(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
    """A scheduler that notes what it is given."""

    config: Any = None
    timesteps: Any = ()

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = FrozenDict(config)
        self.told: dict[str, Any] = dict.fromkeys(("sigmas", "timesteps", "mu"), UNKNOWN)

    def set_timesteps(
        self,
        num_inference_steps: Any = None,
        device: Any = None,
        sigmas: Any = None,
        mu: Any = None,
        timesteps: Any = None,
    ) -> None:
        """Note what is given."""
        self.told = {"sigmas": sigmas, "timesteps": timesteps, "mu": mu}


@lru_cache(maxsize=1)
def _defaults() -> dict[str, Any]:
    return dict(FlowMatchEulerDiscreteScheduler().config)


@cache
def _lines(pipeline: type) -> list[tuple[Any, set[str]]]:
    """Return the lines that lead to ``set_timesteps``, compiled, and what names each sets."""
    try:
        source = inspect.getsource(pipeline.__call__)
    except (OSError, TypeError):  # a class that was typed, not read from a file
        return []
    tree = ast.parse(dedent(source)).body[0]
    body: list[ast.stmt] = tree.body  # type: ignore[attr-defined]
    last = next((i for i, line in enumerate(body) if _lays_out(line)), -1)
    wanted: set[str] = set()
    while True:
        lines = list(_leading(body[: last + 1], wanted))
        read = {name for line in lines for name in _names(line, ast.Load)}
        if read <= wanted:
            break
        wanted |= read
    return [(_compiled(line), _names(line, ast.Store)) for line in lines]


def _leading(body: Sequence[ast.stmt], wanted: set[str]) -> Iterator[ast.stmt]:
    """Yield the lines that lay times out or set one of the wanted names, branches among them."""
    for line in body:
        if isinstance(line, ast.If):
            branches = [list(_leading(part, wanted)) for part in (line.body, line.orelse)]
            if any(branches):
                yield ast.If(line.test, branches[0] or [ast.Pass()], branches[1])
        elif isinstance(line, (ast.Assign, ast.AugAssign, ast.Expr)):
            names = _set_by(line)
            if _lays_out(line) or names & wanted and not names & set(_GIVEN):
                yield line


def _set_by(line: ast.stmt) -> set[str]:
    """Return the names that a line sets, whole or an entry of."""
    targets = getattr(line, "targets", [getattr(line, "target", None)])
    found = [part for target in targets if target for part in ast.walk(target)]
    return {part.id for part in found if isinstance(part, ast.Name)}


def _names(line: ast.stmt, context: type) -> set[str]:
    """Return the names that are read or set in a line."""
    every = (part for part in ast.walk(line) if isinstance(part, ast.Name))
    return {part.id for part in every if isinstance(part.ctx, context)}


def _lays_out(line: ast.stmt) -> bool:
    """Return whether a line calls what lays times out."""
    calls = [part.func for part in ast.walk(line) if isinstance(part, ast.Call)]
    return any(getattr(f, "id", getattr(f, "attr", "")) in _LAYING for f in calls)


def _compiled(line: ast.stmt) -> Any:
    module = ast.Module([line], type_ignores=[])
    return compile(ast.fix_missing_locations(module), "<pipeline>", "exec")
