"""Loads one .safetensors file in a model's original layout, offline.

Such a file holds networks, and sometimes text encoders, but no configs and no tokenizer. The
configs of Stable Diffusion 1.x, 2.x and XL come with this package (``configs/``), and CLIP's
vocabulary with the embedded model; a model of another size or family needs its own, passed as
``config``, if the hub's cache has not those that diffusers names for it.

Whether a network predicts the noise or the velocity v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar)
x0 cannot be read from its shapes. The file may say so (a key ``v_pred``, with ``ztsnr`` beside it
for zero terminal SNR; the metadata's ``modelspec.prediction_type``); if not, it is measured: at the
last timestep the input is nearly all noise, so a network that predicts noise returns nearly its
input (correlation close to 1), one that predicts v returns nearly -x0.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError
from sdlab.models.components import INDEX, components, left_out, pipeline_class
from sdlab.models.devices import move
from sdlab.models.families import check_checkpoint, class_of_channels, refuse_additions
from sdlab.models.folder import check_configs, read_json
from sdlab.models.other_files import load_other, misfit, place_of_configs
from sdlab.models.pipelines import PLAIN, parts
from sdlab.models.quiet import building, quiet
from sdlab.models.weights import check_materialized, read_header
from sdlab.shipped import FOLDER

if TYPE_CHECKING:
    import torch

CONFIGS = Path(__file__).parent / "configs"
TOKENIZER = FOLDER / "tokenizer"
# Cross-attention width -> (folder of configs, what the tokenizer pads with).
KNOWN = {768: ("sd1", "<|endoftext|>"), 1024: ("sd2", "!")}
PREDICTION = {
    "epsilon": "epsilon",
    "eps": "epsilon",
    "noise": "epsilon",
    "v": "v_prediction",
    "v_pred": "v_prediction",
    "v_prediction": "v_prediction",
    "velocity": "v_prediction",
}
# NovelAI's layout, found in others' files too: the text encoder's keys lack a middle part.
_NOVELAI = re.compile(
    r"^cond_stage_model\.transformer\.(?=embeddings\.|encoder\.|final_layer_norm\.)"
)
_FIRST = "model.diffusion_model.input_blocks.0.0.weight"


def load_single_file(
    path: Path, dtype: "torch.dtype", device: "torch.device", config: Path | None = None
) -> Any:
    """Return the pipeline of one checkpoint file, on ``device``.

    Args:
        path: A .safetensors file in the original layout.
        dtype: What to keep the weights in.
        device: Where to put them.
        config: A pipeline folder with the configs and the tokenizers to use in place of ours; its
            scheduler then says what the network predicts, its ``model_index.json`` the class.

    Raises:
        ModelError: If the file is broken, no model, incomplete, of another size than the configs,
            or of a family whose configs are not at hand.
    """
    shapes, metadata = read_header(path)
    refuse_additions(shapes, str(path))
    place = config or place_of_configs(shapes, str(path), CONFIGS)
    if place and pipeline_class(read_json(place / INDEX), str(place)).__name__ not in PLAIN:
        tokenizers = _tokenizers_of_xl() if place.parent == CONFIGS else {}
        pipeline = load_other(path, place, dtype, tokenizers)
    else:
        width = check_checkpoint(shapes, str(path))
        folder, tokenizer = _configs(path, width, config)
        channels = shapes[_FIRST][1] if _FIRST in shapes else 4
        pipeline = _from_single_file(path, folder, dtype, tokenizer, channels)
    for name, part in parts(pipeline).items():
        check_materialized(part, f"{path} ({name})")
    move(pipeline, device)
    if config is None:
        _set_prediction(pipeline, path, shapes, metadata)
    return pipeline


def _set_prediction(
    pipeline: Any, path: Path, shapes: Mapping[str, Any], metadata: Mapping[str, str]
) -> None:
    """Write into a scheduler's config what the network predicts, as said or as measured.

    Raises:
        ModelError: If the file asks for what a network that predicts noise cannot do.
    """
    if not hasattr(pipeline, "unet"):
        return  # a flow: its configs say it
    kind = _declared(shapes, metadata)
    if kind is None:
        plain = type(pipeline).__name__ in PLAIN
        kind = "v_prediction" if plain and not predicts_noise(pipeline) else "epsilon"
    zero_snr = "ztsnr" in shapes
    if zero_snr and kind == "epsilon":
        raise ModelError(
            f"{path} asks for zero terminal SNR (its key 'ztsnr'), where a network that"
            " predicts the noise, as this one does, has nothing to predict. Pass config=FOLDER"
            " with the scheduler's config that it was trained with."
        )
    if kind == "v_prediction":
        width = pipeline.unet.config.cross_attention_dim
        _set_v_prediction(pipeline, width, zero_snr)


def predicts_noise(pipeline: Any) -> bool:
    """Return whether the network predicts the noise, by one evaluation at the last timestep."""
    import torch

    unet = pipeline.unet
    shape = (1, unet.config.in_channels, 32, 32)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    last = pipeline.scheduler.config.num_train_timesteps - 1

    def answer() -> "torch.Tensor":
        out = unet(noise.to(unet.device, unet.dtype), last, words.to(unet.dtype)).sample
        answered: torch.Tensor = out.float().cpu()
        return answered

    with torch.no_grad():
        words, _ = pipeline.encode_prompt("", unet.device, 1, False)
        out = answer()
        if not out.isfinite().all():  # 2.x overflows in float16
            dtype = unet.dtype
            unet.float()
            out = answer()
            unet.to(dtype)
    return bool(torch.corrcoef(torch.stack([noise.flatten(), out.flatten()]))[0, 1] > 0.5)


def _configs(path: Path, width: int, config: Path | None) -> tuple[Path, Any]:
    with quiet():
        from transformers import CLIPTokenizer

        if config is not None:
            check_configs(config, components(read_json(config / INDEX), str(config)))
            return config, CLIPTokenizer.from_pretrained(config / "tokenizer")
        if width not in KNOWN:
            raise ModelError(
                f"{path} has a cross-attention width of {width}; Stable Diffusion 1.x has 768 and"
                " 2.x has 1024. For a model of another size pass config=FOLDER, a pipeline folder"
                " with its configs and tokenizer."
            )
        name, pad = KNOWN[width]
        return CONFIGS / name, CLIPTokenizer.from_pretrained(TOKENIZER, pad_token=pad)


def _tokenizers_of_xl() -> dict[str, Any]:
    with quiet():
        from transformers import CLIPTokenizer

        own, second = KNOWN[768][1], KNOWN[1024][1]
        return {
            "tokenizer": CLIPTokenizer.from_pretrained(TOKENIZER, pad_token=own),
            "tokenizer_2": CLIPTokenizer.from_pretrained(TOKENIZER, pad_token=second),
        }


def _from_single_file(
    path: Path, folder: Path, dtype: "torch.dtype", tokenizer: Any, channels: int
) -> Any:
    name = class_of_channels(channels, str(path))
    with building():
        import diffusers

        cls = getattr(diffusers, name)
        try:
            return _build(_state(path), folder, dtype, tokenizer, cls, channels)
        except Exception as error:  # whatever the libraries make of other shapes
            raise misfit(path, folder, error) from error


def _state(path: Path) -> dict[str, "torch.Tensor"]:
    """Return a file's weights, opened as safetensors whatever the case of its suffix."""
    from safetensors.torch import load_file

    middle = "cond_stage_model.transformer.text_model."
    return {_NOVELAI.sub(middle, key): tensor for key, tensor in load_file(path).items()}


