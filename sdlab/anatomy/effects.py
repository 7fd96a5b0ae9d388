"""What each part of a network does to a picture: every part off, in turn.

Of a U-Net every skip and every attention, of a transformer every block, attention and MLP. The time
embedding reaches all blocks; what it does is seen by telling the network one timestep throughout.

With each part off the same noise is drawn again, for several seeds. How far latents and pixels then
are from the plain run's says how much the part matters; on the embedded model the world's checker
says for what: whether the objects of the prompt are still there (a part that places them), where
(how far their centres moved) and in which colour (a part that colours them).
"""

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from sdlab.anatomy.blocks import blocks_of
from sdlab.anatomy.calls import first_call
from sdlab.anatomy.naming import in_words, streams_by_block
from sdlab.anatomy.network_map import WHOLE
from sdlab.anatomy.watching import timing
from sdlab.attention.layers import is_unet
from sdlab.causes.change import Change
from sdlab.causes.counterfactuals import Counterfactuals, counterfactuals
from sdlab.causes.parts import attention_blocks, attentions, joint_blocks, up_blocks
from sdlab.causes.switch import Switch
from sdlab.causes.switches import AttentionScaled, SkipScaled, TimestepHeld
from sdlab.causes.transformer_blocks import mlps_of, transformer_blocks
from sdlab.causes.transformer_switches import BlockSkipped, MlpScaled
from sdlab.errors import ModelError, unknown
from sdlab.experiment.experiment import Experiment
from sdlab.intervals import half_width
from sdlab.shipped import SHIPPED
from sdlab.work import Work, one_of

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn

    from sdlab.embedded.checker import Found
    from sdlab.models.model import Model

PARTS = {
    "time": "time embedding",
    "skip": "skip",
    "block": "whole block",
    "joint": "joint attention",
    "self": "self-attention",
    "cross": "cross-attention",
    "mlp": "MLP",
}
"""What of a block can be off, in words."""
HELD = 500.0
"""The timestep that the network is told throughout where it is not to know the time."""
TIMED = 5
"""Calls of the network of which the time is the median."""
MEASURES = {
    "rms_pixels": "change of the picture (RMS, 0 to 255)",
    "rms_latents": "change of the latents (RMS)",
    "missing": "share of the objects that are gone",
    "moved": "how far the others' centres moved (share of the side)",
    "recoloured": "share of the others that have another colour",
    "background": "share of the pictures with another background",
    "time": "share of the network's time",
}
"""What is measured of each part; how objects change on the embedded model alone."""


class Part(NamedTuple):
    """Something of a network that can be off.

    Attributes:
        block: "up_blocks.1", "mid_block", "transformer_blocks.3", ...; of the time embedding "".
        part: A name of ``PARTS``.
        which: Of a skip its number in the block, in order of use; else None.
    """

    block: str
    part: str
    which: int | None = None

    @property
    def name(self) -> str:
        """What it is, in words."""
        number = "" if self.which is None else f" {self.which}"
        return f"{self.block} {PARTS[self.part]}{number}".strip()

    def off(self, first: int = 0, last: int | None = None) -> Change:
        """Return the change that switches it off during some evaluations."""
        when: dict[str, Any] = {"first": first, "last": last}
        return Change(self.name, switches=(self._switch(when),))

    def modules(self, network: "nn.Module") -> "list[nn.Module]":
        """Return what computes it; nothing of a skip, which is there without being computed."""
        if self.part == "skip":
            return []
        if self.part == "time":
            embedding = getattr(network, "time_embedding", None)
            return [] if embedding is None else [embedding]
        block = network.get_submodule(self.block)
        if self.part == "block":
            return [block]
        if self.part == "mlp":
            return list(mlps_of(self.block, block).values())
        return attentions(network, self.block, self._kind)

    @property
    def _kind(self) -> str:
        return "cross" if self.part == "joint" else self.part

    def _switch(self, when: dict[str, Any]) -> Switch:
        if self.part == "time":
            return TimestepHeld(HELD, **when)
        if self.part == "skip":
            return SkipScaled(self.block, 0.0, self.which, **when)
        if self.part == "block":
            return BlockSkipped(self.block, **when)
        if self.part == "mlp":
            return MlpScaled(self.block, 0.0, **when)
        return AttentionScaled(self.block, self._kind, 0.0, **when)


