"""One step of training, without its learning: noise a picture, ask the network, compare.

    look = finish(looking(model, latents, timestep=500, prompt="a parrot on a beach"))
    look.x_t, look.noise, look.answers["caption"].eps_pred
    look.squared_error("none")                                    # what the loss is the mean of

The network is asked twice: with its caption and with none, as one caption in ten was left out in
training (Ho, Salimans 2022, arXiv 2207.12598).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sdlab.denoisers.network import Sample, evaluate, predictions
from sdlab.noise.forward import add_noise
from sdlab.objective.quantities import Level, level_at, own_kind, quantity
from sdlab.sampling.pipeline_denoiser import PipelineDenoiser

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model
    from sdlab.work import Work

CONDITIONINGS = ("caption", "none")


class Answer(NamedTuple):
    """What the network makes of x_t: guesses of the picture and of the noise, each like x_t."""

    x0_pred: "Tensor"
    eps_pred: "Tensor"


Ask = Callable[["Tensor", Level], Answer]
"""(x_t [B, C, h, w] as the network is given it, its level) -> its answer."""


@dataclass(frozen=True, eq=False)
class Look:
    """A noised picture and what the network says of it; tensors float32 [1, C, h, w].

    Attributes:
        level: Where.
        kind: What the network predicts, one of ``KINDS``.
        x0: The picture's latents.
        noise: What was mixed in.
        x_t: What the network is given.
        answers: By conditioning, "caption" and "none".
    """

    level: Level
    kind: str
    x0: "Tensor"
    noise: "Tensor"
    x_t: "Tensor"
    answers: dict[str, Answer]

    def truth(self, kind: str | None = None) -> "Tensor":
        """Return what the network should have said, by default of its own kind."""
        return quantity(kind or self.kind, self.x0, self.noise, self.level.sigma)

    def predicted(self, conditioning: str, kind: str | None = None) -> "Tensor":
        """Return what it said, by default of its own kind."""
        answer = self.answers[conditioning]
        return quantity(kind or self.kind, answer.x0_pred, answer.eps_pred, self.level.sigma)

    def squared_error(self, conditioning: str, kind: str | None = None) -> "Tensor":
        """Return the squared difference of both at every value."""
        return (self.predicted(conditioning, kind) - self.truth(kind)).square()

    def loss(self, conditioning: str, kind: str | None = None) -> float:
        """Return its mean: what training makes small."""
        return float(self.squared_error(conditioning, kind).mean())


def looking(
    model: "Model", latents: "Tensor", timestep: int, prompt: str = "", seed: int = 0
) -> "Work[Look]":
    """Return a look at one timestep; yields after each of two network evaluations.

    Args:
        model: The loaded model, of "vp" or "flow" path.
        latents: The picture's, float [1, C, h, w], scaled.
        timestep: 0 ... T - 1.
        prompt: The picture's caption.
        seed: Of the noise: that which a run of this seed starts from.

    Raises:
        ValueError: If the timestep lies outside the schedule.
        ModelError: If the model's noise levels are not known.
    """
    level = level_at(model.schedule, timestep)
    noise = noise_of([seed], tuple(latents.shape[1:]))
    x_t = add_noise(latents, noise, level.sigma, level.path)
    answers = {}
    for done, (name, words) in enumerate(conditionings(prompt), start=1):
        with asking(model, words) as ask:
            answers[name] = ask(x_t, level)
        yield done, len(CONDITIONINGS)
    return Look(level, own_kind(model.schedule), latents, noise, x_t, answers)


def conditionings(prompt: str) -> list[tuple[str, str]]:
    """Return the name and the words of each way to ask."""
    return list(zip(CONDITIONINGS, (prompt, ""), strict=True))


def noise_of(seeds: Sequence[int], shape: tuple[int, ...]) -> "Tensor":
    """Return standard normal noise, float32 [B, *shape]: each row that of a run of its seed."""
    import torch

    rows = [torch.randn((1, *shape), generator=torch.Generator().manual_seed(s)) for s in seeds]
    return torch.cat(rows)


@contextmanager
def asking(model: "Model", prompt: str) -> Iterator[Ask]:
    """Give a function that asks a model's network under a prompt, without guidance.

    Plain Stable Diffusion is called itself, every other model through its pipeline.
    """
    if model.plain:
        yield _plain(model, prompt)
        return
    asked = PipelineDenoiser(model, prompt)
    try:
        yield lambda x_t, level: Answer(*(x.cpu() for x in asked.at(x_t, level.sigma)))
    finally:
        asked.close()


def _plain(model: "Model", prompt: str) -> Ask:
    import torch

    cond = model.encode_prompt(prompt)[0]

    def ask(x_t: "Tensor", level: Level) -> Answer:
        rows = [Sample(row, float(level.timestep), cond, None, 1.0, 0.0) for row in x_t.split(1)]
        output = torch.cat([each.cond for each in evaluate(model, rows)]).cpu()
        return Answer(*predictions(model.schedule, x_t, level.sigma, output))

    return ask
