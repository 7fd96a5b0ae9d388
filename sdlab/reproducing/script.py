"""A run as a script of diffusers alone: no line of it needs the laboratory.

A sampler of diffusers is made from the model's own config, with the run's options on top. A solver
of sdlab's comes along as source (``scheduler_code``). Alone on the same machine with the same
versions the script gives the run's picture bit for bit.
"""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdlab.experiment.experiment import Experiment
from sdlab.models import pipelines
from sdlab.models.activations import latent_tokens
from sdlab.models.clip_skip import NAME as CLIP_SKIP
from sdlab.models.inputs import control_name
from sdlab.models.model import Model
from sdlab.noise import curves
from sdlab.noise.schedule import NoiseSchedule
from sdlab.reproducing.scheduler_code import (
    WIDTH,
    Levels,
    SchedulerCode,
    listed,
    scheduler_code,
)
from sdlab.runs.manifest import versions
from sdlab.runs.pictures import file_name
from sdlab.sampling.pipeline_call import follows, handed_of, scheduler_of, times_known
from sdlab.sampling.plan import Plan, plan
from sdlab.shipped import place_of
from sdlab.solvers.layout import Layout
from sdlab.solvers.probing import quiet
from sdlab.solvers.registry import solvers

NAMED = ("torch", "diffusers", "transformers")


def diffusers_script(model: Model, experiment: Experiment) -> str:
    """Return a Python script that makes an experiment's picture with diffusers alone.

    It writes ``<id>.png`` into the folder in which it is run, where it looks for the pictures that
    the run starts from, as the run's folder names them.

    Args:
        model: The model that runs it; it is not changed.
        experiment: What to draw.

    Raises:
        ValueError: If the experiment is not valid for this model, or no script can make it: the
            solver's source is not at hand, or its times are known only while it runs.
        SdlabError: If it cannot fit into memory.
    """
    planned = plan(model, experiment)
    code = _solver_code(model, experiment, planned)
    cls = _class(model, planned)
    imports = {"import torch", f"from {cls.__module__.split('.')[0]} import {cls.__name__}"}
    scheduler = _scheduler_lines(model, experiment, planned, code, imports)
    call = _call(model, experiment, planned)
    pictures = {name: p.hash for name, p in experiment.source_pictures.items()}
    if pictures:
        imports.add("from PIL import Image")
    blocks = [
        _head(model, experiment),
        _sorted(imports | (code.imports if code else set())),
        *([code.text + "\n"] if code else []),
        "\n".join((_loaded(model, cls), *scheduler, *_tuned(model, experiment, planned))),
        _called(experiment, call, _named_pictures(cls, pictures), planned),
    ]
    return "\n\n".join(blocks) + "\n"


def _head(model: Model, experiment: Experiment) -> str:
    with_ = ", ".join(f"{name} {versions()[name]}" for name in NAMED)
    dtype = str(model.dtype).removeprefix("torch.")
    about = (
        f"It was drawn with {with_}, on {model.device} in {dtype}. With the same versions on the"
        " same machine it comes out the same bit for bit as the run made alone; elsewhere, and of a"
        " run made in shared calls, within rounding."
    )
    title = f"The picture of run {experiment.id}, made with diffusers alone."
    return f'"""{title}\n\n{textwrap.fill(about, WIDTH)}\n"""'


def _class(model: Model, planned: Plan) -> type:
    if planned.call is not None:
        return planned.call.cls
    return pipelines.siblings(type(model.pipeline))["text"]


def _loaded(model: Model, cls: type) -> str:
    """Return the lines that load the pipeline as it was loaded."""
    source = place_of(model.name)
    single = Path(source).expanduser().is_file()
    load = "from_single_file" if single else "from_pretrained"
    checked = getattr(model.pipeline, "safety_checker", None) is not None and model.plain
    told = {name: model.loading[name] for name in _TOLD if name in model.loading}
    off = "".join(f", {name}={value!r}" for name, value in told.items())
    off += ", safety_checker=None" if checked else ""
    if not single:
        off += "".join(f", {name}=None" for name in _missing(model.pipeline))
    lines = [f"pipe = {cls.__name__}.{load}(\n    {source!r}, torch_dtype={model.dtype}{off}\n)"]
    offload = model.loading.get("offload")
    if offload is None:
        lines[0] += f'.to("{model.device}")'
    else:
        lines.append(f'pipe.{_OFFLOADS[offload]}(device="{model.device}")')
    if (offload or "tiled" in model.loading) and hasattr(
        getattr(model.pipeline, "vae", None), "enable_tiling"
    ):
        lines.append("pipe.vae.enable_tiling()")
    return "\n".join(lines)


