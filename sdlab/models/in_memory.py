"""Checks whether a pipeline in memory can be run as it is: parts, switches, one small call.

A pipeline from a folder has configs to read. One in memory may have been changed in any way, so
after the known cases, which have a fix to name, each part is tried on a small input: what fails
there would fail in every run.
"""

from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError
from sdlab.models.pipelines import PLAIN, is_plain, networks, parts
from sdlab.models.waiting_weights import is_offloaded

if TYPE_CHECKING:
    from sdlab.models.model import Model

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
SIDE = 8  # latent pixels of the trial, more where the U-Net halves it more often


def check_parts(pipeline: Any) -> None:
    """Raise if a pipeline lacks a part, or has something in it that runs do not support.

    Raises:
        ModelError: The message says what, and how to change it.
    """
    if type(pipeline).__name__ in PLAIN:
        _check_plain(pipeline)
    for name, network in networks(pipeline).items():
        if type(getattr(network, "encoder_hid_proj", None)).__name__.startswith("MultiIP"):
            raise ModelError(
                f"An IP-Adapter is loaded: its {_called(name)} waits for a picture, which runs have"
                " not. Call pipe.unload_ip_adapter(), then load it."
            )
    for name, part in parts(pipeline).items():
        if any(weight.is_meta for weight in part.parameters()) and not is_offloaded(part):
            raise ModelError(
                f"The {name} is on the meta device: it has shapes and no weights. Load the"
                " pipeline's weights, for instance without low_cpu_mem_usage."
            )


def _check_plain(pipeline: Any) -> None:
    missing = [name for name in PARTS if getattr(pipeline, name, None) is None]
    if missing:
        raise ModelError(
            f"This pipeline has no {' and no '.join(missing)}; runs need all of"
            f" {', '.join(PARTS)}. Load the pipeline whole."
        )
    ours = not type(pipeline.scheduler).__module__.startswith("diffusers.")
    if not ours and not hasattr(pipeline.scheduler, "alphas_cumprod"):
        raise ModelError(
            f"The pipeline's {type(pipeline.scheduler).__name__} has no alphas_cumprod, so it does"
            " not say what noise the network was trained on. Give the pipeline the scheduler that"
            " the model came with, pipe.scheduler = DDIMScheduler.from_pretrained(...,"
            " subfolder='scheduler')."
        )


def check_together(pipeline: Any) -> None:
    """Raise if parts are on several devices, or U-Net and text encoder in several formats.

    Parts that are offloaded or spread by a device map are where their hooks bring them, and other
    pipelines than plain ones may mix formats.

    Raises:
        ModelError: With the argument of ``load`` that brings them together.
    """
    free = {name: part for name, part in parts(pipeline).items() if not is_offloaded(part)}
    places = {name: str(part.device) for name, part in free.items() if hasattr(part, "device")}
    if len(set(places.values())) > 1 and not getattr(pipeline, "hf_device_map", None):
        raise ModelError(
            f"The pipeline's parts are on several devices ({_listed(places)}); pass device=... to"
            " bring them to one."
        )
    if not is_plain(pipeline):
        return
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


def _called(name: str) -> str:
    return "U-Net" if name == "unet" else name


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in values.items())
