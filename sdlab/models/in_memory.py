"""Checks whether a pipeline in memory can be run as it is: parts, switches, one small call.

A pipeline from a folder has configs to read. One in memory may have been changed in any way, so
after the known cases, which have a fix to name, each part is tried on a small input: what fails
there would fail in every run.
"""

from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError

if TYPE_CHECKING:
    from sdlab.models.model import Model

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
WEIGHTS = ("unet", "vae", "text_encoder")
SIDE = 8  # latent pixels of the trial, more where the U-Net halves it more often


def check_parts(pipeline: Any) -> None:
    """Raise if a pipeline lacks a part, or has something switched on that runs do not support.

    Raises:
        ModelError: The message says what, and how to switch it off.
    """
    missing = [name for name in PARTS if getattr(pipeline, name, None) is None]
    if missing:
        raise ModelError(
            f"This pipeline has no {' and no '.join(missing)}; runs need all of"
            f" {', '.join(PARTS)}. Load the pipeline whole."
        )
    if type(getattr(pipeline.unet, "encoder_hid_proj", None)).__name__.startswith("MultiIP"):
        raise ModelError(
            "An IP-Adapter is loaded: its U-Net waits for a picture, which runs have not. Call"
            " pipe.unload_ip_adapter(), then load it."
        )
    ours = not type(pipeline.scheduler).__module__.startswith("diffusers.")
    if not ours and not hasattr(pipeline.scheduler, "alphas_cumprod"):
        raise ModelError(
            f"The pipeline's {type(pipeline.scheduler).__name__} has no alphas_cumprod, so it does"
            " not say what noise the network was trained on. Give the pipeline the scheduler that"
            " the model came with, pipe.scheduler = DDIMScheduler.from_pretrained(...,"
            " subfolder='scheduler')."
        )
    _check_places(pipeline)


def _check_places(pipeline: Any) -> None:
    """Raise if weights are kept on another device than they compute on."""
    if getattr(pipeline, "hf_device_map", None):
        raise ModelError(
            f"This pipeline was loaded with a device map ({pipeline.hf_device_map}); runs need it"
            " on one device. Call pipe.reset_device_map(), then load it with device=..."
        )
    for name in WEIGHTS:
        part = getattr(pipeline, name)
        if any(hasattr(module, "_hf_hook") for module in part.modules()):
            raise ModelError(
                f"CPU offload is on (enable_model_cpu_offload or enable_sequential_cpu_offload):"
                f" the weights of the {name} are not where they compute. Call"
                " pipe.remove_all_hooks(), then load it; device= says where it goes."
            )
        if any(_is_group_offloaded(module) for module in part.modules()):
            raise ModelError(
                f"Group offload is on for the {name} (enable_group_offload): its weights are not"
                " where they compute. Load the pipeline anew without it."
            )
        if any(tensor.is_meta for tensor in part.parameters()):
            raise ModelError(
                f"The {name} is on the meta device: it has shapes and no weights. Load the"
                " pipeline's weights, for instance without low_cpu_mem_usage."
            )


def check_together(pipeline: Any) -> None:
    """Raise if the parts are on several devices, or U-Net and text encoder in several formats.

    Raises:
        ModelError: With the argument of ``load`` that brings them together.
    """
    places = {name: str(getattr(pipeline, name).device) for name in WEIGHTS}
    if len(set(places.values())) > 1:
        raise ModelError(
            f"The pipeline's parts are on several devices ({_listed(places)}); pass device=... to"
            " bring them to one."
        )
    kinds = {
        name: str(getattr(pipeline, name).dtype).removeprefix("torch.")
        for name in ("unet", "text_encoder")
    }
    if len(set(kinds.values())) > 1:
        raise ModelError(
            f"The pipeline's parts compute in several number formats ({_listed(kinds)}), as its"
            " own call would not either; pass dtype=... to bring them to one."
        )


def check_runs(model: "Model") -> None:
    """Raise if a part fails on a small input: one encoding, one evaluation, one decoding.

    A compiled network is not tried: it would be compiled once more for the small shape.

    Raises:
        ModelError: With the part, the error's own words and what to do.
    """
    import torch

    unet = model.pipeline.unet
    if hasattr(unet, "_orig_mod") or getattr(unet, "_compiled_call_impl", None) is not None:
        return
    side = max(SIDE, 2 ** (len(unet.config.block_out_channels) - 1))
    part = "text encoder"
    try:
        cond, _ = model.encode_prompt("")
        part = "U-Net"
        x = torch.zeros(1, model.latent_channels, side, side, device=model.device)
        small, width = x.to(model.dtype), unet.config.time_cond_proj_dim
        given = {} if width is None else {"timestep_cond": small.new_zeros(1, width)}
        with torch.no_grad():
            out = unet(small, 0, encoder_hidden_states=cond, return_dict=False, **given)[0]
        if out.shape != x.shape:
            raise ValueError(f"it gives {list(out.shape)} for latents of {list(x.shape)}")
        part = "VAE"
        model.decode_with_notes(x)
    except Exception as error:  # whatever a part in memory does wrong is the reason
        first = (str(error).splitlines() or [""])[0][:200]
        raise ModelError(
            f"This pipeline cannot be run: its {part} fails on a small input"
            f" ({type(error).__name__}: {first}). Switch off what was loaded into it or patched,"
            " or make the pipeline anew, and try pipe('a prompt') before loading it."
        ) from error


def _is_group_offloaded(module: Any) -> bool:
    hooks = getattr(getattr(module, "_diffusers_hook", None), "hooks", {})
    return "group_offloading" in hooks


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in values.items())