@dataclass(frozen=True)
class Effects:
    """What each part does.

    Attributes:
        table: One row a part: ``what``, ``block``, ``words`` for both, ``part`` in words, and of
            each of ``MEASURES`` the mean over the seeds; NaN where it is not known.
            ``rms_pixels_low`` and ``rms_pixels_high`` are its 95 % interval by Student's t, within
            0 and 255.
        seeds: Of the pictures.
        pictures: By part the picture of the first seed; "" is the plain one.
    """

    table: pd.DataFrame
    seeds: tuple[int, ...]
    pictures: "dict[str, Image.Image]"


def parts_of(model: "Model", kinds: Collection[str] = tuple(PARTS)) -> list[Part]:
    """Return the parts of a network that can be off, in order of computation.

    Args:
        model: Whose network.
        kinds: Names of ``PARTS``; what the network has nothing of is left out.

    Raises:
        ValueError: If a kind is another.
        ModelError: If it is a transformer without blocks that can be told.
    """
    for kind in kinds:
        if kind not in PARTS:
            raise ValueError(unknown("part", kind, list(PARTS)))
    network = model.network
    found = [Part("", "time")] if _can_be_off(model, Part("", "time")) else []
    found += _of_unet(network) if is_unet(network) else _of_transformer(model)
    return [part for part in found if part.part in kinds]


def _of_unet(network: Any) -> list[Part]:
    with_cross, with_self = attention_blocks(network, "cross"), attention_blocks(network, "self")
    skips = {name: len(network.get_submodule(name).resnets) for name in up_blocks(network)}
    found: list[Part] = []
    for block in dict.fromkeys([*with_self, *with_cross, *skips]):
        found += [Part(block, "skip", number) for number in range(skips.get(block, 0))]
        found += [Part(block, "self")] * (block in with_self)
        found += [Part(block, "cross")] * (block in with_cross)
    order = {name: at for at, name in enumerate(("down_blocks", "mid_block", "up_blocks"))}
    return sorted(found, key=lambda p: (order[p.block.split(".")[0]], p.block))


def _of_transformer(model: "Model") -> list[Part]:
    network = model.network
    with_cross, with_self = attention_blocks(network, "cross"), attention_blocks(network, "self")
    joint = joint_blocks(network)
    found: list[Part] = []
    for block in transformer_blocks(network):
        found.append(Part(block, "block"))
        found += [Part(block, "joint")] * (block in joint)
        found += [Part(block, "self")] * (block in with_self and block not in joint)
        found += [Part(block, "cross")] * (block in with_cross and block not in joint)
        found.append(Part(block, "mlp"))
    return [part for part in found if _can_be_off(model, part)]


def _can_be_off(model: "Model", part: Part) -> bool:
    """Return whether the block computes a part by itself: some compute it with others in one."""
    try:
        part.off().switches[0].check(model)
    except ModelError:
        return False
    return True


def effects(
    model: "Model",
    experiment: Experiment,
    seeds: Sequence[int],
    first: int = 0,
    last: int | None = None,
    kinds: Collection[str] = tuple(PARTS),
) -> Work[Effects]:
    """Switch every part off in turn and measure; yields after every network evaluation.

    Args:
        model: The loaded model.
        experiment: What to draw; its seed does not matter.
        seeds: Of the pictures, at least one.
        first: The first evaluation in which a part is off, from 0.
        last: The last one, included; None for all that follow.
        kinds: Names of ``PARTS``.

    Raises:
        ValueError: If there is no seed or part, or the experiment does not fit the model.
        ModelError: If no part of the network can be off.
    """
    if not seeds:
        raise ValueError("effects needs at least one seed.")
    parts = parts_of(model, kinds)
    if not parts:
        said = ", ".join(PARTS[kind] for kind in kinds) or "none was named"
        raise ValueError(f"The {type(model.network).__name__} has no such part to switch: {said}.")
    changes = [part.off(first, last) for part in parts]
    shares = _time_shares(model, experiment, parts)
    rows: list[dict[str, Any]] = []
    pictures: dict[str, Image.Image] = {}
    for number, seed in enumerate(seeds):
        work = counterfactuals(model, experiment.with_(seed=seed), changes)
        found = yield from one_of(work, number, len(seeds))
        if not number:
            names = ["", *(part.name for part in parts)]
            pictures = {n: o.image for n, o in zip(names, found.outcomes, strict=True)}
        rows += _measured(model, found, parts)
    table = _summary(pd.DataFrame(rows), parts, _words(model, parts)).assign(time=shares)
    return Effects(table, tuple(seeds), pictures)


