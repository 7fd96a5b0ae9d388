"""All parts together: a folder to a model, and a prompt to a picture.

    prompt  --tokenizer-->  ids [1, 77]  --text encoder-->  context [1, 77, D]  --.
    seed    ----------->  noise [1, 4, 64, 64]  --U-Net, again and again-->  latents [1, 4, 64, 64]
    latents  --VAE decoder-->  picture [3, 512, 512]  --rounded-->  uint8 [512, 512, 3]

Reference:
    Rombach et al. 2022, arXiv 2112.10752, figure 3. diffusers: StableDiffusionPipeline.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from sdlab.errors import ModelError, shown
from sdlab.reference.sampling import Schedule, Step, Visit, ddim_step, guided, sample
from sdlab.reference.text_encoder import TextEncoder
from sdlab.reference.tokenizer import END, Tokenizer
from sdlab.reference.unet import UNet
from sdlab.reference.vae import VAE
from sdlab.reference.weights import load_into, read
from sdlab.shipped import FOLDER

Network = TypeVar("Network", TextEncoder, UNet, VAE)


@dataclass
class StableDiffusion:
    """A model: its parts, each of which can be called alone.

    Attributes:
        tokenizer: list of prompts -> ids, int64 [B, 77].
        text_encoder: ids -> context, [B, 77, D].
        unet: (x_t [B, 4, H, W], timestep, context) -> its prediction, like x_t.
        vae: ``encode`` and ``decode``: pictures [B, 3, 8 H, 8 W] <-> latents [B, 4, H, W].
        schedule: alpha_bar, and what the U-Net predicts.
        size: Height and width that it was trained at, pixels.
    """

    tokenizer: Tokenizer
    text_encoder: TextEncoder
    unet: UNet
    vae: VAE
    schedule: Schedule
    size: int

    @torch.no_grad()
    def encode(self, prompt: str) -> Tensor:
        """Return the context of a prompt, float32 [1, 77, D]."""
        return self.text_encoder(self.tokenizer([prompt]))

    def visits(
        self,
        prompt: str,
        negative_prompt: str = "",
        *,
        seed: int = 0,
        num_steps: int = 25,
        guidance_scale: float = 4.0,
        size: tuple[int, int] | None = None,
        step: Step = ddim_step,
    ) -> Iterator[Visit]:
        """Yield every step from noise to latents; the arguments are those of ``generate``."""
        height, width = size or (self.size, self.size)
        if height < 8 or width < 8 or height % 8 or width % 8:
            raise ValueError(f"size must be two multiples of 8 in pixels, got {shown(size)}.")
        generator = torch.Generator().manual_seed(seed)

        def draw() -> Tensor:
            return torch.randn(1, 4, height // 8, width // 8, generator=generator)

        predict = guided(
            self.unet, self.encode(prompt), self.encode(negative_prompt), guidance_scale
        )
        yield from sample(predict, self.schedule, draw(), num_steps, draw, step)

    def generate(self, prompt: str, negative_prompt: str = "", **options: Any) -> Tensor:
        """Return a picture, uint8 [H, W, 3], the one that diffusers makes of the same seed.

        Args:
            prompt: What to show.
            negative_prompt: What guidance leads away from; nothing if it is empty.
            **options: ``seed`` (0) of the noise, ``num_steps`` (25), 1 to 999, ``guidance_scale``
                (4; 1 and below is without), ``size`` as (height, width), multiples of 8 pixels
                (what the model was trained at), ``step`` (``ddim_step``; or ``ddpm_step``, or
                ``partial(ddim_step, eta=0.5)``).

        Raises:
            ValueError: If a number is out of range.
        """
        *_, last = self.visits(prompt, negative_prompt, **options)
        return self.picture(last.x_next)

    @torch.no_grad()
    def picture(self, latents: Tensor) -> Tensor:
        """Return the picture, uint8 [8 H, 8 W, 3], of latents [1, 4, H, W]."""
        picture = self.vae.decode(latents)[0].permute(1, 2, 0)  # [8 H, 8 W, 3], -1 to 1
        return ((picture * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)


def load(folder: str | Path = FOLDER) -> StableDiffusion:
    """Return the model of a folder, in float32 on the CPU.

    Args:
        folder: As diffusers saves one: Stable Diffusion 1.x or 2.x, with .safetensors weights; or
            the embedded model, if none is given.

    Raises:
        ValueError: If there is no such folder, or its scheduler is of another kind.
        ModelError: If a part is missing, or is not of Stable Diffusion 1.x or 2.x.
    """
    folder = Path(folder)
    if not (folder / "model_index.json").is_file():
        raise ValueError(
            f"No model_index.json in {shown(str(folder))}; folder must be one that diffusers saved."
        )
    return StableDiffusion(
        tokenizer=read_tokenizer(folder / "tokenizer"),
        text_encoder=network(TextEncoder, folder / "text_encoder"),
        unet=network(UNet, folder / "unet"),
        vae=network(VAE, folder / "vae"),
        schedule=Schedule.from_config(settings(folder / "scheduler/scheduler_config.json")),
        size=8 * settings(folder / "unet/config.json")["sample_size"],
    )


def network(kind: type[Network], folder: Path) -> Network:
    """Return a network of a kind with the config and the weights of a folder.

    Raises:
        ModelError: If there are none, or they are not of Stable Diffusion 1.x or 2.x.
    """
    files = sorted(folder.glob("*.safetensors"), key=lambda path: (len(path.name), path.name))
    if not files:
        raise ModelError(f"No .safetensors file in {shown(str(folder))}; no other kind is read.")
    with torch.device("meta"):  # takes no memory until the weights are there
        made = kind(settings(folder / "config.json"))
    load_into(made, read(files[0]), kind.__name__)  # the shortest name: no fp16, no non_ema
    return made


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder: its vocabulary, merges and padding token.

    Raises:
        ModelError: If there is no vocabulary in it.
    """

    def said(name: str) -> dict[str, Any]:
        return settings(folder / name) if (folder / name).is_file() else {}

    whole = said("tokenizer.json")  # as transformers writes it since version 5
    if whole:
        vocab, merges = whole["model"]["vocab"], whole["model"]["merges"]
    else:
        vocab = settings(folder / "vocab.json")
        merges = (folder / "merges.txt").read_text("utf-8").split("\n")[1:]  # after the version
    pairs = (line.split(" ") if isinstance(line, str) else line for line in merges if line)
    config = said("tokenizer_config.json")
    if "added_tokens_decoder" not in config:  # between 2023 and 2025 it had all of the other file
        config |= said("special_tokens_map.json")
    added = [*config.get("added_tokens_decoder", {}).values(), *whole.get("added_tokens", [])]
    added = [token for token in (*added, config.get("eos_token")) if isinstance(token, dict)]
    pad = config.get("pad_token", END)
    return Tokenizer(
        vocab,
        [(left, right) for left, right in pairs],
        pad["content"] if isinstance(pad, dict) else pad,
        cleaned=next((token["normalized"] for token in added if token["content"] == END), False),
    )


def settings(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds.

    Raises:
        ModelError: If there is no such file.
    """
    if not path.is_file():
        raise ModelError(f"No {path.name} in {shown(str(path.parent))}; is the folder whole?")
    return json.loads(path.read_text("utf-8"))
