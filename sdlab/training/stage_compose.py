"""Stage 3: a text encoder that says a new combination as the sum of what it knows.

The stage before reads "red car" and "yellow heart" a thousand times and keeps a code of its own
for each; of "green car", never seen, it makes something that the U-Net takes for another colour.
So its layers are trained anew, towards where vector arithmetic puts each caption (Mikolov et al.
2013, arXiv 1301.3781): with two facts a and b of a scene exchanged for a' and b', the earlier
encoder's hidden states of

    (a', b) + (a, b') - (a', b').

All four captions are of the training split; no held-out combination is read. The four are alike in
length, since only words of the same kind are exchanged.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import torch
from PIL import Image
from transformers import CLIPTextModel

from sdlab.embedded.captions import Scene, describe
from sdlab.embedded.catalogue import GLYPHS, OPPOSITE, PLAIN, TINTS
from sdlab.embedded.scenes import SceneSampler, held_out
from sdlab.training.nets import make_text_encoder
from sdlab.training.optimizer import MuonAdamW
from sdlab.training.stage_text import TOKENS
from sdlab.training.vocabulary import Vocabulary

COLOUR_SHARE = 0.85
"""Of the scenes with a coloured object, so many exchange its name and its colour."""
TRIES = 12
_TINTABLE = {glyph.name for glyph in GLYPHS if glyph.tints}


class Fact(NamedTuple):
    """What is exchanged: "name" or "tint" of the object in a slot, or a scene's own field."""

    field: str
    slot: int | None = None

    def read(self, scene: Scene) -> str:
        """Return the scene's value."""
        holder = scene if self.slot is None else scene.items[self.slot]
        return str(getattr(holder, self.field))

    def write(self, scene: Scene, value: str) -> Scene:
        """Return the scene with another value; the objects of a count stay alike."""
        change: dict[str, Any] = {self.field: value}
        if self.slot is None:
            return scene._replace(**change)
        alike = range(len(scene.items)) if scene.kind == "count" else (self.slot,)
        return scene._replace(
            items=tuple(
                item._replace(**change) if slot in alike else item
                for slot, item in enumerate(scene.items)
            )
        )

    def others(self, scene: Scene, objects: tuple[str, ...]) -> list[str]:
        """Return the values that could stand here instead, in a caption of the same length."""
        now = self.read(scene)
        if self.field == "background":
            return [name for name in PLAIN if name != now]
        if self.field == "relation":
            return [OPPOSITE[now]]
        if self.field == "tint":
            return [name for name in TINTS if name != now]
        tinted = self.slot is not None and scene.items[self.slot].tint
        here = {item.name for item in scene.items}
        return [n for n in objects if n not in here and (not tinted or n in _TINTABLE)]


def facts_of(scene: Scene) -> tuple[list[Fact], list[int]]:
    """Return the facts that can be exchanged, and the slots of single coloured objects.

    The noun of a count stays: not every plural has one token.
    """
    if scene.kind == "count":
        tinted: list[int] = []
        facts = [Fact("tint", 0)] if scene.items[0].tint else []
    else:
        tinted = [slot for slot, item in enumerate(scene.items) if item.tint]
        facts = [Fact("name", slot) for slot in range(len(scene.items))]
        facts += [Fact("tint", slot) for slot in tinted]
    if scene.background in PLAIN:
        facts.append(Fact("background"))
    if scene.relation:
        facts.append(Fact("relation"))
    return facts, tinted


def exchanged(
    scene: Scene, objects: tuple[str, ...], rng: random.Random
) -> tuple[Scene, Scene, Scene] | None:
    """Return the scenes (a', b), (a, b') and (a', b') of a scene (a, b).

    Returns None where it has no two facts to exchange, or none whose four scenes are all of the
    training split is found in a dozen tries.
    """
    facts, tinted = facts_of(scene)
    if len(facts) < 2:
        return None
    for _ in range(TRIES):
        if tinted and rng.random() < COLOUR_SHARE:
            slot = rng.choice(tinted)
            first, second = Fact("name", slot), Fact("tint", slot)
        else:
            first, second = rng.sample(facts, 2)
        values = [fact.others(scene, objects) for fact in (first, second)]
        if not all(values):
            continue
        a, b = (rng.choice(others) for others in values)
        if a == b:
            continue  # two slots would hold the same object
        one = first.write(scene, a)
        found = one, second.write(scene, b), second.write(one, b)
        if not any(held_out(each) for each in found):
            return found
    return None


def with_new_layers(text: CLIPTextModel, seed: int) -> CLIPTextModel:
    """Return a text encoder with the embeddings and last norm of ``text``, the rest untrained."""
    torch.manual_seed(seed)
    made = make_text_encoder(text.config.vocab_size)
    kept = {n: t for n, t in text.state_dict().items() if "embedding" in n or "final_layer" in n}
    made.load_state_dict({**made.state_dict(), **kept})
    return made


class ComposeStage:
    """Trains a text encoder with new layers towards sums of an earlier one's hidden states."""

    name = "compose"

    def __init__(
        self,
        before: CLIPTextModel,
        vocabulary: Vocabulary,
        *,
        seed: int,
        objects: tuple[str, ...],
        batch: int = 96,
        device: torch.device | str = "cpu",
    ) -> None:
        """Take the earlier text encoder, with its compact vocabulary; keep its embeddings."""
        self.vocabulary, self.objects, self.batch = vocabulary, objects, batch
        self.seed, self.device = seed, torch.device(device)
        self.before = before.to(device).eval().requires_grad_(False)
        self.module = with_new_layers(before, seed).to(device)
        named = [(n, p) for n, p in self.module.named_parameters() if "embedding" not in n]
        self.optimizer = MuonAdamW(named, muon_lr=0.01, adam_lr=2e-3)
        self.scenes = SceneSampler(seed, objects)

    def loss(self, step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the mean squared distance of one batch to its targets."""
        quads = [
            quad
            for number in range(step * self.batch, (step + 1) * self.batch)
            if (quad := self._captions(number)) is not None
        ]
        ids = [
            torch.stack(column)[:, :TOKENS].to(self.device) for column in zip(*quads, strict=True)
        ]
        with torch.no_grad():
            h = self.before(input_ids=torch.cat(ids)).last_hidden_state.chunk(4)
        target = h[1] + h[2] - h[3]
        error = (self.module(input_ids=ids[0]).last_hidden_state - target).square().mean()
        return error, {"before": float((h[0] - target).square().mean())}

    def _captions(self, number: int) -> list[torch.Tensor] | None:
        """Return compact ids of the four captions of scene ``number``, each int64 [77]."""
        scene, _ = self.scenes(number)
        rng = random.Random(f"{self.seed}/compose/{number}")
        found = exchanged(scene, self.objects, rng)
        if found is None:
            return None
        wording = rng.random()
        captions = [describe(each, random.Random(wording)) for each in (scene, *found)]
        return [self.vocabulary.encode(words)[0] for words in captions]

    def validate(self) -> tuple[dict[str, float], Image.Image | None]:
        """Return the distance on scenes that no step has read."""
        far = 1_000_000 // self.batch
        error, figures = self.loss(far, torch.Generator())
        return {"error": float(error), **figures}, None
