"""Stage 1: the VAE, trained to give back scenes; three of four steps on crops of 64 x 64 pixels.

The loss is that of ``sdlab.reference.losses``: mean squared error plus a tenth of mean absolute
error and a trace of KL; the latents get a little noise on the way, so that the decoder forgives the
U-Net's small errors.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from PIL import Image

from sdlab.embedded.captions import Item
from sdlab.embedded.catalogue import CORE
from sdlab.embedded.pictures import grid
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.reference.losses import vae_loss
from sdlab.training.optimizer import MuonAdamW

CROP = 64
KINDS = (("single", 0.4), ("pair", 0.5), ("count", 0.05), ("triple", 0.05))
KL_WEIGHT = 1e-6
LATENT_NOISE = 0.05


def psnr(pictures: torch.Tensor, restored: torch.Tensor) -> torch.Tensor:
    """Return the PSNR of each picture in dB, shape [B]; values in -1..1, restored ones clamped."""
    error = (pictures - restored.clamp(-1, 1)).square().flatten(1).mean(1)
    return 10 * torch.log10(4 / error)


class VaeStage:
    """Trains the whole VAE, or its decoder alone when the encoder must stay as it is."""

    name = "vae"

    def __init__(
        self,
        vae: AutoencoderKL,
        world: World,
        *,
        seed: int,
        batch: int = 16,
        decoder_only: bool = False,
        objects: tuple[str, ...] = CORE,
        muon_lr: float = 0.02,
    ) -> None:
        """Take the network to train; ``batch`` counts pictures of 128 x 128."""
        self.world, self.batch = world, batch
        self.module = vae.to(device=world.device, memory_format=torch.channels_last)
        vae.encoder.requires_grad_(not decoder_only)
        vae.quant_conv.requires_grad_(not decoder_only)
        self.optimizer = MuonAdamW(vae.named_parameters(), muon_lr=muon_lr)
        self.scenes = SceneSampler(seed, objects, kinds=KINDS)
        self.held_out = SceneSampler(0, objects, split="test").batch(0, 32)

    def loss(self, step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the reconstruction loss of one batch of crops or whole pictures."""
        pictures = self._pictures(step, generator)
        with torch.autocast(self.world.device.type, torch.bfloat16):
            posterior = self.module.encode(pictures).latent_dist
            latents = posterior.mean
            scale = latents.detach().float().std() * LATENT_NOISE
            noise = torch.randn(latents.shape, generator=generator).to(latents.device)
            restored = self.module.decode(latents + scale * noise).sample.float()
        moments = posterior.mean, posterior.logvar
        loss, mse = vae_loss(restored, pictures, *moments, kl_weight=KL_WEIGHT)
        return loss, {"mse": float(mse.detach())}

    def _pictures(self, step: int, generator: torch.Generator) -> torch.Tensor:
        whole = step % 4 == 0
        count = self.batch if whole else 4 * self.batch
        first = step // 4 * 13 * self.batch + (0 if whole else (4 * (step % 4) - 3) * self.batch)
        scenes = [scene for scene, _ in self.scenes.batch(first, count)]
        pictures, _ = self.world.render(scenes)
        if not whole:
            corners = torch.randint(-2, 3, (count, 2), generator=generator).tolist()
            pictures = torch.stack(
                [
                    _crop(p, s.items[0], *c)
                    for p, s, c in zip(pictures, scenes, corners, strict=True)
                ]
            )
        return pictures.contiguous(memory_format=torch.channels_last)

    def validate(self) -> tuple[dict[str, float], Image.Image | None]:
        """Return PSNR and latent statistics over 32 held-out scenes."""
        pictures, _ = self.world.render([scene for scene, _ in self.held_out])
        latents = self.module.encode(pictures).latent_dist.mean
        restored = self.module.decode(latents).sample
        both = torch.stack((pictures[:16], restored[:16]), 1).flatten(0, 1)
        figures = {"psnr": float(psnr(pictures, restored).mean()), "std": float(latents.std())}
        return figures, grid(both, 8)


def _crop(picture: torch.Tensor, item: Item, dx: int, dy: int) -> torch.Tensor:
    """Return 64 x 64 pixels around an item, shifted by whole cells and kept inside."""
    _, size, x, y, *_ = item
    left, top = (
        min(max((corner + size // 2 - CROP // 2) // 8 * 8 + 8 * shift, 0), 128 - CROP)
        for corner, shift in ((x, dx), (y, dy))
    )
    return picture[:, top : top + CROP, left : left + CROP]
