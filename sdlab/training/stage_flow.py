"""Stage 6: a small Stable Diffusion 3, a joint transformer that predicts the velocity of a flow.

x_t = (1 - t) x0 + t eps, and the network predicts eps - x0 (Esser et al. 2024, arXiv 2403.03206).
Times are logit-normal and shifted by 2, as the sampler's are; one caption in ten is empty, for
guidance. It reads what diffusers' pipeline will feed it (``flow_text``). No loss touches the
attention: its maps are found, not taught. A narrow second text tower learns beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel
from PIL import Image
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from sdlab.embedded.pictures import grid
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.reference.losses import drop_captions, flow_loss, stratified
from sdlab.training.counted_attention import CountedJointAttention, count_bias
from sdlab.training.flow_text import T5_TOKENS, Read, counts, joined, read, shortened
from sdlab.training.latent_scenes import Block, make_block
from sdlab.training.nets import make_flow_scheduler
from sdlab.training.optimizer import MuonAdamW
from sdlab.training.vocabulary import Vocabulary

EMPTY_SHARE = 0.1
SHIFT = 2.0
PASSES = 4
PLAIN = ("embed", "proj_out", "norm1", "norm_out", "text_2")
"""What AdamW trains: everything but the blocks' own matrices."""
KINDS = (
    ("single", 0.38),
    ("coloured", 0.27),
    ("pair", 0.29),
    ("count", 0.03),
    ("triple", 0.03),
)


