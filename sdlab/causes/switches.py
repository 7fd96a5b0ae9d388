"""What can be switched inside any denoising network, and in U-Nets alone.

Those of transformers alone are in ``sdlab.causes.transformer_switches``.
"""

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlab.attention.layers import is_unet
from sdlab.causes.parts import activations, attentions, blocks, chosen_up_blocks
from sdlab.causes.switch import Place, Switch
from sdlab.causes.transformer_blocks import (
    ALL,
    picture_of,
    transformer_blocks,
    width_of,
    with_picture,
)
from sdlab.errors import ModelError, unknown

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model

ACTIVATIONS = ("silu", "relu", "gelu", "mish", "tanh", "sigmoid", "identity")
"""What an activation can be replaced by."""


@dataclass(frozen=True)
class SkipScaled(Switch):
    """A skip connection of a U-Net's up block multiplied; 0 switches it off.

    Attributes:
        block: "up_blocks.0", ..., or "all".
        factor: What it is multiplied by.
        which: Its number in the block, in the order of use, from 0; None for all of the block.
    """

    block: str
    factor: float = 0.0
    which: int | None = None

    def check(self, model: "Model") -> None:
        """Raise if the network has no such skip connection; see ``Switch.check``."""
        for name in chosen_up_blocks(model.network, self.block):
            there = len(model.network.get_submodule(name).resnets)  # type: ignore[arg-type]
            if self.which is not None and not 0 <= self.which < there:
                raise ValueError(
                    f"which of {name} must be from 0 to {there - 1}, its skip connections, got"
                    f" {self.which}."
                )

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""

        def enter(_: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            if not place.on(self):
                return None
            skips = kwargs["res_hidden_states_tuple"]
            taken = range(len(skips)) if self.which is None else [len(skips) - 1 - self.which]
            scaled = tuple(x * self.factor if i in taken else x for i, x in enumerate(skips))
            return args, {**kwargs, "res_hidden_states_tuple": scaled}

        for name in chosen_up_blocks(place.network, self.block):
            module = place.network.get_submodule(name)
            yield module.register_forward_pre_hook(enter, with_kwargs=True)


@dataclass(frozen=True)
class AttentionScaled(Switch):
    """A block's attention multiplied; 0 switches it off, and the block's input passes beside it.

    Attributes:
        block: "mid_block", "up_blocks.1", ..., the beginning of a layer's name, or "all".
        kind: "cross", how the picture looks at the text, "self", or "any". In a joint transformer
            they are one: each word means that.
        factor: What its output is multiplied by.
    """

    block: str
    kind: str = "cross"
    factor: float = 0.0

    def check(self, model: "Model") -> None:
        """Raise if the network has no such attention; see ``Switch.check``."""
        attentions(model.network, self.block, self.kind)

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""

        def leave(_: Any, __: Any, output: Any) -> Any:
            if not place.on(self):
                return None
            if isinstance(output, tuple):
                return tuple(x if x is None else x * self.factor for x in output)
            return output * self.factor

        for module in attentions(place.network, self.block, self.kind):
            yield module.register_forward_hook(leave)


@dataclass(frozen=True)
class AttentionSwapped(Switch):
    """A block's cross-attention given another prompt; the other blocks read the run's own.

    Attributes:
        block: As of ``AttentionScaled``.
        prompt: What it reads in the place of the run's prompt.
    """

    block: str
    prompt: str = ""

    def check(self, model: "Model") -> None:
        """Raise if the network has no such attention; see ``Switch.check``."""
        _plain(model, "another prompt for one block")
        attentions(model.network, self.block, "cross")

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""
        other, _ = place.model.encode_prompt(self.prompt)

        def enter(_: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            if not place.on(self):
                return None
            text = kwargs["encoder_hidden_states"].clone()
            text[place.with_prompt(len(text))] = other.to(text)
            return args, {**kwargs, "encoder_hidden_states": text}

        for module in attentions(place.network, self.block, "cross"):
            yield module.register_forward_pre_hook(enter, with_kwargs=True)


@dataclass(frozen=True)
class ChannelsOff(Switch):
    """Channels of what a block puts out set to 0, also in the skip connection made of it.

    Of a transformer's joint block they are the picture's; of one that puts out text and picture in
    one sequence, those of both.

    Attributes:
        block: "down_blocks.0", "mid_block", "transformer_blocks.3", ...
        channels: Their numbers, from 0.
    """

    block: str
    channels: tuple[int, ...] = (0,)

    def check(self, model: "Model") -> None:
        """Raise if the network has no such channel; see ``Switch.check``."""
        network = model.network
        names = blocks(network) if is_unet(network) else list(transformer_blocks(network))
        if self.block not in names:
            raise ValueError(unknown("block", self.block, names))
        module: Any = network.get_submodule(self.block)
        count = module.resnets[-1].out_channels if is_unet(network) else width_of(module)
        wrong = [one for one in self.channels if not 0 <= one < count]
        if wrong or not self.channels:
            raise ValueError(
                f"channels of {self.block} must be from 0 to {count - 1}, at least one, got"
                f" {list(self.channels)}."
            )

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""
        off = self._off_in_skips if is_unet(place.network) else self._off_in_picture

        def leave(block: Any, _: Any, output: Any) -> Any:
            return off(block, output) if place.on(self) else None

        yield place.network.get_submodule(self.block).register_forward_hook(leave)

    def _off_in_skips(self, _: Any, output: Any) -> Any:
        first = output[0] if isinstance(output, tuple) else output
        changed = first.clone()
        changed[:, list(self.channels)] = 0.0
        if not isinstance(output, tuple):
            return changed
        skips = tuple(changed if x is first else x for x in output[1])
        return (changed, skips, *output[2:])

    def _off_in_picture(self, block: Any, output: Any) -> Any:
        changed = picture_of(block, output).clone()
        changed[..., list(self.channels)] = 0.0
        return with_picture(block, output, changed)


@dataclass(frozen=True)
class ActivationReplaced(Switch):
    """Every activation of a block computed by another function.

    Attributes:
        by: One of ``ACTIVATIONS``.
        block: A dotted name or its beginning, "time_embedding" too; "all" for the whole network.
    """

    by: str
    block: str = ALL

    def check(self, model: "Model") -> None:
        """Raise if there is no such function or block; see ``Switch.check``."""
        if self.by not in ACTIVATIONS:
            raise ValueError(unknown("activation", self.by, ACTIVATIONS))
        activations(model.network, self.block)

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""
        function = _function(self.by)

        def leave(module: Any, args: Any, _: Any) -> Any:
            return _recomputed(module, args[0], function) if place.on(self) else None

        for module in activations(place.network, self.block):
            yield module.register_forward_hook(leave)


@dataclass(frozen=True)
class _TimestepTold(Switch):
    """The network told another timestep than the noise in its input has."""

    def check(self, model: "Model") -> None:
        """Raise if the network is told no timestep; see ``Switch.check``."""
        if "timestep" not in inspect.signature(type(model.network).forward).parameters:
            raise ModelError(f"The {type(model.network).__name__} is told no timestep.")

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""

        def enter(given: dict[str, Any]) -> Any:
            true = given["timestep"]
            unit = 1e-3 if place.model.path == "flow" and float(true.max()) <= 1.0 else 1.0
            return {"timestep": self._told(true, unit)} if place.on(self) else None

        yield from place.before_network(enter)

    @abstractmethod
    def _told(self, true: "Tensor", unit: float) -> "Tensor":
        """Return what the network is told; ``unit`` is one training timestep."""


@dataclass(frozen=True)
class TimestepShifted(_TimestepTold):
    """The network told another timestep than the noise in its input has.

    Attributes:
        by: Added to the timestep, in training timesteps, 0 ... 999; it may lead outside of the
            training's range. A network of flow matching that is told the time from 0 to 1, as
            Flux is, is told a thousandth of it.
    """

    by: float = 100.0

    def _told(self, true: "Tensor", unit: float) -> "Tensor":
        return true + unit * self.by


@dataclass(frozen=True)
class TimestepHeld(_TimestepTold):
    """The network told one and the same timestep, so that it does not know how much noise there is.

    Attributes:
        at: The timestep, in training timesteps, 0 ... 999, as of ``TimestepShifted``.
    """

    at: float = 500.0

    def _told(self, true: "Tensor", unit: float) -> "Tensor":
        return true * 0 + unit * self.at


@dataclass(frozen=True)
class TextChanged(Switch):
    """Positions of the prompt's text hidden from the network, or taken from another prompt.

    Attributes:
        positions: Token positions, from 0.
        prompt: Whose vectors stand there instead; None hides them from all cross-attention.
    """

    positions: tuple[int, ...]
    prompt: str | None = None

    def check(self, model: "Model") -> None:
        """Raise if the text has no such position; see ``Switch.check``."""
        _plain(model, "a change of single positions of the text")
        length = int(model.encode_prompt("")[0].shape[1])
        wrong = [one for one in self.positions if not 0 <= one < length]
        if wrong or not self.positions:
            raise ValueError(
                f"positions must be from 0 to {length - 1}, at least one, got"
                f" {list(self.positions)}."
            )
        if self.prompt is None and len(set(self.positions)) == length:
            raise ValueError("positions must leave one that is not hidden; these are all.")

    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""
        chosen = list(self.positions)

        def enter(given: dict[str, Any]) -> Any:
            change = self._hidden if self.prompt is None else self._replaced
            return change(place, given, chosen) if place.on(self) else None

        yield from place.before_network(enter)

    @staticmethod
    def _hidden(place: Place, given: dict[str, Any], chosen: list[int]) -> "dict[str, Tensor]":
        import torch

        text, mask = given["encoder_hidden_states"], given.get("encoder_attention_mask")
        seen = torch.ones(text.shape[:2], dtype=torch.bool, device=text.device)
        seen = seen if mask is None else mask.bool().clone()
        rows = place.with_prompt(len(text))
        seen[rows] = seen[rows].index_fill(1, torch.tensor(chosen, device=text.device), False)
        return {"encoder_attention_mask": seen}

    def _replaced(
        self, place: Place, given: dict[str, Any], chosen: list[int]
    ) -> "dict[str, Tensor]":
        assert self.prompt is not None
        text = given["encoder_hidden_states"].clone()
        other = place.model.encode_prompt(self.prompt)[0].to(text)
        rows = text[place.with_prompt(len(text))]  # a view: what is set in it is set in the text
        rows[:, chosen] = other[:, chosen]
        return {"encoder_hidden_states": text}


def _recomputed(module: Any, x: "Tensor", function: "Callable[[Tensor], Tensor]") -> "Tensor":
    """Return what an activation module gives of ``x`` with another function.

    Some of diffusers' modules are a linear layer and its activation; of GEGLU's halves the second
    goes through the activation and is multiplied with the first.
    """
    if hasattr(module, "proj"):
        x = module.proj(x)
    if type(module).__name__ == "GEGLU":
        passed, gate = x.chunk(2, dim=-1)
        return passed * function(gate)
    return function(x)


def _function(name: str) -> "Callable[[Tensor], Tensor]":
    from torch.nn import functional

    if name == "identity":
        return lambda x: x
    function: Callable[[Tensor], Tensor] = getattr(functional, name)
    return function


def _plain(model: "Model", what: str) -> None:
    if not model.plain:
        raise ModelError(
            f"{model.name} is not Stable Diffusion 1.x or 2.x drawing from words, which"
            f" {what} needs."
        )
