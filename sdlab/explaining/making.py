"""How a picture was made, in the terms that the causes compare; whichever program made it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment
    from sdlab.runs.run import Run

FACTS = {
    "seed": "the seed, as the program shows it",
    "noise": 'what draws the start noise: "CPU", or "CUDA", a GPU or its numbers made on the CPU',
    "noise_place": "which picture of its batch it is, from 0, where one generator draws them all",
    "variation": "a second seed that is blended in, and how much of it",
    "step_noise": "what draws the noise of later steps",
    "draws_noise": "whether the sampler draws noise after the start",
    "sampler": "the solver, by its name here where it has one",
    "schedule": "how sigma falls, by the program's name",
    "num_steps": "what the field for steps says",
    "denoise": "the share of the way: 1 from noise alone, less where a picture is changed",
    "eta": "the share of injected noise",
    "churn": "noise added before each step: s_churn",
    "guidance_scale": "uncond + s (cond - uncond)",
    "distilled_guidance": "guidance that the network is told, of distilled models",
    "guidance_rescale": "0 ... 1, arXiv 2305.08891",
    "prompt": "its words",
    "negative_prompt": "the words to steer away from",
    "weights": "who parses weights in a prompt, and how they act",
    "clip_skip": "layers of the text encoder that are left out at its end, 0 for none",
    "loras": "low-rank changes of the weights, with their strengths",
    "width": "pixels",
    "height": "pixels",
    "batch_size": "pictures in one call",
    "model": "its name there",
    "model_hash": "of its weights, by the program's own rule",
    "vae": "a VAE other than the model's own",
    "dtype": "number format of the network",
    "device": "where the network runs",
    "patches": "what else changes the network while it runs",
    "version": "of the program",
}
"""The facts by name; a making has those that are known of it."""


@dataclass(frozen=True)
class Levels:
    """The noise levels that a program ran.

    Attributes:
        path: "sigma", noise over signal, or "flow", the time t.
        sigmas: From step to step, descending; the last is where the result lies.
        evaluations: Calls of the network, a pair of guidance counted once.
        noise_scale: What the start's standard normal noise is multiplied by.
        source: Who says so.
    """

    path: str
    sigmas: tuple[float, ...]
    evaluations: int
    noise_scale: float
    source: str

    @property
    def steps(self) -> int:
        """The steps that run."""
        return len(self.sigmas) - 1


@dataclass(frozen=True)
class Making:
    """How a picture was made, as far as its file says or its program does without saying.

    Attributes:
        name: The file's name, or the run's id.
        program: Which made it: "ComfyUI", "AUTOMATIC1111", "sdlab", "diffusers" ...
        kind: "picture", "workflow", "run", "config" or "folder".
        facts: By the names of ``FACTS``; what is not known is missing.
        entries: Further entries by the program's own names, as text.
        levels: The noise levels it ran; None if they are not known.
        no_levels: Why they are not.
        experiment: The experiment of ours that comes nearest; None if there is none.
        no_experiment: Why there is none.
        short: What that experiment does not reproduce, a sentence each.
        config: The scheduler config, where it says the levels over any number of steps.
        run: The stored run itself, of ours.
        image: The picture as a file's bytes.
    """

    name: str
    program: str
    kind: str
    facts: Mapping[str, Any]
    entries: Mapping[str, str] = field(default_factory=dict)
    levels: Levels | None = None
    no_levels: str = ""
    experiment: "Experiment | None" = None
    no_experiment: str = ""
    short: tuple[str, ...] = ()
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    run: "Run | None" = field(default=None, repr=False, compare=False)
    image: bytes | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        """A line that names it: "00012.png (AUTOMATIC1111)"."""
        return f"{self.name} ({self.program})"

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]

    def knows(self, *names: str) -> bool:
        """Return whether all these facts are known of it."""
        return all(name in self.facts for name in names)
