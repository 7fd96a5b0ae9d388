"""Causes in guidance: its scale, its convention, what tames it."""

from collections.abc import Iterator

from sdlab.explaining.making import Making
from sdlab.explaining.registry import ANOTHER, VISIBLE, Found, cause


@cause(
    "guidance-scale",
    "Guidance scale",
    VISIBLE,
    needs="guidance_scale",
    explanation="uncond + s (cond - uncond) in all these programs; papers that write w mean s - 1. "
    "At 1 or less there is no unconditional half, and the negative prompt does nothing.",
    fix="Set the same scale.",
    source="Ho and Salimans 2022 (arXiv 2207.12598); diffusers StableDiffusionPipeline",
)
def guidance_scale(a: Making, b: Making) -> Iterator[Found]:
    """Compare the scales."""
    one, other = a["guidance_scale"], b["guidance_scale"]
    if one != other:
        off = min(one, other) <= 1 < max(one, other)
        yield Found(
            f"The guidance scale is {one:g} and {other:g}.",
            {"guidance_scale": other},
            effect=ANOTHER if off else "",
        )


@cause(
    "distilled-guidance",
    "Guidance told to the network",
    ANOTHER,
    needs="noise",  # of every picture; which ones say a guidance is looked at below
    explanation="Distilled models (Flux dev) are told their guidance as an input: FluxGuidance in "
    "ComfyUI, guidance_scale in diffusers. ComfyUI's cfg is classifier-free guidance on top of it, "
    "diffusers' true_cfg_scale, and should be 1.",
    fix="Compare FluxGuidance with diffusers' guidance_scale, and cfg with true_cfg_scale.",
    source="diffusers FluxPipeline; ComfyUI comfy_extras/nodes_flux.py",
)
def distilled_guidance(a: Making, b: Making) -> Iterator[Found]:
    """Compare the guidance that the network is told, where one file has it."""
    one, other = (made.facts.get("distilled_guidance") for made in (a, b))
    if one != other:
        yield Found(f"The network is told a guidance of {one or 'none'} and {other or 'none'}.")


@cause(
    "guidance-rescale",
    "Guidance rescale",
    VISIBLE,
    needs="guidance_rescale",
    explanation="It brings the guided prediction's spread back to the conditional one's.",
    fix="Set the same value; ComfyUI has the node RescaleCFG.",
    source="Lin et al. 2023 (arXiv 2305.08891), section 3.4",
)
def guidance_rescale(a: Making, b: Making) -> Iterator[Found]:
    """Compare the rescales."""
    one, other = a["guidance_rescale"], b["guidance_rescale"]
    if one != other:
        said = f"The guidance rescale is {one:g} and {other:g}."
        yield Found(said, {"guidance_rescale": other})
