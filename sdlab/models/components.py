"""What a ``model_index.json`` asks for: a pipeline class, and a class for each of its components.

Any pipeline of the installed diffusers is taken. Every class comes from diffusers, from one of its
pipelines' own modules or from transformers, and is a model, a scheduler, a tokenizer, a processor
or a guider; code that lies beside the weights is never looked at, let alone run.
"""

import functools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from sdlab.errors import ModelError, nearest, shown
from sdlab.models.pipelines import PLAIN
from sdlab.models.quiet import quiet

INDEX = "model_index.json"
OWN_SCHEDULERS = (
    ["sdlab.solvers.as_diffusers", "SolverScheduler"],
    ["sdlab.solvers.as_flow", "FlowSolverScheduler"],
)
"""Schedulers of this package as ``save_pretrained`` writes them."""
_ON_TRUST = "only components of diffusers and transformers are loaded, never code that comes with"
# Not needed for a picture; left out, diffusers neither loads them nor warns of them.
CHECKERS = ("safety_checker", "feature_extractor", "image_encoder")
# What a pipeline may do without whatever its signature says: prompts can come as embeddings.
_OPTIONAL = ("text_encoder", "tokenizer", "image_encoder", "feature_extractor", "processor")


_IMPORTS = threading.RLock()
P = ParamSpec("P")
R = TypeVar("R")


def _one_at_a_time(function: Callable[P, R]) -> Callable[P, R]:
    """Let one thread at a time import: diffusers and transformers import what is asked for by name.

    Two threads that ask for classes of one module at once, as a page and the worker may when the
    dashboard starts, are told that it has none of them. Imports are quiet: transformers warns of
    a missing torchvision, which nothing here needs.
    """

    @functools.wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with _IMPORTS, quiet():
            return function(*args, **kwargs)

    return alone


@dataclass(frozen=True)
class Component:
    """One component of a pipeline.

    Attributes:
        name: As the pipeline calls it, and its folder.
        cls: Its class.
        kind: "module", "scheduler", "tokenizer", "processor" or "guider".
    """

    name: str
    cls: type
    kind: str


@_one_at_a_time
def pipeline_class(index: Mapping[str, Any], name: str) -> Any:
    """Return the class that a ``model_index.json`` names.

    Args:
        index: Its contents.
        name: What the model is called in messages.

    Raises:
        ModelError: If the installed diffusers has no such pipeline, or it is code of the model's.
    """
    import diffusers

    wanted = index.get("_class_name")
    if isinstance(wanted, list):
        raise ModelError(
            f"{name} asks for a pipeline class of its own, {shown(wanted)}; only those of diffusers"
            " are loaded, never code that comes with a model."
        )
    if not isinstance(wanted, str):
        raise ModelError(f"{name}: {INDEX} names no pipeline class, got {shown(wanted)}.")
    found = getattr(diffusers, wanted, None)
    _check_packages(found, name, wanted)
    if isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline):
        return found
    close = nearest(wanted, [word for word in dir(diffusers) if word.endswith("Pipeline")])
    hint = f" It has {' and '.join(close)}." if close else ""
    raise ModelError(
        f"{name} is a {wanted}, which diffusers {diffusers.__version__} has not.{hint} A later"
        " diffusers may: pip install -U diffusers."
    )


@_one_at_a_time
def components(index: Mapping[str, Any], name: str) -> list[Component]:
    """Return the components that a ``model_index.json`` asks for and that are loaded.

    Args:
        index: Its contents.
        name: What the model is called in messages.

    Raises:
        ModelError: If one is missing that the pipeline must have, or is not to be trusted.
    """
    cls = pipeline_class(index, name)
    expected, _ = cls._get_signature_keys(cls)
    without = left_out(cls)
    found = []
    for part in sorted(set(expected) - set(without)):
        entry = index.get(part)
        if not isinstance(entry, (list, tuple)) or len(entry) != 2 or entry[0] is None:
            if not _may_lack(cls, part):
                raise ModelError(f"{name}: {INDEX} names no {part}, got {shown(entry)}.")
            continue
        found.append(_component(part, list(entry), name))
    return found