def _missing(pipeline: Any) -> list[str]:
    """Return the parts that a pipeline lacks, and that its class wants to be told it lacks."""
    expected, _ = type(pipeline)._get_signature_keys(type(pipeline))
    optional = set(type(pipeline)._optional_components)
    return [
        name
        for name in expected
        if name not in optional and pipeline.components.get(name, pipeline) is None
    ]


def _solver_code(model: Model, x: Experiment, planned: Plan) -> SchedulerCode | None:
    """Return the code of a solver of sdlab's; None for a scheduler of diffusers."""
    if x.solver not in solvers():
        return None
    levels = _flow_levels(model, x, planned) if model.path == "flow" else _levels(model, x, planned)
    predicts = "flow" if model.path == "flow" else model.schedule.prediction_type
    return scheduler_code(solvers()[x.solver], _options(x), levels, predicts)


def _levels(model: Model, x: Experiment, planned: Plan) -> Levels:
    """Return where a solver evaluates on a model of Stable Diffusion's noise."""
    curve = curves.make(x.curve, model.schedule, x.num_steps, dict(x.curve_options)).tolist()
    asked = tuple(solvers()[x.solver].asked_sigmas(tuple(curve), _options(x)))
    told = model.schedule.sigma_to_timestep(asked).tolist()
    if planned.call is None:
        return Levels(tuple(curve), asked, tuple(told), (0,), whole=False, plain=True)
    layout = Layout.of(solvers()[x.solver], tuple(curve), _options(x))
    edited = x.mask_image is not None and layout.memoryless
    whole = all(abs(time - round(time)) < 1e-6 for time in told)
    told = [round(time) if whole else time for time in told]
    return Levels(tuple(curve), asked, tuple(told), layout.starts, whole, edited=edited)


def _flow_levels(model: Model, x: Experiment, planned: Plan) -> Levels:
    """Return where a solver evaluates on a flow-matching model."""
    if not times_known(model, x):
        raise ValueError(
            f"The times over which {type(model.pipeline).__name__} draws are known only while it"
            f" runs, so no script can write them out for {x.solver}."
        )
    scheduler = scheduler_of(model, x, planned.course)
    handed = handed_of(model, x, latent_tokens(model.network, planned.shape))
    if not model.scheduler_config.get("use_dynamic_shifting"):
        handed["mu"] = None
    scheduler.set_timesteps(x.num_steps, **handed)
    layout, told = scheduler._layout, scheduler.timesteps.tolist()
    edited = x.mask_image is not None and layout.memoryless
    return Levels(layout.curve, layout.asked, tuple(told), layout.starts, False, edited=edited)


def _options(x: Experiment) -> dict[str, Any]:
    return dict(x.solver_options) | ({} if x.eta is None else {"eta": x.eta})


def _scheduler_lines(
    model: Model, x: Experiment, planned: Plan, code: SchedulerCode | None, imports: set[str]
) -> list[str]:
    """Return the lines that set the pipeline's scheduler; none where it has the right one."""
    if code is not None:
        return ["pipe.scheduler = Sampler.from_config(pipe.scheduler.config)"]
    cls, own = type(planned.scheduler), model.pipeline.scheduler
    changes = _changes(cls, own.config, planned.scheduler.config)
    if cls is type(own) and not changes:
        return []
    imports.add(f"from {cls.__module__.split('.')[0]} import {cls.__name__}")
    given = "".join(f",\n    {name}={value!r}" for name, value in changes.items())
    return [f"pipe.scheduler = {cls.__name__}.from_config(\n    pipe.scheduler.config{given},\n)"]


