"""What makes a negative prompt act on a model: its guidance scale, another scale, or nothing."""

from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.models.pipelines import call_parameters

if TYPE_CHECKING:
    from sdlab.models.model import Model

OWN, TRUE = "guidance_scale", "true_cfg_scale"


class Guidance(NamedTuple):
    """What guides a model away from a negative prompt.

    Attributes:
        by: ``OWN``; ``TRUE``, a second evaluation of networks whose guidance is distilled; or ""
            if nothing does, as the network has its guidance within.
        default: Of ``TRUE``, what it is if nothing is given.
    """

    by: str = OWN
    default: float = 1.0

    def acts(self, guidance_scale: float, true_cfg_scale: float | None = None) -> bool:
        """Return whether a negative prompt does anything at these scales."""
        if self.by == TRUE:
            return (self.default if true_cfg_scale is None else true_cfg_scale) > 1
        return self.by == OWN and guidance_scale > 1


def is_distilled(model: "Model") -> bool:
    """Return whether the network was distilled with its guidance as an input.

    ``time_cond_proj_dim`` of a U-Net says so, ``guidance_embeds`` of a transformer.
    """
    config = getattr(model.network, "config", {})
    return config.get("time_cond_proj_dim") is not None or bool(config.get("guidance_embeds"))


def reads_scale(model: "Model") -> bool:
    """Return whether ``guidance_scale`` does anything on a model.

    Where ``true_cfg_scale`` guides, it is only an input of networks distilled with it; Flux schnell
    and Qwen-Image were not.
    """
    configs: list[Any] = [getattr(part, "config", {}) for part in model.parts.values()]
    embeds = [x.get("guidance_embeds") for x in configs if hasattr(x, "get")]
    told = [value for value in embeds if value is not None]
    return not told or any(told) or guidance_of(model).by != TRUE


def guidance_of(model: "Model") -> Guidance:
    """Return what guides a model."""
    taken = call_parameters(type(model.pipeline))
    if TRUE in taken:
        default = taken[TRUE].default
        return Guidance(TRUE, float(default) if isinstance(default, (int, float)) else 1.0)
    if "negative_prompt" not in taken or OWN not in taken or is_distilled(model):
        return Guidance("")
    return Guidance()