def left_out(cls: Any) -> dict[str, Any]:
    """Return what to pass to a class so that its safety checker and what feeds it stay away."""
    expected, options = cls._get_signature_keys(cls)
    if "safety_checker" not in expected:
        return {}
    optional = set(cls._optional_components)
    given: dict[str, Any] = {part: None for part in CHECKERS if part in optional}
    if "requires_safety_checker" in options:
        given["requires_safety_checker"] = False
    return given


def absent(index: Mapping[str, Any], cls: Any) -> dict[str, None]:
    """Return the components that a ``model_index.json`` leaves empty, as arguments for the class.

    diffusers takes them for forgotten unless it is told.
    """
    expected, _ = cls._get_signature_keys(cls)
    empty = (None, [None, None], (None, None))
    return {part: None for part in expected if index.get(part) in empty and _may_lack(cls, part)}


def _may_lack(cls: Any, part: str) -> bool:
    if part in cls._optional_components:
        return True
    return cls.__name__ not in PLAIN and any(word in part for word in _OPTIONAL)


def _component(part: str, entry: list[Any], name: str) -> Component:
    library, wanted = entry
    if entry in OWN_SCHEDULERS:
        return Component(part, getattr(import_module(library), wanted), "scheduler")
    module = _library(library)
    if module is None:
        raise ModelError(
            f"{name}: {INDEX} takes its {part} from {shown(library)}; {_ON_TRUST} a model."
        )
    found = _class(module, wanted)
    _check_packages(found, name, f"{part}, {wanted},")
    if found is None:
        package = module.__name__.split(".")[0]
        version = import_module(package).__version__
        raise ModelError(
            f"{name}: {INDEX} names {shown(wanted)} for its {part}, which {package} {version} has"
            f" not. A later one may: pip install -U {package}."
        )
    kind = _kind(found)
    if kind is None:
        raise ModelError(
            f"{name}: {INDEX} names {wanted} for its {part}, which is no model of PyTorch's, no"
            " scheduler, tokenizer or processor."
        )
    return Component(part, found, kind)


def _library(name: object) -> ModuleType | None:
    import diffusers
    import transformers

    libraries: dict[object, ModuleType] = {"diffusers": diffusers, "transformers": transformers}
    if name in ("diffusers", "transformers"):
        return libraries[name]
    module = getattr(diffusers.pipelines, name, None) if isinstance(name, str) else None
    ours = isinstance(module, ModuleType) and module.__name__.startswith("diffusers.pipelines.")
    return module if ours else None


def _class(module: ModuleType, name: object) -> type | None:
    from diffusers.pipelines.pipeline_loading_utils import _maybe_remap_transformers_class

    if not isinstance(name, str):
        return None
    if module.__name__ == "transformers":
        name = _maybe_remap_transformers_class(name) or name
    found = getattr(module, name, None)
    return found if isinstance(found, type) else None


def _kind(cls: type) -> str | None:
    """Return what a class is; the rarer bases, slow to import, are looked at last."""
    from diffusers import SchedulerMixin
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    if not hasattr(cls, "from_pretrained"):
        return None
    kinds: tuple[tuple[str, Any], ...] = (
        ("module", nn.Module),
        ("scheduler", SchedulerMixin),
        ("tokenizer", PreTrainedTokenizerBase),
    )
    found = next((kind for kind, base in kinds if issubclass(cls, base)), None)
    return found or _rare_kind(cls)


def _rare_kind(cls: type) -> str | None:
    from diffusers.guiders.guider_utils import BaseGuidance
    from transformers import FeatureExtractionMixin, ProcessorMixin
    from transformers.image_processing_base import ImageProcessingMixin

    if issubclass(cls, (FeatureExtractionMixin, ImageProcessingMixin, ProcessorMixin)):
        return "processor"
    if issubclass(cls, BaseGuidance):
        return "guider"
    return "tokenizer" if cls.__name__ == "AutoTokenizer" else None


def _check_packages(found: Any, name: str, what: str) -> None:
    """Raise for a class that stands in for one whose packages are not installed."""
    module = getattr(found, "__module__", "") or ""
    if isinstance(found, type) and "dummy_" in module:
        needed = ", ".join(getattr(found, "_backends", ())) or "packages that are not here"
        raise ModelError(f"{name}: {what} needs {needed}; install what is missing.")
