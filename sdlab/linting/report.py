"""``sdlab.lint``: the findings of all rules about one course as a table; a table of the rules."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import pandas as pd

from sdlab.errors import SchedulerError, check_keywords, check_types
from sdlab.linting.inspected_course import InspectedCourse, Request
from sdlab.linting.registry import SEVERITIES, Finding, Rule, all_rules
from sdlab.noise.flow import is_flow
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.solvers.pipeline_times import handed_times

if TYPE_CHECKING:
    from sdlab.models.model import Model

COLUMNS = ("rule", "severity", "step", "message", "explanation", "fix", "source")


class LintOptions(TypedDict, total=False):
    """What else is known of the course that ``lint`` looks at.

    Attributes:
        curve: How sigma falls; None for what the config says.
        eta: Share of injected noise; one that is ignored is a finding, not an error.
        guidance_scale: In diffusers' convention, or None if it is not known.
        guidance_rescale: 0 ... 1.
        tokens: Latent tokens of the picture, for flow matching whose shift goes by them.
        mu: The logarithm of that shift, as it is handed to ``set_timesteps``; None for that of
            ``tokens``.
        sigmas: Flow matching's times, as they are handed to ``set_timesteps``.
        timesteps: What the network is told, as it is handed to ``set_timesteps``.
        pipeline: The class that draws, whose times and formula of mu count; the model's own.
    """

    curve: str | None
    eta: float | None
    guidance_scale: float | None
    guidance_rescale: float
    tokens: int | None
    mu: float | None
    sigmas: Sequence[float] | None
    timesteps: Sequence[float] | None
    pipeline: type | None


def lint(
    name: str,
    num_steps: int,
    *,
    config: Mapping[str, Any] = SD_CONFIG,
    model: "Model | None" = None,
    options: Mapping[str, Any] | None = None,
    curve_options: Mapping[str, Any] | None = None,
    **asked: Unpack[LintOptions],
) -> pd.DataFrame:
    """Return what is wrong or worth knowing about a course, the most severe first.

    Args:
        name: A solver's short name or a diffusers class.
        num_steps: Solver steps, at least 1.
        config: The model's scheduler config; by default that of Stable Diffusion 1.x.
        model: Takes the place of ``config``.
        options: Arguments of the solver, or of the scheduler's class.
        curve_options: Arguments of the curve; for own solvers only.
        **asked: ``curve``: how sigma falls; None for what the config says. ``eta``: share of
            injected noise; one that is ignored is a finding, not an error. ``guidance_scale``, if
            it is known, and ``guidance_rescale``, 0 ... 1. Of flow matching ``tokens``, ``mu``,
            ``sigmas``, ``timesteps`` and ``pipeline``. See ``LintOptions``.

    Returns:
        One row a finding: ``rule``, ``severity`` ("error", "warning", "note"), ``step`` (Int64, NA
        if it is about the whole), ``message``, ``explanation``, ``fix``, ``source``.

    Raises:
        ValueError: If a name, an option, the curve or the number of steps is not valid.
        TypeError: If there is no such argument, or one is of another type.

    Example:
        sdlab.lint("DDIMScheduler", 10, options={"timestep_spacing": "linspace"})
    """
    from sdlab.models.model import Model

    check_keywords(lint, asked, LintOptions.__annotations__)
    check_types(lint, name=(name, str), model=(model, (Model, type(None))))
    judged = dict(model.scheduler_config if model else config)
    if model is not None and model.path == "flow":
        asked.setdefault("pipeline", type(model.pipeline))
    cls = asked.get("pipeline")
    if cls is not None and is_flow(judged) and asked.get("curve") is None:
        asked.setdefault("sigmas", handed_times(cls, num_steps, judged, name))
    request = Request(
        name,
        num_steps,
        judged,
        model.schedule if model else None,
        dict(options or {}),
        curve_options=dict(curve_options or {}),
        **asked,
    )
    rows = [
        (rule.id, rule.severity, found.step, found.message, *_words(rule))
        for rule, found in _findings(request)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"step": "Int64"})


def _findings(request: Request) -> list[tuple[Rule, Finding]]:
    """Return every rule's findings, the most severe first; of a refused course only that one."""
    try:
        subject = InspectedCourse(request)
    except SchedulerError as error:
        return [(all_rules()["scheduler-refuses"], Finding(str(error)))]
    ordered = sorted(all_rules().values(), key=lambda r: SEVERITIES.index(r.severity))
    fitting = [rule for rule in ordered if subject.path in rule.paths]
    return [(rule, found) for rule in fitting for found in rule.check(subject)]


def rules() -> pd.DataFrame:
    """Return every rule: rule, theme, severity, explanation, details, fix, source."""
    columns = ["rule", "theme", "severity", "explanation", "details", "fix", "source"]
    rows = [
        (r.id, r.theme, r.severity, r.explanation, r.details, r.fix, r.source)
        for r in all_rules().values()
    ]
    return pd.DataFrame(rows, columns=columns)


def _words(rule: Any) -> tuple[str, str, str]:
    return rule.explanation, rule.fix, rule.source
