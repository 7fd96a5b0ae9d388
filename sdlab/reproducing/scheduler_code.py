"""The code of a solver of sdlab's as a scheduler of diffusers, with every number written out.

In the laboratory ``SolverScheduler`` and ``FlowSolverScheduler`` drive any solver over any curve of
any model. For one run all of that is known: its levels, what the network is told at each, and the
solver's own source. So the class that stands in a script is short.
"""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sdlab.reproducing.inlined import Inlined
from sdlab.solvers.flow import draws_noise, first_step, over_time
from sdlab.solvers.randomness import Noise
from sdlab.solvers.registry import Solver

WIDTH = 96
VP, FLOW = "DDIMScheduler", "FlowMatchEulerDiscreteScheduler"
X0_PRED = {
    "epsilon": "x * (1.0 + level**2) ** 0.5 - level * output",
    "v_prediction": "(x - level * output) / (1.0 + level**2) ** 0.5",
    "sample": "output",
    "flow": "x - level * output",
}
"""The clean latents of a network's output, by what it predicts."""


@dataclass(frozen=True)
class Levels:
    """Where one run evaluates.

    Attributes:
        curve: The levels at which steps begin, and the end's: sigma, or with flow matching t.
        asked: That of every evaluation.
        told: The timestep that the network is told at each.
        starts: The evaluation at which each step begins.
        whole: Whether timesteps are whole numbers.
        plain: Whether the network is given the solver's own points, as sdlab's own loop does; else
            what the pipeline makes of those that ``step`` returned.
        edited: Whether the pipeline changes the latents between steps, as one does that keeps what
            lies outside a mask; the solver, which remembers nothing, is then run step by step.
    """

    curve: tuple[float, ...]
    asked: tuple[float, ...]
    told: tuple[float, ...]
    starts: tuple[int, ...]
    whole: bool
    plain: bool = False
    edited: bool = False


@dataclass(frozen=True)
class SchedulerCode:
    """A scheduler's class as text.

    Attributes:
        imports: Lines, to stand at the script's top.
        text: Constants, the solver's source, and the class ``Sampler``.
    """

    imports: set[str]
    text: str


def scheduler_code(
    solver: Solver, options: Mapping[str, Any], levels: Levels, predicts: str
) -> SchedulerCode:
    """Return the code of a scheduler that runs a solver.

    Args:
        solver: Any registered one whose source is at hand.
        options: Its keyword arguments.
        levels: Where it evaluates.
        predicts: "epsilon", "v_prediction", "sample" or "flow".

    Raises:
        ValueError: If the source of the solver is not at hand.
    """
    inlined, noisy = Inlined(), draws_noise(solver, options)
    inlined.add(solver.function)
    stretch = "CURVE[step : step + 2]" if levels.edited else "CURVE[step:]"
    given = f"x, {stretch}, noise{_keywords(options)}"
    start = f"{solver.function.__name__}({given})"
    if noisy:
        inlined.add(Noise)
    if noisy and predicts == "flow":
        first = first_step(solver)
        for function in (over_time, first):
            inlined.add(function)
        names = f"{solver.function.__name__}, {first.__name__}"
        start = f"over_time({names}, {given})"
    flow = predicts == "flow"
    parent = FLOW if flow else VP
    imports = {*inlined.imports, "import math", "import torch", f"from diffusers import {parent}"}
    numbers = "\n".join(
        (
            f"# The levels of noise at which steps begin\nCURVE = {listed(levels.curve)}",
            f"# and of every evaluation, with the timesteps\nASKED = {listed(levels.asked)}",
            f"TOLD = {listed(levels.told)}",
            f"# The evaluations that begin a step\nSTARTS = {listed(levels.starts)}",
        )
    )
    stepping = (_STEP_BY_STEP if levels.edited else _IN_ONE_RUN).format(
        scale="1.0" if flow else "math.sqrt(1.0 + level**2)",
        noise="Noise(generator)" if noisy else "None",
        start=start,
        x0_pred=X0_PRED[predicts],
    )
    made = _CLASS.format(
        parent=parent,
        name=solver.name,
        order=solver.stages,
        kind="torch.int64" if levels.whole else "torch.float32",
        scaled=(_OWN_POINT if levels.plain else _AS_IT_IS).strip("\n"),
        adds="scale_noise(self, sample, timestep, noise)" if flow else _ADDS,
        added=_FLOW_ADDED if flow else _ADDED,
        stepping=stepping.strip("\n"),
    )
    return SchedulerCode(imports, "\n\n\n".join((numbers, *inlined.definitions.values(), made)))


