"""The network compiled for this machine."""

from sdlab.models.model import Model
from sdlab.pricing.copies import with_networks
from sdlab.pricing.speedup import Changed, speedup


@speedup(
    "compile",
    "The network compiled by torch.compile, which takes minutes once; they are not counted.",
    source="PyTorch's torch.compile",
    only_named=True,
)
def compiled(model: Model) -> Changed:
    """Return the model with a compiled network."""
    import torch

    changed = with_networks(model)
    for network in changed.networks.values():
        network.forward = torch.compile(network.forward)
    return Changed(changed)
