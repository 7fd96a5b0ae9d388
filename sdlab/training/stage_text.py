"""Stage 2: a small CLIP. The text encoder that is shipped is its text tower.

Two losses. The contrastive one of CLIP (Radford et al. 2021, arXiv 2103.00020): each caption must
find its picture in the batch and the other way round. And a plain reading test: from the end
token (and the padding after it) all facts of the caption must be read off by one linear map, from
an object's own token the facts about that object. The second keeps every word's meaning at its
own token, where the U-Net's cross-attention looks for it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from transformers import CLIPTextModel

from sdlab.embedded.captions import Scene, Word
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.training.facts import FactTable, scene_facts, slot_facts
from sdlab.training.nets import WIDTH
from sdlab.training.optimizer import MuonAdamW
from sdlab.training.vocabulary import Vocabulary

TOKENS = 32
"""Tokens read in training; the longest caption has 22. Later positions are set in `finish`."""


class ImageTower(nn.Module):
    """A small convolutional network: pictures [B, 3, 128, 128] -> embeddings [B, 128]."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 96, 128)
        layers: list[nn.Module] = [nn.AvgPool2d(2)]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] * 16, WIDTH)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return embeddings that still know where things are."""
        embeddings: torch.Tensor = self.head(self.body(pictures).flatten(1))
        return embeddings


class SmallClip(nn.Module):
    """Text tower, image tower, projection, temperature, and the reading test's linear map."""

    def __init__(self, text: CLIPTextModel, facts: int) -> None:
        super().__init__()
        self.text, self.image = text, ImageTower()
        self.text_head = nn.Linear(WIDTH, WIDTH, bias=False)
        self.fact_head = nn.Linear(WIDTH, facts)
        self.embed_scale = nn.Parameter(torch.tensor(2.5))


class TextStage:
    """Trains a SmallClip on freshly rendered scenes."""

    name = "text"

    def __init__(
        self,
        text: CLIPTextModel,
        vocabulary: Vocabulary,
        world: World,
        *,
        seed: int,
        objects: tuple[str, ...],
        batch: int = 160,
        muon_lr: float = 0.01,
    ) -> None:
        """Take the text encoder to train, with its compact vocabulary."""
        self.vocabulary, self.world, self.batch = vocabulary, world, batch
        self.facts = FactTable(objects)
        torch.manual_seed(seed)
        self.module = SmallClip(text, len(self.facts.names)).to(world.device)
        self.optimizer = MuonAdamW(self.module.named_parameters(), muon_lr=muon_lr, adam_lr=2e-3)
        self.scenes = SceneSampler(seed, objects)
        self.held_out = SceneSampler(0, objects, split="test").batch(0, 256)

    def loss(self, step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        """Return contrastive plus reading loss of one batch."""
        samples = self.scenes.batch(step * self.batch, self.batch)
        contrast, reading, _ = self._losses(samples)
        figures = {"contrast": float(contrast.detach()), "reading": float(reading.detach())}
        return contrast + 20 * reading, figures

    def _losses(
        self, samples: list[tuple[Scene, list[Word]]]
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, float]]:
        device = self.world.device
        pictures, _ = self.world.render([scene for scene, _ in samples])
        encoded = [self.vocabulary.encode(words) for _, words in samples]
        ids = torch.stack([row for row, _ in encoded])[:, :TOKENS].to(device)
        with torch.autocast(device.type, torch.bfloat16):
            hidden = self.module.text(input_ids=ids).last_hidden_state
            ends = (ids == len(self.vocabulary) - 1).int().argmax(1)
            at_end = hidden[torch.arange(len(ids), device=device), ends]
            text = F.normalize(self.module.text_head(at_end).float(), dim=-1)
            image = F.normalize(self.module.image(pictures).float(), dim=-1)
            facts = self.module.fact_head(hidden).float()
        logits = text @ image.T * self.module.embed_scale.exp().clamp(max=100)
        truth = torch.arange(len(ids), device=device)
        contrast = (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T, truth)) / 2
        target, weight = (part.to(device) for part in self._targets(samples, encoded))
        wrong = F.binary_cross_entropy_with_logits(facts, target, reduction="none").mean(-1)
        reading = (wrong * weight).sum() / weight.sum()
        exact = ((facts > 0) == (target > 0.5)).all(-1)
        figures = {
            "retrieved": float((logits.argmax(1) == truth).float().mean()),
            "read": float(exact[truth, ends].float().mean()),
        }
        return contrast, reading, figures

    def _targets(
        self,
        samples: list[tuple[Scene, list[Word]]],
        encoded: list[tuple[torch.Tensor, list[tuple[int, ...]]]],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return facts [B, 32, F] to be read at each token, and weights [B, 32]."""
        target = torch.zeros(len(samples), TOKENS, len(self.facts.names))
        weight = torch.zeros(len(samples), TOKENS)
        for row, ((scene, words), (ids, places)) in enumerate(zip(samples, encoded, strict=True)):
            end = int((ids == len(self.vocabulary) - 1).int().argmax())
            target[row, end:] = self.facts.row(scene_facts(scene, words))
            weight[row, end] = 1
            weight[row, end + 1 :] = 0.1
            for word, positions in zip(words, places, strict=True):
                if len(word.slots) == 1 and word.slots[0] >= 0:
                    place = positions[-1]
                    if word.text == scene.items[word.slots[0]].name:
                        target[row, place] = self.facts.row(slot_facts(scene, word.slots[0]))
                        weight[row, place] = 0.5
        return target, weight

    def validate(self) -> tuple[dict[str, float], Image.Image | None]:
        """Return held-out losses, captions read without a mistake, pictures found among 256."""
        contrast, reading, figures = self._losses(self.held_out)
        return {"contrast": float(contrast), "reading": float(reading), **figures}, None

    def finish(self) -> CLIPTextModel:
        """Return the text encoder; positions never trained take the last trained one's row."""
        table = self.module.text.embeddings.position_embedding.weight
        with torch.no_grad():
            table[TOKENS:] = table[TOKENS - 1]
        return self.module.text
