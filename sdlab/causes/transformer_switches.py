"""What can be switched inside diffusers' transformers beside what every network has.

One switch serves all families: what it hooks is found by ``transformer_blocks`` from the modules
themselves. Where a family computes otherwise it is refused, with the reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlab.attention.layers import Layer
from sdlab.causes.masking import hiding, layers_with_text
from sdlab.causes.parts import within
from sdlab.causes.switch import Place, Switch, by_name
from sdlab.causes.transformer_blocks import (
    ALL,
    chosen_blocks,
    mlps_of,
    passed_by,
    time_argument,
)
from sdlab.errors import ModelError, unknown

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.attention.layouts import Places
    from sdlab.models.model import Model

STREAMS = ("picture", "text")


@dataclass(frozen=True)
class BlockSkipped(Switch):
    """A whole block left out: it gives what it is given, text and picture.

    Attributes:
        block: "transformer_blocks.3", ..., or "all".
    """

    block: str

    def check(self, model: "Model") -> None:
        """Raise if the network has no such block; see ``Switch.check``."""
        chosen_blocks(model.network, self.block)

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""

        def leave(block: Any, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
            return passed_by(block, args, kwargs, output) if place.on(self) else None

        for block in chosen_blocks(place.network, self.block).values():
            yield block.register_forward_hook(leave, with_kwargs=True)


@dataclass(frozen=True)
class MlpScaled(Switch):
    """The MLPs of a block multiplied, those of text and picture; 0 switches them off.

    Attributes:
        block: "transformer_blocks.3", ..., or "all".
        factor: What their output is multiplied by.
    """

    block: str
    factor: float = 0.0

    def check(self, model: "Model") -> None:
        """Raise if the network has no such block, or that no MLP; see ``Switch.check``."""
        for name, block in chosen_blocks(model.network, self.block).items():
            mlps_of(name, block)

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""

        def leave(_: Any, __: Any, output: Any) -> Any:
            return output * self.factor if place.on(self) else None

        for name, block in chosen_blocks(place.network, self.block).items():
            for mlp in mlps_of(name, block).values():
                yield mlp.register_forward_hook(leave)


@dataclass(frozen=True)
class ModulationOff(Switch):
    """The modulation (adaLN) of a block without what it is made of: the block is not told the time.

    The vector that tells it the time, in many families together with the text as a whole, is set
    to 0. What is left of scales, shifts and gates is their learned constant.

    Attributes:
        block: "transformer_blocks.3", ..., or "all".
    """

    block: str

    def check(self, model: "Model") -> None:
        """Raise if the network has no such block, or that no modulation; see ``Switch.check``."""
        for name, block in chosen_blocks(model.network, self.block).items():
            time_argument(name, block)

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""
        import torch

        def enter(block: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            if not place.on(self):
                return None
            given, name = by_name(block, args, kwargs), time_argument("", block)
            return (), {**given, name: torch.zeros_like(given[name])}

        for block in chosen_blocks(place.network, self.block).values():
            yield block.register_forward_pre_hook(enter, with_kwargs=True)


@dataclass(frozen=True)
class JointAttentionCut(Switch):
    """One direction of a joint attention hidden, such as what the picture reads of the text.

    The others' weights sum to 1 again.

    Attributes:
        block: "transformer_blocks.3", the beginning of a layer's name, or "all".
        reader: Who no longer looks: one of ``STREAMS``.
        read: At what.
    """

    block: str
    reader: str = "picture"
    read: str = "text"

    def check(self, model: "Model") -> None:
        """Raise if the network has no such attention; see ``Switch.check``."""
        for stream in (self.reader, self.read):
            if stream not in STREAMS:
                raise ValueError(unknown("stream", stream, STREAMS))
        self._layers(model.network)

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""

        def hide(seen: "Tensor", places: "Places") -> None:
            at = {"picture": places.queries, "text": places.keys}
            seen[:, :, at[self.reader], at[self.read]] = False

        names = [layer.name for layer in self._layers(place.network)]
        yield from hiding(place, self, names, hide)

    def _layers(self, network: Any) -> list[Layer]:
        joint = [layer for layer in layers_with_text(network) if layer.joint]
        if not joint:
            raise ModelError(
                f"In {type(network).__name__} text and picture share no attention: switch its"
                " cross-attention or its self-attention instead."
            )
        found = [one for one in joint if within(one.name, self.block)]
        if not found:
            names = [ALL, *(layer.name.rpartition(".")[0] for layer in joint)]
            raise ValueError(unknown("block with joint attention", self.block, names))
        return found


@dataclass(frozen=True)
class WordsHidden(Switch):
    """Positions of the prompt's text hidden in all attention of a transformer that reads the text.

    Attributes:
        positions: Of the text that the network is given, from 0.
    """

    positions: tuple[int, ...]

    def check(self, model: "Model") -> None:
        """Raise if no attention of the network reads the text; see ``Switch.check``."""
        if not self.positions or min(self.positions) < 0:
            raise ValueError(
                f"positions must be from 0 on, at least one, got {list(self.positions)}."
            )
        if not layers_with_text(model.network):
            raise ModelError(
                f"No attention of {type(model.network).__name__} is known to read the text."
            )

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""

        def hide(seen: "Tensor", places: "Places") -> None:
            words = places.keys
            if max(self.positions) >= words.stop - words.start:
                raise ValueError(
                    f"positions must be from 0 to {words.stop - words.start - 1}, got"
                    f" {list(self.positions)}."
                )
            columns = [words.start + one for one in self.positions]
            seen[place.with_prompt(len(seen)), :, :, columns] = False

        names = [layer.name for layer in layers_with_text(place.network)]
        yield from hiding(place, self, names, hide)
