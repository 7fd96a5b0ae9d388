"""A pipeline's weights under the original Stable Diffusion (LDM) keys: diffusers' map, inverted.

Written from the layout of the original networks: numbered input and output blocks, each a list
of [resnet, attention, up or down].
"""

import re

import torch

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
OPENCLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def unet_key(key, layers, attended):
    """`attended`: numbers of the up blocks that have attention (their upsampler comes third)."""
    module, _, leaf = key.rpartition(".")
    if module in ENDS:
        return f"{ENDS[module]}.{leaf}"
    if match := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", key):
        kind, number, rest = match.groups()
        place = 1 if kind == "attentions" else 2 * int(number)
        return f"middle_block.{place}.{_rename(kind, rest)}"
    way, block, kind, number, rest = re.match(
        r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.+)", key
    ).groups()
    first = int(block) * (layers + 1)
    if kind == "downsamplers":
        return f"input_blocks.{1 + first + layers}.0.op.{leaf}"
    if kind == "upsamplers":
        return f"output_blocks.{first + layers}.{2 if int(block) in attended else 1}.conv.{leaf}"
    place = first + int(number) + (way == "down")
    side = "input" if way == "down" else "output"
    return f"{side}_blocks.{place}.{int(kind == 'attentions')}.{_rename(kind, rest)}"


def _rename(kind, rest):
    if kind == "attentions":
        return rest
    module, _, leaf = rest.rpartition(".")
    return f"{RESNET[module]}.{leaf}"


def vae_key(key, blocks):
    key = key.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    key = key.replace("mid_block.attentions.0.group_norm", "mid.attn_1.norm")
    key = key.replace("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out")
    key = re.sub(r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1", key)
    key = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{blocks - 1 - int(m[1])}.block", key)
    return re.sub(
        r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{blocks - 1 - int(m[1])}.upsample", key
    )


def clip_state(encoder):
    state = {f"cond_stage_model.transformer.text_model.{k}": v for k, v in _flat(encoder).items()}
    ids = torch.arange(77)[None]
    return {**state, "cond_stage_model.transformer.text_model.embeddings.position_ids": ids}


def openclip_state(encoder):
    out, state, start = {}, _flat(encoder), "cond_stage_model.model."
    for key, value in state.items():
        if match := re.match(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", key):
            number, module, leaf = match.groups()
            here = f"{start}transformer.resblocks.{number}."
            if module == "self_attn.q_proj":
                parts = [state[key.replace("q_proj", f"{x}_proj")] for x in "qkv"]
                out[f"{here}attn.in_proj_{leaf}"] = torch.cat(parts)
            elif module in OPENCLIP:
                out[f"{here}{OPENCLIP[module]}.{leaf}"] = value
    out[f"{start}token_embedding.weight"] = state["embeddings.token_embedding.weight"]
    out[f"{start}positional_embedding"] = state["embeddings.position_embedding.weight"]
    if "text_projection.weight" in state:  # a CLIP with a projection, written transposed
        out[f"{start}text_projection"] = state["text_projection.weight"].T
    for leaf in ("weight", "bias"):
        out[f"{start}ln_final.{leaf}"] = state[f"final_layer_norm.{leaf}"]
    return out


def _flat(encoder):
    return {key.removeprefix("text_model."): value for key, value in encoder.state_dict().items()}


def ldm_state(pipeline, text=clip_state):
    """Every weight by its original key; the VAE's attention as 1x1 convolutions."""
    config = pipeline.unet.config
    attended = {i for i, kind in enumerate(config.up_block_types) if "CrossAttn" in kind}
    state = text(pipeline.text_encoder)
    for key, value in pipeline.unet.state_dict().items():
        place = unet_key(key, config.layers_per_block, attended)
        state[f"model.diffusion_model.{place}"] = value
    for key, value in pipeline.vae.state_dict().items():
        place = vae_key(key, len(pipeline.vae.config.block_out_channels))
        if "mid.attn_1" in place and value.ndim == 2:
            value = value[:, :, None, None]
        state[f"first_stage_model.{place}"] = value
    return {key: value.detach().clone().contiguous() for key, value in state.items()}


def xl_state(pipeline):
    """Stable Diffusion XL's weights by their original keys: two encoders, one of each layout."""
    first = _renamed(clip_state(pipeline.text_encoder), "cond_stage_model.", 0)
    second = _renamed(openclip_state(pipeline.text_encoder_2), "cond_stage_model.", 1)
    return ldm_state(pipeline, lambda _encoder: first | second)


def _renamed(state, start, number):
    place = f"conditioner.embedders.{number}."
    return {key.replace(start, place): value for key, value in state.items()}
