"""Stage 5: the checker, trained on rendered scenes of every combination, roughened.

Half of the pictures are blurred, made noisy or shifted in colour, and some pass through the VAE
with disturbed latents, so that the checker judges what a picture shows and not how clean it is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image

from sdlab.embedded.captions import Scene, Word
from sdlab.embedded.catalogue import BACKGROUNDS, SIZES
from sdlab.embedded.checker import COLOURS, GRID, Checker, judge
from sdlab.embedded.claims import parse
from sdlab.embedded.pictures import grid
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.training.optimizer import MuonAdamW

DISTURBED = 8
"""Pictures of each batch that pass through the VAE."""


class CheckerStage:
    """Trains a Checker; the VAE is frozen."""

    name = "checker"

    def __init__(
        self,
        checker: Checker,
        vae: AutoencoderKL,
        world: World,
        *,
        seed: int,
        batch: int = 48,
        muon_lr: float = 0.02,
    ) -> None:
        """Take the network to train."""
        self.world, self.batch = world, batch
        self.vae = vae.to(world.device).eval().requires_grad_(False)
        self.module = checker.to(world.device)
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = MuonAdamW(checker.named_parameters(), muon_lr=muon_lr, adam_lr=2e-3)
        self.samplers = [SceneSampler(seed, checker.objects, split=s) for s in ("train", "test")]
        self.held_out = SceneSampler(0, checker.objects, split="test").batch(50_000, 256)

    def loss(self, step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the sum of the five cross-entropies of one batch."""
        samples = [
            self.samplers[number % 4 == 0](number)
            for number in range(step * self.batch, (step + 1) * self.batch)
        ]
        scenes = [scene for scene, _ in samples]
        pictures, _ = self.world.render(scenes)
        pictures = self._roughen(pictures, generator)
        with torch.autocast(self.world.device.type, torch.bfloat16):
            answers = self.module(pictures.contiguous(memory_format=torch.channels_last))
        centre, labels, background = (t.to(self.world.device) for t in self._truth(scenes))
        weight = torch.tensor(20.0, device=self.world.device)
        parts = [
            10 * F.binary_cross_entropy_with_logits(answers.centre, centre, pos_weight=weight),
            *(
                F.cross_entropy(logits, label, ignore_index=-1)
                for logits, label in zip(answers[1:4], labels.unbind(1), strict=True)
            ),
            F.cross_entropy(answers.background, background),
        ]
        names = ("centre", "name", "colour", "size", "background")
        return sum(parts[1:], parts[0]), dict(
            zip(names, (float(p.detach()) for p in parts), strict=True)
        )

    def _truth(self, scenes: list[Scene]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return centres [B, 1, 16, 16], labels [B, 3, 16, 16] (-1: none), backgrounds [B]."""
        centre = torch.zeros(len(scenes), 1, GRID, GRID)
        labels = torch.full((len(scenes), 3, GRID, GRID), -1)
        words = {side: number for number, side in enumerate(SIZES.values())}
        for b, scene in enumerate(scenes):
            for item in scene.items:
                row, column = ((c + item.size // 2) // 8 for c in (item.y, item.x))
                centre[b, 0, row, column] = 1
                facts = (
                    self.module.objects.index(item.name),
                    COLOURS.index(item.tint or "natural"),
                    words[item.size],
                )
                around = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
                labels[b, :, *around] = torch.tensor(facts)[:, None, None]
        backgrounds = torch.tensor([BACKGROUNDS.index(scene.background) for scene in scenes])
        return centre, labels, backgrounds

    def _roughen(self, pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return pictures [B, 3, 128, 128], most of them disturbed in one way or another."""
        device, count = pictures.device, len(pictures)
        few = pictures[:DISTURBED]
        latents = self.vae.encode(few).latent_dist.mean
        depth = torch.rand((len(few), 1, 1, 1), generator=generator).to(device) * latents.std()
        noise = torch.randn(latents.shape, generator=generator).to(device)
        restored = self.vae.decode(latents + 0.6 * depth * noise).sample
        third = (count - DISTURBED) // 3
        blurred, plain = pictures[DISTURBED : DISTURBED + third], pictures[DISTURBED + third :]
        blurred = F.avg_pool2d(blurred, 5, 1, 2, count_include_pad=False)
        mixed = torch.cat((restored, blurred, plain))
        amount = torch.rand((count, 1, 1, 1), generator=generator) * 0.15
        mixed = mixed + (amount * torch.randn(mixed.shape, generator=generator)).to(device)
        shift = (torch.rand((count, 3, 1, 1), generator=generator) - 0.5) * 0.1
        return (mixed + shift.to(device)).clamp(-1, 1)

    def validate(self) -> tuple[dict[str, float], Image.Image | None]:
        """Return how often each kind of statement is judged right on 256 held-out scenes."""
        pictures, _ = self.world.render([scene for scene, _ in self.held_out])
        return accuracy(self.module, pictures, self.held_out), grid(pictures[:16], 8)


def accuracy(
    checker: Checker, pictures: torch.Tensor, samples: list[tuple[Scene, list[Word]]]
) -> dict[str, float]:
    """Return shares, 0 to 1: scenes read without a mistake, captions fulfilled, backgrounds.

    Args:
        checker: The checker to examine.
        pictures: Rendered scenes in -1..1, shape [B, 3, 128, 128].
        samples: The B scenes with their captions.
    """
    from sdlab.embedded.captions import text_of

    seen = checker.read(checker(pictures))
    exact = names = backgrounds = fulfilled = 0
    for sight, (scene, words) in zip(seen, samples, strict=True):
        truth = sorted((item.name, item.tint or "natural") for item in scene.items)
        exact += truth == sorted((found.name, found.colour) for found in sight.objects)
        names += sorted(i.name for i in scene.items) == sorted(f.name for f in sight.objects)
        backgrounds += sight.background == scene.background
        fulfilled += all(judge(sight, parse(text_of(words), checker.objects)).values())
    counts = {"exact": exact, "names": names, "background": backgrounds, "fulfilled": fulfilled}
    return {name: count / len(samples) for name, count in counts.items()}
