"""One call of a model's denoising network, as a run of it makes it, to be made again at will.

What a network is called with, a pipeline knows: its text, its packed latents, its further
conditions. So an experiment is begun and stopped at its first call, which is kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.denoisers.network import evaluate
from sdlab.experiment.experiment import Experiment
from sdlab.sampling.engine import Engine
from sdlab.sampling.pipeline_job import PipelineJob
from sdlab.sampling.plain_job import PlainJob

if TYPE_CHECKING:
    from torch import nn

    from sdlab.models.model import Model


class FirstCall(NamedTuple):
    """The first call of an experiment.

    Attributes:
        network: The network that is called.
        make: Makes the call, every time anew.
        size: (h, w) of the latents.
        rows: Samples in the call.
    """

    network: "nn.Module"
    make: Callable[[], Any]
    size: tuple[int, int]
    rows: int


@contextmanager
def first_call(model: "Model", experiment: Experiment) -> Iterator[FirstCall]:
    """Give the first network call that an experiment makes; the experiment ends there.

    Args:
        model: The loaded model.
        experiment: With guidance 1 most models call their network with one sample.

    Raises:
        ValueError: If the experiment is not valid for this model.
        SdlabError: If it cannot begin.
    """
    import torch

    engine = Engine(model, mix=False)
    job = engine.submit(experiment)
    size = (int(job.plan.shape[1]), int(job.plan.shape[2]))
    try:
        job.start()
        if job.error is not None:
            raise job.error
        if isinstance(job, PlainJob):
            sample = job.sample
            yield FirstCall(model.network, lambda: evaluate(model, [sample]), size, job.rows)
            return
        assert isinstance(job, PipelineJob)
        network, arguments = model.networks[job.call.network], job.call.arguments

        def make() -> Any:
            with torch.no_grad():
                return network(**arguments)

        yield FirstCall(network, make, size, job.rows)
    finally:
        job.cancel()
        engine.round()  # lets go of the networks
