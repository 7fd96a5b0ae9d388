"""Weights in 8 bits, by torchao."""

from typing import Any

from sdlab.extras import extra
from sdlab.models.model import Model
from sdlab.pricing.copies import with_networks
from sdlab.pricing.speedup import Changed, speedup

SOURCE = "torchao's quantize_"


@speedup("int8 weights", "The network's linear layers with weights of 8 bits.", source=SOURCE)
def int8_weights(model: Model) -> Changed:
    """Return the model with 8-bit weights.

    Raises:
        SdlabError: If torchao is not installed.
    """
    return _quantised(model, "Int8WeightOnlyConfig")


@speedup("int8", "The network's linear layers with weights and inputs of 8 bits.", source=SOURCE)
def int8(model: Model) -> Changed:
    """Return the model with 8-bit weights and inputs.

    Raises:
        SdlabError: If torchao is not installed.
    """
    return _quantised(model, "Int8DynamicActivationInt8WeightConfig")


def _quantised(model: Model, config: str) -> Changed:
    torchao: Any = extra("torchao.quantization", "speed")
    changed = with_networks(model)
    for network in changed.networks.values():
        torchao.quantize_(network, getattr(torchao, config)())
    return Changed(changed)
