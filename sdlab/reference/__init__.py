"""Stable Diffusion in plain PyTorch, to be read; tests hold it equal to diffusers.

Each part stands alone, begins with its equations and has the shapes beside every step. Read them
in the order in which a prompt goes through them:

1. ``tokenizer``: text to ids, byte-pair encoding.
2. ``text_encoder``: ids to context, CLIP's transformer.
3. ``sampling``: the schedule, guidance, the DDIM and the DDPM step.
4. ``unet``: noisy latents, timestep and context to a prediction.
5. ``vae``: pictures to latents and back.
6. ``model``: all parts together. ``weights`` reads the files of diffusers and transformers.

Then, how such a model comes to be: ``losses`` of the networks, ``ddpm`` for the theory,
``gaussian`` and ``likelihood`` for data on which it can be checked.

    import sdlab

    model = sdlab.reference.load()                       # the embedded model, or a folder
    picture = model.generate("a red car", seed=7)        # uint8 [H, W, 3]

What runs is Stable Diffusion 1.x and 2.x. ``sdlab.load`` runs all models, and records what happens.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sdlab.submodules import on_first_use

if TYPE_CHECKING:
    from sdlab.reference.model import StableDiffusion, load

_HOMES = {
    "StableDiffusion": "sdlab.reference.model",
    "load": "sdlab.reference.model",
}

__all__ = ["StableDiffusion", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        return on_first_use(__name__)(name)
    return getattr(import_module(_HOMES[name]), name)
