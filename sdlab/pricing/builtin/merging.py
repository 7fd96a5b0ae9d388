"""Token merging: like tokens are averaged before self-attention and spread again after it."""

from typing import Any

from sdlab.errors import ModelError
from sdlab.extras import extra
from sdlab.models.model import Model
from sdlab.pricing.copies import with_networks
from sdlab.pricing.speedup import Changed, speedup

RATIO = 0.5


@speedup(
    "token merging",
    "Merges half of the tokens of the largest attention maps (tomesd, ratio 0.5).",
    source="Bolya & Hoffman 2023 (arXiv 2303.17604); tomesd",
)
def token_merging(model: Model) -> Changed:
    """Return the model with merged tokens; which are taken is drawn alike for every picture.

    Raises:
        ModelError: If it is no plain Stable Diffusion: tomesd knows no others.
        SdlabError: If tomesd is not installed.
    """
    import torch

    if not model.plain:
        raise ModelError("tomesd merges the tokens of Stable Diffusion 1.x and 2.x only.")
    tomesd = extra("tomesd", "speed")
    changed = with_networks(model)
    network: Any = changed.network
    tomesd.apply_patch(network, ratio=RATIO)
    drawn = torch.Generator(model.device)

    def fresh() -> None:
        network._tome_info["args"]["generator"] = drawn.manual_seed(0)

    return Changed(changed, fresh)
