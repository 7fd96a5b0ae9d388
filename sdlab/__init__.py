"""The laboratory for diffusion models: run, trace, measure and export every step.

``import sdlab`` is light: what a name needs (torch, diffusers) is imported when the name is first
used. So is every module: ``sdlab.text.similar`` can be used without importing it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sdlab import moved
from sdlab.submodules import on_first_use

if TYPE_CHECKING:
    from sdlab import bench
    from sdlab.auditing.audit import Audit, audit
    from sdlab.comparing.comparison import Comparison
    from sdlab.comparing.entrant import Entrant
    from sdlab.comparing.run import compare
    from sdlab.ddim.invert import invert, regenerate
    from sdlab.errors import MemoryLimitError, ModelError, SdlabError, StoreError
    from sdlab.experiment.attention_record import AttentionRecord
    from sdlab.experiment.experiment import Experiment
    from sdlab.experiment.grid import Grid
    from sdlab.experiment.record import Record
    from sdlab.experiment.sweep import Sweep
    from sdlab.explaining.explain import Explanation, explain
    from sdlab.fitting.fit import fit_schedule
    from sdlab.linting.report import lint
    from sdlab.metadata.reading import read_parameters
    from sdlab.models.load import load
    from sdlab.models.model import Model
    from sdlab.noise import NoiseSchedule, curves
    from sdlab.passports.passport import Passport, passport
    from sdlab.pricing.price import price
    from sdlab.reports.report import report
    from sdlab.reproducing.rerun import rerun
    from sdlab.reproducing.script import diffusers_script
    from sdlab.runs.run import Run
    from sdlab.runs.run_folder import open_run
    from sdlab.runs.trace import Trace
    from sdlab.sampling.engine import Engine, run, run_many
    from sdlab.sampling.picture_attention import picture_attention
    from sdlab.sampling.plan import Plan, plan
    from sdlab.solvers.as_diffusers import as_diffusers_scheduler
    from sdlab.solvers.catalogue import schedulers
    from sdlab.solvers.contract import check_solver
    from sdlab.solvers.course import Course, course
    from sdlab.solvers.registry import solver
    from sdlab.sweeping.sweep import sweep
    from sdlab.text.tokens import tokens
    from sdlab.tracing.pipeline import trace

moved.install()

__version__ = "0.7.0"

_HOMES = {
    "Audit": "sdlab.auditing.audit",
    "AttentionRecord": "sdlab.experiment.attention_record",
    "Comparison": "sdlab.comparing.comparison",
    "Course": "sdlab.solvers.course",
    "Engine": "sdlab.sampling.engine",
    "Entrant": "sdlab.comparing.entrant",
    "Experiment": "sdlab.experiment.experiment",
    "Explanation": "sdlab.explaining.explain",
    "Grid": "sdlab.experiment.grid",
    "MemoryLimitError": "sdlab.errors",
    "Model": "sdlab.models.model",
    "ModelError": "sdlab.errors",
    "NoiseSchedule": "sdlab.noise",
    "Passport": "sdlab.passports.passport",
    "Plan": "sdlab.sampling.plan",
    "Record": "sdlab.experiment.record",
    "Run": "sdlab.runs.run",
    "SdlabError": "sdlab.errors",
    "StoreError": "sdlab.errors",
    "Sweep": "sdlab.experiment.sweep",
    "Trace": "sdlab.runs.trace",
    "as_diffusers_scheduler": "sdlab.solvers.as_diffusers",
    "audit": "sdlab.auditing.audit",
    "check_solver": "sdlab.solvers.contract",
    "compare": "sdlab.comparing.run",
    "curves": "sdlab.noise",
    "course": "sdlab.solvers.course",
    "diffusers_script": "sdlab.reproducing.script",
    "explain": "sdlab.explaining.explain",
    "fit_schedule": "sdlab.fitting.fit",
    "lint": "sdlab.linting.report",
    "invert": "sdlab.ddim.invert",
    "load": "sdlab.models.load",
    "open_run": "sdlab.runs.run_folder",
    "passport": "sdlab.passports.passport",
    "picture_attention": "sdlab.sampling.picture_attention",
    "plan": "sdlab.sampling.plan",
    "price": "sdlab.pricing.price",
    "read_parameters": "sdlab.metadata.reading",
    "regenerate": "sdlab.ddim.invert",
    "report": "sdlab.reports.report",
    "rerun": "sdlab.reproducing.rerun",
    "run": "sdlab.sampling.engine",
    "run_many": "sdlab.sampling.engine",
    "schedulers": "sdlab.solvers.catalogue",
    "solver": "sdlab.solvers.registry",
    "sweep": "sdlab.sweeping.sweep",
    "tokens": "sdlab.text.tokens",
    "trace": "sdlab.tracing.pipeline",
}

__all__ = [
    "AttentionRecord",
    "Audit",
    "Comparison",
    "Course",
    "Engine",
    "Entrant",
    "Experiment",
    "Explanation",
    "Grid",
    "MemoryLimitError",
    "Model",
    "ModelError",
    "NoiseSchedule",
    "Passport",
    "Plan",
    "Record",
    "Run",
    "SdlabError",
    "StoreError",
    "Sweep",
    "Trace",
    "as_diffusers_scheduler",
    "audit",
    "check_solver",
    "bench",
    "compare",
    "course",
    "curves",
    "diffusers_script",
    "explain",
    "fit_schedule",
    "lint",
    "invert",
    "load",
    "open_run",
    "passport",
    "picture_attention",
    "plan",
    "price",
    "read_parameters",
    "regenerate",
    "report",
    "rerun",
    "run",
    "run_many",
    "schedulers",
    "solver",
    "sweep",
    "tokens",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        return on_first_use(__name__)(name)
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
