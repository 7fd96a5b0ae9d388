"""The checker: a small detector of what a picture of the embedded world shows.

It reads a picture of 128 x 128 pixels on the grid of 16 x 16 cells: is this cell the centre of an
object, of which one, in which colour, in which size; and over the whole picture, which
background. A caption's score is the share of its statements that the picture fulfils.

    seen = Checker.load().look([image])[0]
    score(image, "a red car to the left of a cat at night")
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from sdlab.embedded.catalogue import BACKGROUNDS, OPPOSITE, SIZES, TINTS
from sdlab.embedded.claims import Claims, Thing, parse
from sdlab.shipped import FOLDER

FILE = FOLDER / "checker.safetensors"
GRID = 16
COLOURS = ("natural", *TINTS)


class Found(NamedTuple):
    """One object found: its name, colour ("natural" if not painted), size word, centre in 0..1."""

    name: str
    colour: str
    size: str
    x: float
    y: float


class Seen(NamedTuple):
    """What one picture shows: its objects, the surest first, and its background."""

    objects: tuple[Found, ...]
    background: str

    def relation(self, first: Thing, second: Thing) -> str | None:
        """Return how the first thing lies to the second: "left", "right", "above" or "below".

        Of several objects of a name, the surest in the thing's colour is meant, and the surest
        where none has it (whether the colour is right is another question). None if one of the
        two is not there.
        """
        pairs = [
            (a, b)
            for a in self.objects
            for b in self.objects
            if a is not b and (a.name, b.name) == (first.name, second.name)
        ]
        if not pairs:
            return None
        a, b = max(pairs, key=lambda pair: _in_colour(pair[0], first) + _in_colour(pair[1], second))
        dx, dy = a.x - b.x, a.y - b.y
        if abs(dx) >= abs(dy):
            return "left" if dx < 0 else "right"
        return "above" if dy < 0 else "below"


def _in_colour(found: Found, thing: Thing) -> bool:
    return thing.colour is None or found.colour == thing.colour


class Answers(NamedTuple):
    """The checker's raw logits for B pictures.

    Attributes:
        centre: [B, 1, 16, 16]; above 0 where an object's centre is.
        name: [B, objects, 16, 16].
        colour: [B, 7, 16, 16].
        size: [B, 3, 16, 16].
        background: [B, 16].
    """

    centre: torch.Tensor
    name: torch.Tensor
    colour: torch.Tensor
    size: torch.Tensor
    background: torch.Tensor


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside the identity."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        return F.silu(x + self.body(x))


class Checker(nn.Module):
    """Pictures in -1..1, shape [B, 3, 128, 128] -> Answers."""

    def __init__(self, objects: Sequence[str], width: int = 96) -> None:
        """Make a fresh network for these objects."""
        super().__init__()
        self.objects = tuple(objects)
        self.parts = (1, len(self.objects), len(COLOURS), len(SIZES))
        self.body = nn.Sequential(
            nn.Conv2d(3, 24, 5, 2, 2),
            nn.GroupNorm(4, 24),
            nn.SiLU(),
            nn.Conv2d(24, 48, 3, 2, 1),
            nn.GroupNorm(8, 48),
            nn.SiLU(),
            nn.Conv2d(48, width, 3, 2, 1),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            Residual(width, 1),
            Residual(width, 2),
            Residual(width, 1),
        )
        self.head = nn.Conv2d(width, sum(self.parts), 1)
        self.background_head = nn.Linear(2 * width, len(BACKGROUNDS))

    def forward(self, pictures: torch.Tensor) -> Answers:
        """Return logits for every cell and for the background."""
        features = self.body(pictures)
        cells = self.head(features).float().split(self.parts, 1)
        flat = features.flatten(2).float()
        pooled = torch.cat((flat.mean(-1), flat.amax(-1)), 1)
        centre, name, colour, size = cells
        return Answers(centre, name, colour, size, self.background_head(pooled).float())

    @torch.no_grad()
    def look(self, images: Sequence[Image.Image]) -> list[Seen]:
        """Return what each picture shows; pictures of another size are resized to 128 x 128."""
        pixels = [np.asarray(i.convert("RGB").resize((128, 128)), np.float32) for i in images]
        device = next(self.parameters()).device
        pictures = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 127.5 - 1
        return self.read(self(pictures.to(device)))

    def read(self, answers: Answers) -> list[Seen]:
        """Return the objects at the peaks of the centre map, strongest first."""
        centre = answers.centre
        peak = (centre > 0) & (centre == F.max_pool2d(centre, 3, 1, 1))
        seen = []
        for b in range(len(centre)):
            cells = peak[b, 0].nonzero().tolist()
            cells.sort(key=lambda cell: -centre[b, 0, cell[0], cell[1]].item())
            found = tuple(
                Found(
                    self.objects[int(answers.name[b, :, row, column].argmax())],
                    COLOURS[int(answers.colour[b, :, row, column].argmax())],
                    tuple(SIZES)[int(answers.size[b, :, row, column].argmax())],
                    (column + 0.5) / GRID,
                    (row + 0.5) / GRID,
                )
                for row, column in cells
            )
            seen.append(Seen(found, BACKGROUNDS[int(answers.background[b].argmax())]))
        return seen

    def save(self, file: Path) -> None:
        """Write fp16 safetensors with the objects' names in its metadata."""
        tensors = {n: t.detach().half().contiguous() for n, t in self.state_dict().items()}
        save_file(tensors, file, metadata={"objects": ",".join(self.objects)})

    @classmethod
    def load(cls, file: Path = FILE) -> Checker:
        """Return the checker in ``file`` (default: the shipped one), in float32."""
        with safe_open(file, framework="pt") as stream:
            checker = cls(stream.metadata()["objects"].split(","))
            names = stream.keys()
            checker.load_state_dict({name: stream.get_tensor(name).float() for name in names})
        return checker.eval()


def judge(seen: Seen, claims: Claims) -> dict[str, bool]:
    """Return each statement of a caption and whether the picture fulfils it.

    Statements: "cat" (that many of it are there), "red car", "small sun", "cat left of dog", "on
    beach". A colour, size or relation counts only for an object that is there; a relation says
    where the two are, not that their colours are right.
    """
    verdict: dict[str, bool] = {}
    for thing in claims.things:
        here = [found for found in seen.objects if found.name == thing.name]
        label = thing.name if thing.number == 1 else f"{thing.number} {thing.name}"
        verdict[label] = len(here) == thing.number if thing.number > 1 else bool(here)
        if thing.colour:
            verdict[f"{thing.colour} {thing.name}"] = any(f.colour == thing.colour for f in here)
        if thing.size:
            verdict[f"{thing.size} {thing.name}"] = any(f.size == thing.size for f in here)
    if claims.relation:
        first, second = claims.things[:2]
        wanted = {claims.relation}
        if first == second:  # nothing tells them apart
            wanted.add(OPPOSITE[claims.relation])
        label = f"{first.name} {claims.relation} {second.name}"
        verdict[label] = seen.relation(first, second) in wanted
    if claims.background:
        verdict[f"on {claims.background}"] = seen.background == claims.background
    return verdict


@functools.cache
def shipped() -> Checker:
    """Return the shipped checker, loaded once."""
    return Checker.load()


def score(image: Image.Image, caption: str) -> float | None:
    """Return the share of the caption's statements that the picture fulfils, 0 to 1.

    None when the caption states nothing that the checker knows.
    """
    verdict = judge(shipped().look([image])[0], parse(caption, shipped().objects))
    return sum(verdict.values()) / len(verdict) if verdict else None