def _changes(cls: Any, own: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a class made from the model's config is given beside it."""
    with quiet():
        made = cls.from_config(own).config
    differing = {name: value for name, value in wanted.items() if made.get(name) != value}
    return {name: value for name, value in differing.items() if not name.startswith("_")}


def _tuned(model: Model, x: Experiment, planned: Plan) -> list[str]:
    """Return the lines for what pipelines do not do by themselves."""
    lines = []
    if CLIP_SKIP in dict(x.pipeline_options) and not hasattr(model.parts["text_encoder"], _LEVEL):
        lines.append(f'vars(pipe.text_encoder)["{_LEVEL}"] = pipe.text_encoder  # for clip_skip')
    if x.fast:
        lines.append(_FAST.format(device=model.device.type, cast=_CAST[planned.call is None]))
        lines += [f"pipe.{n}.forward = in_bfloat16(pipe.{n}.forward)" for n in model.networks]
    return lines


def _call(model: Model, x: Experiment, planned: Plan) -> dict[str, Any]:
    """Return the arguments of the pipeline's call, without pictures and generator."""
    if planned.call is not None:
        return dict(planned.call.arguments)
    given: dict[str, Any] = {"prompt": x.prompt, "negative_prompt": x.negative_prompt or None}
    given |= {"num_inference_steps": x.num_steps, "guidance_scale": x.guidance_scale}
    given |= {"guidance_rescale": x.guidance_rescale or None, "width": x.width, "height": x.height}
    if x.solver not in solvers():
        given |= {"eta": x.eta}
        if follows(type(planned.scheduler), x):
            schedule = NoiseSchedule.from_config(planned.scheduler.config)
            options = dict(x.curve_options)
            given["sigmas"] = curves.make(x.curve, schedule, x.num_steps, options).tolist()
    return {name: value for name, value in given.items() if value is not None}


def _named_pictures(cls: type, hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the pictures, by the names that the pipeline's call has for them."""
    names = {"control_image": control_name(cls)}
    return {str(names.get(name, name)): file_name(value) for name, value in hashes.items()}


def _called(
    x: Experiment, call: Mapping[str, Any], pictures: Mapping[str, str], planned: Plan
) -> str:
    """Return the lines that call the pipeline and keep its picture."""
    opened = [f"    {name}=Image.open({file!r})," for name, file in pictures.items()]
    given = [f"    {name}={_written(value)}," for name, value in call.items()]
    taken = planned.call is None or "generator" in pipelines.call_parameters(planned.call.cls)
    drawn = ["    generator=generator,"] if taken else []
    return "\n".join(
        (
            *([f"torch.manual_seed({x.seed})"] if planned.call else []),
            f"generator = torch.Generator().manual_seed({x.seed})",
            "made = pipe(",
            *(given + opened + drawn),
            ")[0]",
            "while isinstance(made, (list, tuple)):",
            "    made = made[0]",
            f'made.save("{x.id}.png")',
        )
    )


def _written(value: Any) -> str:
    """Return a value in Python, a long list of numbers in lines."""
    if isinstance(value, list) and all(isinstance(item, float) for item in value):
        return f"list({listed(value)})"
    return repr(value)


def _sorted(imports: set[str]) -> str:
    """Return lines of imports, each module's names in one line."""
    plain = sorted(line for line in imports if line.startswith("import "))
    names: dict[str, list[str]] = {}
    for line in sorted(imports - set(plain)):
        module, name = line.removeprefix("from ").split(" import ")
        names.setdefault(module, []).append(name)
    return "\n".join([*plain, *(f"from {m} import {', '.join(names[m])}" for m in sorted(names))])


_TOLD = ("revision", "variant", "config")
_OFFLOADS = {"model": "enable_model_cpu_offload", "sequential": "enable_sequential_cpu_offload"}
_LEVEL = "text_model"
_CAST = {True: "tuple(part.float() for part in made)", False: "made"}
_FAST = """
def in_bfloat16(forward):
    def call(*args, **kwargs):
        with torch.autocast("{device}", torch.bfloat16, cache_enabled=False):
            made = forward(*args, **kwargs)
        return {cast}

    return call

"""