def listed(values: Iterable[Any]) -> str:
    """Return values as a tuple in Python, broken into lines where it is long."""
    line = ", ".join(map(repr, values)) + ","
    if len(line) <= WIDTH - 10:
        return f"({line})"
    return f"(\n{textwrap.fill(line, WIDTH, initial_indent='    ', subsequent_indent='    ')}\n)"


def _keywords(options: Mapping[str, Any]) -> str:
    return "".join(f", {name}={value!r}" for name, value in options.items())


_ADDS = "add_noise(self, sample, noise, timestep)"
_ADDED = (
    "sample * (1.0 + level**2).rsqrt().to(sample.dtype)"
    " + noise * (level * (1.0 + level**2).rsqrt()).to(sample.dtype)"
)
_FLOW_ADDED = "level.to(sample.dtype) * noise + (1.0 - level.to(sample.dtype)) * sample"
_AS_IT_IS = """
    def scale_model_input(self, sample, timestep=None):
        return sample
"""
_OWN_POINT = """
    def scale_model_input(self, sample, timestep=None):
        if self.running is None:
            self.begin(sample[:1], generator)
        level = ASKED[self.at]
        return (self.x / math.sqrt(1.0 + level**2)).to(sample.dtype).expand_as(sample)
"""
_IN_ONE_RUN = """
    def begin(self, sample, generator):
        level, step = CURVE[STARTS.index(self.at)], STARTS.index(self.at)
        x, noise = wide(sample) * {scale}, {noise}
        self.running = {start}
        self.x, _ = next(self.running)

    def step(self, model_output, timestep, sample, generator=None, return_dict=True, **more):
        if self.running is None:
            self.begin(sample, generator)
        level = ASKED[self.at]
        x, output = self.x / {scale}, wide(model_output)
        try:
            self.x, level = self.running.send({x0_pred})
        except StopIteration as stop:
            self.x, level = stop.value, CURVE[-1]
        self.at += 1
        return ((self.x / {scale}).to(sample.dtype),)
"""
_STEP_BY_STEP = """
    def step(self, model_output, timestep, sample, generator=None, return_dict=True, **more):
        if self.at == self.first:
            self.noise, self.returned = {noise}, None
        level = ASKED[self.at]
        given, output = wide(sample) * {scale}, wide(model_output)
        edited = self.returned is not None and not torch.equal(sample, self.returned)
        if self.running is None:
            step, noise = STARTS.index(self.at), self.noise
            x = given if edited or self.returned is None else self.x
            self.running = {start}
            self.x, _ = next(self.running)
        asked = self.x
        x = (given if edited else asked) / {scale}
        x0_pred = {x0_pred}
        if edited:  # the prediction there gives the direction
            x0_pred = x0_pred + (asked - given)
        try:
            self.x, _ = self.running.send(x0_pred)
        except StopIteration as stop:
            self.x, self.running = stop.value, None
        self.at += 1
        level = [*ASKED, CURVE[-1]][self.at]
        self.returned = (self.x / {scale}).to(sample.dtype)
        return (self.returned,)
"""
_CLASS = '''
class Sampler({parent}):
    """The solver {name}: what it asks for goes to the network, and the answer back to it."""

    order = {order}

    def set_timesteps(
        self, num_inference_steps=None, device=None, sigmas=None, mu=None, timesteps=None
    ):
        self.num_inference_steps = len(CURVE) - 1
        self.timesteps = torch.tensor(TOLD, dtype={kind}, device=device)
        self.sigmas = torch.tensor([*ASKED, CURVE[-1]])
        self.at, self.first, self.running = 0, 0, None

    def set_begin_index(self, begin_index=0):
        self.at = self.first = begin_index

{scaled}

    def {adds}:
        level = torch.tensor(ASKED[self.at], dtype=torch.float64)
        return {added}

{stepping}


def wide(tensor):
    return tensor if tensor.dtype.itemsize > 4 else tensor.float()
'''.strip()