def _build(
    state: dict[str, "torch.Tensor"],
    folder: Path,
    dtype: "torch.dtype",
    tokenizer: Any,
    cls: Any,
    channels: int,
) -> Any:
    """Return the pipeline of weights in the original layout, converted by diffusers."""
    import diffusers
    from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
    from transformers import CLIPTextModel

    scheduler = getattr(diffusers, read_json(folder / INDEX)["scheduler"][1])
    place: dict[str, Any] = {"config": str(folder), "local_files_only": True, "torch_dtype": dtype}
    taken = {} if channels == 4 else {"in_channels": channels}
    return cls(
        unet=diffusers.UNet2DConditionModel.from_single_file(
            state, subfolder="unet", **place, **taken
        ),
        vae=diffusers.AutoencoderKL.from_single_file(state, subfolder="vae", **place),
        text_encoder=create_diffusers_clip_model_from_ldm(
            CLIPTextModel, state, subfolder="text_encoder", **place
        ),
        tokenizer=tokenizer,
        scheduler=scheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True),
        **left_out(cls),
    )


def _declared(shapes: Mapping[str, Any], metadata: Mapping[str, str]) -> str | None:
    if "v_pred" in shapes:
        return "v_prediction"
    declared = metadata.get("modelspec.prediction_type", "").strip().lower()
    return PREDICTION.get(re.sub(r"[\s-]+", "_", declared))


def _set_v_prediction(pipeline: Any, width: int, zero_snr: bool) -> None:
    from diffusers import DDIMScheduler

    config = DDIMScheduler.load_config(CONFIGS / "sd2-v", subfolder="scheduler")
    if zero_snr:  # Lin et al. 2023 (arXiv 2305.08891): such a network must start at the last step
        config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    pipeline.scheduler = DDIMScheduler.from_config(config)
    if width == 1024 and type(pipeline).__name__ in PLAIN:  # 2.x-v was trained at 768 x 768
        unet = read_json(CONFIGS / "sd2-v" / "unet" / "config.json")
        pipeline.unet.register_to_config(sample_size=unet["sample_size"])
