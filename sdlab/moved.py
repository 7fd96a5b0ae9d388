"""Modules that had another address before 0.3, still found under it.

Code written for 0.2 goes on working: an import of an old address gives the module that now holds
what it held, the same object, with a ``DeprecationWarning`` that names the new one.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

MOVED = {
    "sdlab.bench.entrant": "sdlab.bench.ready_solver",
    "sdlab.cli_compare": "sdlab.cli.compare",
    "sdlab.cli_dashboard": "sdlab.cli.dashboard",
    "sdlab.comparing.facts": "sdlab.comparing.model_facts",
    "sdlab.comparing.luck": "sdlab.comparing.significance",
    "sdlab.comparing.parting": "sdlab.comparing.divergence",
    "sdlab.doctor": "sdlab.cli.checks",
    "sdlab.inversion": "sdlab.ddim",
    "sdlab.latents.colour": "sdlab.colour_profiles",
    "sdlab.latents.preview": "sdlab.models.preview",
    "sdlab.latents.tiny": "sdlab.models.tiny",
    "sdlab.linting.subject": "sdlab.linting.inspected_course",
    "sdlab.noise.bounds": "sdlab.bounds",
    "sdlab.noise.closed_form": "sdlab.noise.curves",
    "sdlab.sampling.course": "sdlab.solvers.course",
    "sdlab.sampling.eta": "sdlab.ddim.eta",
    "sdlab.sampling.experiment": "sdlab.experiment.experiment",
    "sdlab.sampling.manifest": "sdlab.runs.manifest",
    "sdlab.sampling.memory": "sdlab.models.memory",
    "sdlab.sampling.process": "sdlab.solvers.protocol",
    "sdlab.sampling.run": "sdlab.runs.run",
    "sdlab.sampling.work": "sdlab.work",
    "sdlab.solvers.diffusers_adapter": "sdlab.solvers.from_diffusers",
    "sdlab.solvers.everyday": "sdlab.sampler_names",
    "sdlab.solvers.law": "sdlab.solvers.gaussian_law",
    "sdlab.solvers.model_config": "sdlab.models.scheduler_config",
    "sdlab.store": "sdlab.runs",
    "sdlab.terminal": "sdlab.cli.terminal",
    "sdlab.tracing.attention": "sdlab.attention",
    "sdlab.tracing.attention.record": "sdlab.experiment.attention_record",
    "sdlab.tracing.columns": "sdlab.columns",
    "sdlab.tracing.trace": "sdlab.runs.trace",
}
BUILTIN = (
    *("ddim", "ddpm", "deis", "dpm_2", "dpm_2_ancestral", "dpmpp_2m", "dpmpp_2m_sde"),
    *("dpmpp_2s_ancestral", "dpmpp_3m_sde", "dpmpp_sde", "edm_stochastic", "euler"),
    *("euler_ancestral", "heun", "lcm", "lms", "plms", "unipc"),
)
TRAINING = (
    *("attention_loss", "evaluate", "export", "facts", "latent_scenes", "loop", "make_atlas"),
    *("nets", "optimizer", "stage_checker", "stage_compose", "stage_text", "stage_unet"),
    *("stage_vae", "train", "vocabulary"),
)
MOVED |= {f"sdlab.solvers.{name}": f"sdlab.solvers.builtin.{name}" for name in BUILTIN}
MOVED |= {f"sdlab.embedded.{name}": f"sdlab.training.{name}" for name in TRAINING}


class MovedModules:
    """Finds and loads a module by its old address; importlib's own base classes load slowly."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for an old address, or None for any other."""
        new = new_address(name)
        found = find_spec(new) if new else None
        return ModuleSpec(name, cast("Loader", self), origin=found.origin) if found else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return None: Python makes the module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module at the new address in the place of this one."""
        sys.modules[module.__name__] = import_module(_warn(module.__name__))

    def get_code(self, name: str) -> CodeType | None:
        """Return the code at the new address, for ``python -m``."""
        found = find_spec(_warn(name))
        return found.loader.get_code(found.name) if found else None  # type: ignore[union-attr]


def new_address(name: str) -> str | None:
    """Return the new address of a module that had this one, or None if it never moved."""
    head, tail = name, ""
    while head:
        if head in MOVED:
            return MOVED[head] + tail
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return None


def _warn(name: str) -> str:
    """Warn that a module moved and return its new address."""
    new = new_address(name) or ""
    warnings.warn(f"{name} is now {new}.", DeprecationWarning, stacklevel=3)
    return new


def install() -> None:
    """Make old addresses importable."""
    sys.meta_path.insert(0, MovedModules())  # first: a package's folder would load a module twice