def _words(model: "Model", parts: Sequence[Part]) -> list[str]:
    blocks, streams = list(blocks_of(model.network)), streams_by_block(model.network)

    def words(part: Part) -> str:
        if part.part == "time":
            return f"the true time (told {HELD:g} throughout)"
        number = "" if part.which is None else f" {part.which + 1}"
        return f"{in_words(part.block, blocks, streams)}, {PARTS[part.part]}{number}"

    return [words(part) for part in parts]


def _time_shares(model: "Model", experiment: Experiment, parts: Sequence[Part]) -> list[float]:
    """Return what share of a network call each part takes; NaN of what takes no time of its own."""
    own = {
        (part.name, number): module
        for part in parts
        for number, module in enumerate(part.modules(model.network))
    }
    named = {str(number): module for number, module in enumerate(own.values())}
    calls: list[dict[str, float]] = []
    with first_call(model, experiment.with_(guidance_scale=1.0)) as call:
        for _ in range(TIMED):
            with timing({**named, WHOLE: call.network}, model.device) as spent:
                call.make()
            calls.append(spent)
    taken = {name: 0.0 for name, _ in own}
    for (name, _), number in zip(own, named, strict=True):
        taken[name] += statistics.median(one.get(number, 0.0) / one[WHOLE] for one in calls)
    return [taken.get(part.name, float("nan")) for part in parts]


class Seen(NamedTuple):
    """What the world's checker sees of a picture without one part, against the plain one.

    Attributes:
        missing: Share of the prompt's objects in the plain picture that are gone; NaN if none was.
        moved: Mean distance of the others' centres, in shares of the side; NaN without any.
        recoloured: Share of the others with another colour; NaN without any.
        background: Whether the background is another.
    """

    missing: float
    moved: float
    recoloured: float
    background: float


def seen_change(plain: "Image.Image", other: "Image.Image", prompt: str) -> Seen:
    """Return what the checker sees of one picture against another.

    Of several objects of one name the surest is meant.

    Args:
        plain: A picture of the embedded world.
        other: The same without something.
        prompt: Names the objects.
    """
    from sdlab.embedded.checker import shipped
    from sdlab.embedded.claims import parse

    before, after = shipped().look([plain, other])
    names = dict.fromkeys(t.name for t in parse(prompt, shipped().objects).things)
    pairs = [(_named(before.objects, n), _named(after.objects, n)) for n in names]
    there = [(a, b) for a, b in pairs if a is not None]
    both = [(a, b) for a, b in there if b is not None]

    def share(values: list[float]) -> float:
        return sum(values) / len(values) if values else float("nan")

    return Seen(
        share([float(b is None) for _, b in there]),
        share([((a.x - b.x) ** 2 + (a.y - b.y) ** 2) ** 0.5 for a, b in both]),
        share([float(a.colour != b.colour) for a, b in both]),
        float(before.background != after.background),
    )


def _named(objects: "Sequence[Found]", name: str) -> "Found | None":
    return next((found for found in objects if found.name == name), None)


def _measured(model: "Model", found: Counterfactuals, parts: list[Part]) -> list[dict[str, Any]]:
    table = found.table().iloc[1:]
    rows = []
    for part, outcome, row in zip(parts, found.changed, table.to_dict("records"), strict=True):
        measured = {name: row[name] for name in ("rms_pixels", "rms_latents")}
        if model.name in SHIPPED:
            prompt = found.experiment.prompt
            measured |= seen_change(found.plain.image, outcome.image, prompt)._asdict()
        rows.append({"what": part.name, **measured})
    return rows


def _summary(rows: pd.DataFrame, parts: list[Part], words: list[str]) -> pd.DataFrame:
    """Return the means over the seeds, in the order of the parts."""
    means = rows.reindex(columns=["what", *MEASURES]).groupby("what", sort=False).mean()
    spans = {what: t_interval(list(own)) for what, own in rows.groupby("what")["rms_pixels"]}
    table = means.reset_index()
    table.insert(1, "block", [part.block for part in parts])
    table.insert(2, "words", words)
    table.insert(3, "part", [PARTS[part.part] for part in parts])
    table["rms_pixels_low"] = [max(0.0, spans[what][0]) for what in table["what"]]
    table["rms_pixels_high"] = [min(255.0, spans[what][1]) for what in table["what"]]
    return table


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a mean by Student's t; of one value that value itself."""
    middle = statistics.fmean(values)
    half = half_width(values) if len(values) > 1 else 0.0
    return middle - half, middle + half
