"""How large the parts of a pipeline are, from their configs alone: no weight is read.

Each part is built on PyTorch's meta device, where tensors have a shape and no memory. A folder, a
hub id (of which only the configs are fetched), or a pipeline in memory can be asked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError
from sdlab.models.components import INDEX, Component, components, pipeline_class
from sdlab.models.quiet import building, quiet

if TYPE_CHECKING:
    import torch
    from torch import nn

CONFIG = "config.json"


@dataclass(frozen=True)
class Part:
    """The weights of one part of a pipeline.

    Attributes:
        name: As the pipeline calls it.
        cls: The name of its class.
        parameters: How many numbers.
        bytes: What they take.
        largest: Bytes of the largest layer, which sequential offload holds alone.
        quantized: Whether its config says that the stored weights are quantized: it then takes
            less than ``bytes`` says.
    """

    name: str
    cls: str
    parameters: int
    bytes: int
    largest: int
    quantized: bool = False


@dataclass(frozen=True, eq=False)
class Footprint:
    """A pipeline without its weights.

    Attributes:
        source: What was asked.
        pipeline: The pipeline, on the meta device; None if its class cannot be made without
            tokenizers.
        cls: Its class.
        modules: Its parts, by name.
        parts: Their sizes, in the same order.
        dtype: What the weights would be loaded in.
    """

    source: str
    pipeline: Any
    cls: type
    modules: "Mapping[str, nn.Module]"
    parts: tuple[Part, ...]
    dtype: "torch.dtype"

    @property
    def bytes(self) -> int:
        """Of all weights."""
        return sum(part.bytes for part in self.parts)


def footprint(
    source: Any, dtype: "torch.dtype | None" = None, name: str | None = None
) -> Footprint:
    """Return the sizes of a pipeline's parts.

    Args:
        source: A pipeline folder, a hub id, a loaded model or a pipeline.
        dtype: What the weights would be loaded in; None for float32, and for what is in memory as
            it is.
        name: What it is called; None for ``source`` itself.

    Raises:
        ModelError: If there is no such pipeline, or a part cannot be built from its config.
    """
    pipeline = getattr(source, "pipeline", source)
    if hasattr(pipeline, "components"):
        return _of_memory(pipeline, dtype, name or type(pipeline).__name__)
    folder = Path(source).expanduser()
    if not folder.is_dir():
        folder = _fetched(str(source))
    return _of_folder(folder, dtype, name or str(source))


def weightless(cls: Any, config: Mapping[str, Any]) -> "nn.Module":
    """Return a module of diffusers or transformers on the meta device.

    Args:
        cls: Its class.
        config: Its ``config.json``.

    Raises:
        ModelError: If it cannot be built.
    """
    import torch
    from transformers import PreTrainedModel
    from transformers.initialization import meta_device_safe_creation_ops

    try:
        with building(), torch.device("meta"), meta_device_safe_creation_ops():
            if issubclass(cls, PreTrainedModel):
                module: nn.Module = cls._from_config(_transformers_config(cls, config))
            else:
                module = cls.from_config(dict(config))
    except Exception as error:  # whatever a class makes of a config that does not suit it
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{cls.__name__} cannot be built from its config: {first}") from error
    return module.eval()


def _transformers_config(cls: Any, config: Mapping[str, Any]) -> Any:
    from transformers import CONFIG_MAPPING, AutoConfig

    kind = getattr(cls, "config_class", None) or AutoConfig
    if kind is AutoConfig:
        kind = CONFIG_MAPPING[config["model_type"]]
    return kind.from_dict(dict(config))


def sizes(name: str, module: "nn.Module", dtype: "torch.dtype | None" = None) -> Part:
    """Return what a module's parameters take.

    Args:
        name: As the pipeline calls it.
        module: On any device.
        dtype: What it would be loaded in; None for what it is in.
    """
    own: dict[str, int] = {}
    for key, parameter in module.named_parameters():
        size = parameter.element_size()
        if dtype is not None and parameter.is_floating_point():
            size = 4 if _kept(module, key, dtype) else dtype.itemsize
        own[key] = parameter.numel() * size
    leaves: dict[str, int] = {}
    for key, count in own.items():
        leaf = key.rpartition(".")[0]
        leaves[leaf] = leaves.get(leaf, 0) + count
    config: Any = getattr(module, "config", None)
    asked = config.to_dict() if hasattr(config, "to_dict") else dict(config or {})
    return Part(
        name,
        type(module).__name__,
        sum(parameter.numel() for parameter in module.parameters()),
        sum(own.values()),
        max(leaves.values(), default=0),
        bool(asked.get("quantization_config")),
    )


def _kept(module: Any, key: str, dtype: "torch.dtype") -> bool:
    """Return whether the libraries keep a parameter in float32 when they load a half format."""
    import torch

    if dtype not in (torch.float16, torch.bfloat16):
        return False
    words = set(getattr(module, "_keep_in_fp32_modules", None) or ())
    strict = getattr(module, "_keep_in_fp32_modules_strict", None)
    if strict is not None:  # transformers, whose first list is for float16 alone
        words = set(strict) | (words if dtype == torch.float16 else set())
    steps = key.split(".")
    return any(word in key if "." in word else word in steps for word in words)


def _of_memory(pipeline: Any, dtype: "torch.dtype | None", name: str) -> Footprint:
    from sdlab.models.pipelines import networks, parts

    modules = parts(pipeline)
    found = tuple(sizes(key, module, dtype) for key, module in modules.items())
    own: Any = dtype or next(iter(networks(pipeline).values())).dtype
    return Footprint(name, pipeline, type(pipeline), modules, found, own)


def _of_folder(folder: Path, dtype: "torch.dtype | None", name: str) -> Footprint:
    import torch

    number = dtype or torch.float32
    index = _read(folder / INDEX, name)
    cls = pipeline_class(index, name)
    wanted = [one for one in components(index, name) if one.kind == "module"]
    modules = {
        one.name: weightless(one.cls, _read(folder / one.name / CONFIG, name)) for one in wanted
    }
    found = tuple(sizes(key, module, number) for key, module in modules.items())
    pipeline = _assembled(cls, modules, folder, components(index, name))
    return Footprint(name, pipeline, cls, modules, found, number)


def _assembled(
    cls: Any, modules: "Mapping[str, nn.Module]", folder: Path, wanted: list[Component]
) -> Any:
    """Return the pipeline over parts without weights; None if it needs its tokenizers."""
    given: dict[str, Any] = {}
    expected, _ = cls._get_signature_keys(cls)
    schedulers: dict[str, Any] = {o.name: o.cls for o in wanted if o.kind == "scheduler"}
    try:
        with quiet():
            for name in expected:
                given[name] = modules.get(name)
                if name in schedulers:
                    given[name] = schedulers[name].from_pretrained(folder / name)
            return cls(**given)
    except Exception:  # a class that looks into what is not here
        return None


def _fetched(name: str) -> Path:
    """Return a folder with the configs of a hub id.

    Raises:
        ModelError: If it cannot be had.
    """
    from huggingface_hub import snapshot_download

    try:
        with quiet():
            wanted = [INDEX, f"*/{CONFIG}", "*/scheduler_config.json"]
            return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # network, cache and name troubles of a library
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{name!r} is no pipeline folder, and its configs cannot be had from the hub: {first}"
        ) from error


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{name}: {path.parent.name}/{path.name} cannot be read.") from error
    if not isinstance(found, dict):
        raise ModelError(f"{name}: {path.parent.name}/{path.name} holds no config.")
    return found
