"""Stage 4: the U-Net, trained to predict the noise in scenes' latents from their captions.

The loss is made of the parts of ``sdlab.reference.losses``. It is weighted with 1 / alpha_bar,
clipped at 30 (which makes it the v-prediction loss, Salimans and Ho 2022, arXiv 2202.00512, while
the network still predicts epsilon); one caption in ten is empty, for guidance. Watch ``gap`` in the
log: how much the loss at timestep 700 rises when captions are shuffled. A U-Net that ignores the
prompt has no gap although its loss falls.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel

from sdlab.embedded.pictures import grid
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.reference.losses import (
    drop_captions,
    eps_between,
    noised,
    squared_error,
    stratified,
    timesteps_at,
    v_weight,
)
from sdlab.training.attention_loss import grounding_loss, keep_maps
from sdlab.training.latent_scenes import Block, make_block
from sdlab.training.nets import make_scheduler
from sdlab.training.optimizer import MuonAdamW
from sdlab.training.vocabulary import Vocabulary

EMPTY_SHARE = 0.1
WEIGHT_CLIP = 30.0
BLOCK = 4096
PASSES = 3
SPREAD = ((0.0, 0), (0.15, 400), (0.6, 800), (1.0, 1000))
"""Shares of the samples and timesteps up to which they reach: what is left to learn below 400
hardly shows; above 800 the caption decides what is where."""
FAINT_FROM, FAINT_SHARE = 850, 0.6
"""From this timestep on, so many samples show less of their picture than the schedule says."""
KINDS = (
    ("single", 0.2),
    ("coloured", 0.4),
    ("pair", 0.34),
    ("count", 0.03),
    ("triple", 0.03),
)
"""Shares of scenes: pairs are learned last, and colours that no scene shows on an object."""


def faint_signal(timesteps: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return by what factor each sample's picture is weakened, float [B], 1 for most.

    A sampler starts from noise that holds no picture, while training, even at timestep 999, shows
    one: with 1,024 latent values of signal to noise 0.005 a network can see who stands left, and
    never learns to ask the caption (Lin et al. 2024, arXiv 2305.08891, call the schedule flawed).
    """
    count = len(timesteps)
    factor = torch.rand(count, generator=generator).to(timesteps.device)
    drawn = torch.rand(count, generator=generator).to(timesteps.device) < FAINT_SHARE
    return torch.where(drawn & (timesteps >= FAINT_FROM), factor, 1.0)


@dataclass(frozen=True)
class UnetSettings:
    """How the U-Net is trained.

    Attributes:
        seed: Of the scenes and of their order.
        objects: What the scenes show.
        batch: Samples a step.
        grounding: Weight of the loss on where the words look; 0 for none.
        muon_lr: Step size of the matrices.
        block: Scenes that are made at once.
    """

    seed: int
    objects: tuple[str, ...]
    batch: int = 32
    grounding: float = 0.0
    muon_lr: float = 0.02
    block: int = BLOCK


