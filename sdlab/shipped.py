"""The small models that ship with the package: the names that they go by, and where they lie."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

EMBEDDED = "embedded"
"""A Stable Diffusion 1: a U-Net that predicts the noise."""
FLOW = "embedded-flow"
"""A Stable Diffusion 3: a joint transformer that predicts the velocity of a flow."""
FOLDER = Path(__file__).parent / "models" / EMBEDDED
SHIPPED: Mapping[str, Path] = MappingProxyType(
    {EMBEDDED: FOLDER, FLOW: FOLDER.with_name("embedded_flow")}
)
"""The folder of each, by name. Both draw the same world: the checker judges the pictures of both,
and both know the same words."""

CALLED_WITH: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {FLOW: MappingProxyType({"max_sequence_length": 32})}
)
"""What a shipped model's pipeline is called with where an experiment leaves it open. In place of
the T5 that the second one lacks stand so many zeros; the pipeline's own 256 draw as well, but more
slowly."""

LOADED_WITH: Mapping[str, Mapping[str, None]] = MappingProxyType(
    {
        EMBEDDED: MappingProxyType({}),
        FLOW: MappingProxyType({"text_encoder_3": None, "tokenizer_3": None}),
    }
)
"""What diffusers' ``from_pretrained`` wants to be told of each: that the T5 is left out."""


def place_of(name: str) -> str:
    """Return what a model is read from: a shipped one's folder; else the name itself."""
    return str(SHIPPED.get(name, name))
