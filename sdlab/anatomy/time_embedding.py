r"""How a network is told the time: sines and cosines of the timestep, then an MLP.

freq_k = 10000^(-k / (C / 2)), k = 0 ... C / 2 - 1; the vector [cos(t freq), sin(t freq)] has one
slow and one fast hand for every scale of time (Vaswani et al. 2017, arXiv 1706.03762, section 3.5;
Ho et al. 2020, arXiv 2006.11239, appendix B). The MLP makes of it what every ResBlock is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model


@dataclass(frozen=True)
class TimeEmbedding:
    """The time as a network is told it.

    Attributes:
        timesteps: T of them.
        waves: The sinusoids, [T, C], float32.
        output: What the MLP makes of them, [T, D], float32.
        module: The MLP's name in the network.
    """

    timesteps: tuple[float, ...]
    waves: "Tensor"
    output: "Tensor"
    module: str

    def cosines(self, which: str = "output") -> "Tensor":
        """Return the cosines between the vectors of each two timesteps, [T, T], float64.

        Args:
            which: "output" of the MLP or "waves".
        """
        x = {"output": self.output, "waves": self.waves}[which].double()
        x = x / x.norm(dim=1, keepdim=True)
        cosines: Tensor = x @ x.T
        return cosines


def time_embedding(model: "Model", timesteps: Sequence[float]) -> TimeEmbedding:
    """Return how a model's network is told these timesteps.

    Args:
        model: The loaded model.
        timesteps: 0 ... 999, may be fractional.

    Raises:
        ValueError: If there is no timestep.
        ModelError: If its network has no sinusoids with an MLP that are known here.
    """
    import torch

    if not timesteps:
        raise ValueError("time_embedding needs at least one timestep.")
    network: Any = model.network
    modules = dict(network.named_modules())
    waves = _first(modules, "Timesteps")
    mlp = _first(modules, "TimestepEmbedding")
    if waves is None or mlp is None:
        raise ModelError(
            f"{type(network).__name__} tells the time in a way of its own; known are diffusers'"
            " Timesteps with a TimestepEmbedding."
        )
    times = torch.tensor([float(t) for t in timesteps], dtype=torch.float32, device=model.device)
    with torch.no_grad():
        told = modules[waves](times)
        made = modules[mlp](told.to(model.dtype))
    return TimeEmbedding(
        tuple(float(t) for t in timesteps), told.float().cpu(), made.float().cpu(), mlp
    )


def _first(modules: dict[str, Any], kind: str) -> str | None:
    return next((name for name, one in modules.items() if type(one).__name__ == kind), None)