def flow_times(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return times float32 [B], ascending: s t / (1 + (s - 1) t) of a logit-normal t, s = 2."""
    shares = stratified(count, generator).clamp(1e-4, 1 - 1e-4)
    t: torch.Tensor = torch.special.ndtri(shares).sigmoid()
    return SHIFT * t / (1 + (SHIFT - 1) * t)


@dataclass(frozen=True)
class FlowSettings:
    """How the transformer is trained.

    Attributes:
        seed: Of the scenes and of their order.
        objects: What the scenes show.
        batch: Samples a step.
        muon_lr: Step size of the matrices.
        block: Scenes that are made at once.
        compiled: Whether to fuse the transformer's operations, by torch.compile.
    """

    seed: int
    objects: tuple[str, ...]
    batch: int = 64
    muon_lr: float = 0.02
    block: int = 2048
    compiled: bool = False


class FlowModel(nn.Module):
    """What is trained: the transformer and the narrow tower."""

    def __init__(
        self, transformer: SD3Transformer2DModel, text_2: CLIPTextModelWithProjection
    ) -> None:
        super().__init__()
        self.transformer, self.text_2 = transformer, text_2


class FlowStage:
    """Trains the transformer and the second tower with the VAE and the first tower frozen."""

    name = "flow"

    def __init__(
        self,
        model: FlowModel,
        vae: AutoencoderKL,
        text: CLIPTextModel,
        vocabulary: Vocabulary,
        world: World,
        settings: FlowSettings,
    ) -> None:
        """Take the networks to train and their frozen neighbours."""
        self.world, self.vocabulary, self.settings = world, vocabulary, settings
        self.batch = settings.batch
        self.steps_per_block = PASSES * settings.block // settings.batch
        self.vae = vae.to(world.device).eval().requires_grad_(False)
        self.text = text.to(world.device).eval().requires_grad_(False)
        self.module = model.to(world.device)
        self.module.transformer.set_attn_processor(CountedJointAttention())
        if settings.compiled:
            self.module.transformer.compile(dynamic=False)
        self.optimizer = MuonAdamW(
            self.module.named_parameters(),
            muon_lr=settings.muon_lr,
            adam_lr=settings.muon_lr / 20,
            plain=PLAIN,
        )
        self.scenes = SceneSampler(settings.seed, settings.objects, kinds=KINDS)
        unseen = SceneSampler(0, settings.objects, split="test")
        self.held_out = make_block(unseen, 0, min(256, settings.block), world, vae, vocabulary)
        self.empty = self.first(vocabulary.empty[None].to(world.device))
        self._block: tuple[int, Block, Read] | None = None

    def first(self, ids: torch.Tensor) -> Read:
        """Return what the frozen tower says of captions, whole."""
        parts = []
        with torch.no_grad(), torch.autocast(self.world.device.type, torch.bfloat16):
            for some in ids.split(128):
                hidden, pooled = read(self.text, some)
                parts.append((hidden.float(), pooled.float()))
        return Read(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def block_at(self, step: int) -> tuple[Block, Read, torch.Tensor]:
        """Return the block that step ``step`` reads, its captions read, and the batch's rows."""
        size = self.settings.block
        steps_per_pass = size // self.batch
        number, inside = divmod(step, PASSES * steps_per_pass)
        if self._block is None or self._block[0] != number:
            arguments = (self.world, self.vae, self.vocabulary)
            block = make_block(self.scenes, number * size, size, *arguments)
            hidden, pooled = self.first(block.ids)
            self._block = number, block, Read(shortened(hidden), pooled)
        order = torch.Generator().manual_seed(self.settings.seed + 7919 * (step // steps_per_pass))
        first = inside % steps_per_pass * self.batch
        rows = torch.randperm(size, generator=order)[first : first + self.batch]
        return *self._block[1:], rows.to(self.world.device)

    def loss(self, step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss of one batch."""
        block, said, rows = self.block_at(step)
        x0, device = block.latents[rows], self.world.device
        times = flow_times(len(rows), generator).to(device)
        noise = torch.randn(x0.shape, generator=generator).to(device)
        captions = block.ids[rows], self.vocabulary.empty
        ids, empty = drop_captions(*captions, EMPTY_SHARE, generator)
        nothing = Read(shortened(self.empty.hidden), self.empty.pooled)
        first = Read(
            torch.where(empty[:, None, None], nothing.hidden, said.hidden[rows]),
            torch.where(empty[:, None], nothing.pooled, said.pooled[rows]),
        )
        with torch.autocast(device.type, torch.bfloat16):
            hidden, pooled = read(self.module.text_2, ids)
        hidden, pooled = joined(first, Read(shortened(hidden.float()), pooled.float()), 1)
        zeros = T5_TOKENS[int(torch.randint(len(T5_TOKENS), (), generator=generator))]
        bias = count_bias(self._picture_tokens(x0), counts(zeros)).to(device)
        predict = partial(self.velocity, hidden=hidden, pooled=pooled, bias=bias)
        return flow_loss(predict, x0, noise, times), {}

    def _picture_tokens(self, latents: torch.Tensor) -> int:
        patch: int = self.module.transformer.config.patch_size
        return latents.shape[-1] * latents.shape[-2] // patch**2

    def velocity(
        self,
        x: torch.Tensor,
        times: torch.Tensor,
        hidden: torch.Tensor,
        pooled: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the predicted velocity, like ``x`` [B, 4, 16, 16]; ``times`` [B] in 0 ... 1."""
        with torch.autocast(x.device.type, torch.bfloat16):
            predicted: torch.Tensor = self.module.transformer(
                hidden_states=x,
                timestep=1000 * times,
                encoder_hidden_states=hidden,
                pooled_projections=pooled,
                joint_attention_kwargs=None if bias is None else {"attention_mask": bias},
            ).sample
        return predicted.float()

    @torch.no_grad()
    def conditions(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens [B, 109, 136] and pooled [B, 136], as the pipeline feeds them."""
        return joined(self.first(ids), read(self.module.text_2, ids), T5_TOKENS[0])

    def validate(self) -> tuple[dict[str, float], Image.Image | None]:
        """Return held-out losses at some times, the caption gap at 0.8, and a grid."""
        generator = torch.Generator().manual_seed(11)
        noise = torch.randn(self.held_out.latents.shape, generator=generator).to(self.world.device)
        figures = {f"t{t}": self._error_at(t, noise, 0) for t in (0.2, 0.5, 0.8)}
        figures["gap"] = self._error_at(0.8, noise, 1) - figures["t0.8"]
        count = min(16, len(self.held_out.ids) // 4)
        prompts = SceneSampler(5, self.scenes.objects, split="test").batch(0, count)
        ids = torch.stack([self.vocabulary.encode(words)[0] for _, words in prompts])
        latents = self.sample(ids.to(self.world.device), range(count))
        with torch.autocast(self.world.device.type, torch.bfloat16):
            pictures = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        return figures, grid(pictures, 8)

    @torch.no_grad()
    def _error_at(self, time: float, noise: torch.Tensor, shuffle: int) -> float:
        """Return the held-out error at one time; ``shuffle`` rolls the captions."""
        total, ids = 0.0, self.held_out.ids.roll(shuffle, 0)
        for part in torch.arange(len(ids)).split(64):
            hidden, pooled = self.conditions(ids[part])
            predict = partial(self.velocity, hidden=hidden, pooled=pooled)
            times = torch.full((len(part),), time, device=self.world.device)
            x0 = self.held_out.latents[part]
            total += len(part) * float(flow_loss(predict, x0, noise[part], times))
        return total / len(ids)

    @torch.no_grad()
    def sample(
        self, ids: torch.Tensor, seeds: range, steps: int = 25, guidance_scale: float = 4.0
    ) -> torch.Tensor:
        """Return latents [B, 4, 16, 16] of Euler's method with guidance, one seed a picture."""
        scheduler = make_flow_scheduler()
        scheduler.set_timesteps(steps)
        x = torch.cat(
            [torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(s)) for s in seeds]
        ).to(ids.device)
        empty = self.vocabulary.empty.to(ids.device).expand_as(ids)
        text = self.conditions(torch.cat((empty, ids)))
        for timestep in scheduler.timesteps:
            times = (timestep / 1000).to(x.device).expand(2 * len(x))
            uncond, cond = self.velocity(torch.cat((x, x)), times, *text).chunk(2)
            x = scheduler.step(uncond + guidance_scale * (cond - uncond), timestep, x).prev_sample
        return x