class UnetStage:
    """Trains the U-Net with the VAE and the text encoder frozen."""

    name = "unet"

    def __init__(
        self,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        text: CLIPTextModel,
        vocabulary: Vocabulary,
        world: World,
        settings: UnetSettings,
    ) -> None:
        """Take the network to train and its frozen neighbours."""
        self.world, self.vocabulary, self.settings = world, vocabulary, settings
        self.batch = settings.batch
        self.steps_per_block = PASSES * settings.block // settings.batch
        self.vae = vae.to(world.device).eval().requires_grad_(False)
        self.text = text.to(world.device).eval().requires_grad_(False)
        self.module = unet.to(device=world.device, memory_format=torch.channels_last)
        self.optimizer = MuonAdamW(unet.named_parameters(), muon_lr=settings.muon_lr)
        self.alpha_bar = make_scheduler().alphas_cumprod.to(world.device)
        self.scenes = SceneSampler(settings.seed, settings.objects, kinds=KINDS)
        unseen = SceneSampler(0, settings.objects, split="test")
        self.held_out = make_block(unseen, 0, min(256, settings.block), world, vae, vocabulary)
        self._block: tuple[int, Block] | None = None

    def block_at(self, step: int) -> tuple[Block, torch.Tensor]:
        """Return the block that step ``step`` reads and the row numbers of its batch."""
        size = self.settings.block
        steps_per_pass = size // self.batch
        number, inside = divmod(step, PASSES * steps_per_pass)
        if self._block is None or self._block[0] != number:
            arguments = (self.world, self.vae, self.vocabulary)
            self._block = number, make_block(self.scenes, number * size, size, *arguments)
        order = torch.Generator().manual_seed(self.settings.seed + 7919 * (step // steps_per_pass))
        rows = torch.randperm(size, generator=order)
        first = inside % steps_per_pass * self.batch
        return self._block[1], rows[first : first + self.batch].to(self.world.device)

    def loss(self, step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the weighted noise loss of one batch (plus grounding, if asked for)."""
        block, rows = self.block_at(step)
        count, device = len(rows), self.world.device
        timesteps = timesteps_at(stratified(count, generator), SPREAD).to(device)
        noise = torch.randn((count, *block.latents.shape[1:]), generator=generator).to(device)
        captions = block.ids[rows], self.vocabulary.empty
        ids, empty = drop_captions(*captions, EMPTY_SHARE, generator)
        with keep_maps(self.module) as maps:
            signal = faint_signal(timesteps, generator)
            error = self._error(block.latents[rows], ids, timesteps, noise, signal)
        loss = (error * v_weight(self.alpha_bar[timesteps], WEIGHT_CLIP)).mean()
        figures = {"error": float(error.detach().mean())}
        if self.settings.grounding:
            seen = (~empty).float()  # in the strongest noise too: only the caption places a pair
            ground = grounding_loss(maps, block.words[rows], block.masks[rows], seen)
            figures["ground"] = float(ground.detach())
            loss = loss + self.settings.grounding * ground
        return loss, figures

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the text encoder's last hidden state, [B, 77, 128]."""
        with torch.no_grad(), torch.autocast(self.world.device.type, torch.bfloat16):
            hidden: torch.Tensor = self.text(input_ids=ids).last_hidden_state
        return hidden

    def _error(
        self,
        latents: torch.Tensor,
        ids: torch.Tensor,
        timesteps: torch.Tensor,
        noise: torch.Tensor,
        signal: torch.Tensor | float = 1.0,
    ) -> torch.Tensor:
        """Return the mean squared error of the predicted noise, shape [B].

        Where ``signal`` [B] weakens the picture, the noise to predict is still the one whose x0 is
        the whole picture.
        """
        alpha_bar = self.alpha_bar[timesteps].view(-1, 1, 1, 1)
        shown = torch.as_tensor(signal, device=latents.device).view(-1, 1, 1, 1) * latents
        x_t = noised(shown, noise, alpha_bar)
        with torch.autocast(self.world.device.type, torch.bfloat16):
            eps_pred = self.module(
                x_t.contiguous(memory_format=torch.channels_last), timesteps, self.hidden(ids)
            ).sample
        return squared_error(eps_pred, eps_between(x_t, latents, alpha_bar))

    def validate(self) -> tuple[dict[str, float], Image.Image | None]:
        """Return held-out losses at some timesteps, the caption gap at 700, and a grid."""
        generator = torch.Generator().manual_seed(11)
        noise = torch.randn(self.held_out.latents.shape, generator=generator).to(self.world.device)
        figures = {f"t{t}": self._error_at(t, noise, 0) for t in (100, 400, 700)}
        figures["gap"] = self._error_at(700, noise, 1) - figures["t700"]
        count = min(16, len(self.held_out.ids) // 4)
        prompts = SceneSampler(5, self.scenes.objects, split="test").batch(0, count)
        ids = torch.stack([self.vocabulary.encode(words)[0] for _, words in prompts])
        latents = self.sample(ids.to(self.world.device), range(count))
        with torch.autocast(self.world.device.type, torch.bfloat16):
            pictures = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        return figures, grid(pictures, 8)

    def _error_at(self, timestep: int, noise: torch.Tensor, shuffle: int) -> float:
        """Return the held-out noise error at one timestep; ``shuffle`` rolls the captions."""
        total = 0.0
        ids = self.held_out.ids.roll(shuffle, 0)
        for part in torch.arange(len(ids)).split(64):
            timesteps = torch.full((len(part),), timestep, device=self.world.device)
            error = self._error(self.held_out.latents[part], ids[part], timesteps, noise[part])
            total += float(error.sum())
        return total / len(ids)

    @torch.no_grad()
    def sample(
        self, ids: torch.Tensor, seeds: range, steps: int = 25, guidance_scale: float = 4.0
    ) -> torch.Tensor:
        """Return latents [B, 4, 16, 16] of DDIM with guidance, one seed a picture."""
        scheduler = make_scheduler()
        scheduler.set_timesteps(steps)
        x = torch.cat(
            [torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(s)) for s in seeds]
        ).to(ids.device)
        empty = self.vocabulary.empty.to(ids.device).expand_as(ids)
        hidden = self.hidden(torch.cat((empty, ids)))
        for timestep in scheduler.timesteps:
            with torch.autocast(x.device.type, torch.bfloat16):
                both = torch.cat((x, x)).contiguous(memory_format=torch.channels_last)
                uncond, cond = self.module(both, timestep, hidden).sample.float().chunk(2)
            eps_pred = uncond + guidance_scale * (cond - uncond)
            x = scheduler.step(eps_pred, timestep, x).prev_sample
        return x
