"""Changes by name: one thing that differs from the plain run, in words, prompt or network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlab.attention.words import positions
from sdlab.causes.parts import ANY
from sdlab.causes.switch import Switch
from sdlab.causes.switches import (
    ActivationReplaced,
    AttentionScaled,
    AttentionSwapped,
    ChannelsOff,
    SkipScaled,
    TextChanged,
    TimestepHeld,
    TimestepShifted,
)
from sdlab.causes.transformer_blocks import ALL
from sdlab.causes.transformer_switches import (
    BlockSkipped,
    JointAttentionCut,
    MlpScaled,
    ModulationOff,
    WordsHidden,
)
from sdlab.errors import ModelError, unknown
from sdlab.experiment.experiment import Experiment
from sdlab.text.tokenized import network_segments
from sdlab.text.tokens import tokens

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.models.model import Model

FIELDS = ("prompt", "negative_prompt", "guidance_scale", "guidance_rescale")
"""Fields of an experiment that a change may set: its noise and its steps stay what they are."""
PADS = ("normal", "empty", "masked")
LEFT_OUT = ("removed", "masked")


@dataclass(frozen=True)
class Change:
    """One thing that differs from the plain run.

    Attributes:
        name: In words, for a legend.
        fields: Fields of the experiment with their other value, of ``FIELDS``.
        switches: What is switched inside the network.

    Raises:
        ValueError: If a field is not one of ``FIELDS``.
    """

    name: str
    fields: tuple[tuple[str, Any], ...] = ()
    switches: tuple[Switch, ...] = ()

    def __post_init__(self) -> None:
        for name, _ in self.fields:
            if name not in FIELDS:
                raise ValueError(unknown("field of a change", name, FIELDS))

    def applied(self, experiment: Experiment) -> Experiment:
        """Return the experiment with the changed fields."""
        return experiment.with_(**dict(self.fields))


NOTHING = Change("as it is")


def word_left_out(
    model: "Model",
    experiment: Experiment,
    word: str,
    *,
    occurrence: int | None = None,
    how: str = "removed",
) -> Change:
    """Return the change that leaves a word of the prompt out.

    Args:
        model: The loaded model.
        experiment: With the prompt.
        word: "parrot", or a phrase "red car".
        occurrence: Which one of a repeated word, from 0; None for all.
        how: "removed": the prompt is written without it, so that all that follows moves up and is
            encoded anew. "masked": the text stays as it was encoded, and the network's attention
            does not see the word's positions; what later positions, the end and the pads have
            read of the word in the text encoder stays.

    Raises:
        ValueError: If the prompt has no such word, or there is no such way.
        ModelError: If it is masked in a network whose attention is not known.
    """
    if how not in LEFT_OUT:
        raise ValueError(unknown("way to leave a word out", how, LEFT_OUT))
    table = tokens(model, experiment.prompt)
    places = positions(table, word, occurrence)
    if how == "masked":
        chosen = _in_network(model, experiment, lambda own: positions(own, word, occurrence))
        if not chosen:
            raise ModelError(
                f"No position of the text that the network of {model.name} reads holds {word!r}, so"
                " it cannot be masked. Leave it out of the prompt instead."
            )
        return Change(f"“{word}” masked", switches=(_hidden(model, chosen),))
    return Change(f"without “{word}”", (("prompt", _cut_out(experiment.prompt, table, places)),))


def pads(model: "Model", experiment: Experiment, how: str) -> Change:
    """Return the change of the pads that follow the prompt's end token.

    Args:
        model: The loaded model.
        experiment: With the prompt.
        how: "normal" for no change; "empty": their vectors are those of the empty prompt, which
            have read no word; "masked": the network's attention does not see them.

    Raises:
        ValueError: If there is no such way, or the prompt leaves no pad.
        ModelError: If they are emptied and the model is not plain Stable Diffusion, or masked in a
            network whose attention is not known.
    """
    if how not in PADS:
        raise ValueError(unknown("way of the pads", how, PADS))
    if how == "normal":
        return Change("pads as they are")
    places = _in_network(model, experiment, _pads)
    if not places:
        raise ValueError("The prompt fills all positions: it has no pads that could be changed.")
    if how == "empty":
        return Change("pads of the empty prompt", switches=(TextChanged(places, ""),))
    return Change("pads masked", switches=(_hidden(model, places),))


def guidance(scale: float) -> Change:
    """Return the change of the guidance scale."""
    return Change(f"guidance {scale:g}", (("guidance_scale", float(scale)),))


def timestep_shifted(by: float, first: int = 0, last: int | None = None) -> Change:
    """Return the change that tells the network a wrong timestep."""
    switch = TimestepShifted(by, first=first, last=last)
    return Change(f"timestep {by:+g}{_when(switch)}", switches=(switch,))


def timestep_held(at: float = 500.0, first: int = 0, last: int | None = None) -> Change:
    """Return the change that tells the network one timestep throughout."""
    switch = TimestepHeld(at, first=first, last=last)
    return Change(f"timestep {at:g} throughout{_when(switch)}", switches=(switch,))


def skip_off(block: str, factor: float = 0.0, first: int = 0, last: int | None = None) -> Change:
    """Return the change that scales the skip connections of an up block; 0 switches them off."""
    switch = SkipScaled(block, factor, first=first, last=last)
    return Change(f"skips of {_blocks(block)} {_scaled(factor)}{_when(switch)}", switches=(switch,))


def attention_off(
    block: str,
    kind: str = "cross",
    factor: float = 0.0,
    first: int = 0,
    last: int | None = None,
) -> Change:
    """Return the change that scales a block's attention; 0 switches it off."""
    switch = AttentionScaled(block, kind, factor, first=first, last=last)
    what = "attention" if kind == ANY else f"{kind}-attention"
    name = f"{what} of {_blocks(block)} {_scaled(factor)}{_when(switch)}"
    return Change(name, switches=(switch,))


def attention_swapped(block: str, prompt: str, first: int = 0, last: int | None = None) -> Change:
    """Return the change that lets a block's cross-attention read another prompt."""
    switch = AttentionSwapped(block, prompt, first=first, last=last)
    return Change(f"{_blocks(block)} read “{prompt}”{_when(switch)}", switches=(switch,))


def channels_off(
    block: str, channels: tuple[int, ...], first: int = 0, last: int | None = None
) -> Change:
    """Return the change that sets channels of a block's output to 0."""
    switch = ChannelsOff(block, tuple(channels), first=first, last=last)
    listed = ", ".join(map(str, channels))
    which = f"channel{'s' * (len(channels) > 1)} {listed}"
    return Change(f"{which} of {block} off{_when(switch)}", switches=(switch,))


def block_skipped(block: str, first: int = 0, last: int | None = None) -> Change:
    """Return the change that leaves a whole block of a transformer out."""
    switch = BlockSkipped(block, first=first, last=last)
    return Change(f"without {_blocks(block)}{_when(switch)}", switches=(switch,))


def mlp_off(block: str, factor: float = 0.0, first: int = 0, last: int | None = None) -> Change:
    """Return the change that scales the MLPs of a transformer's block; 0 switches them off."""
    switch = MlpScaled(block, factor, first=first, last=last)
    return Change(f"MLP of {_blocks(block)} {_scaled(factor)}{_when(switch)}", switches=(switch,))


def modulation_off(block: str, first: int = 0, last: int | None = None) -> Change:
    """Return the change that does not tell a transformer's block the time."""
    switch = ModulationOff(block, first=first, last=last)
    return Change(f"modulation of {_blocks(block)} off{_when(switch)}", switches=(switch,))


def joint_attention_cut(
    block: str, reader: str, read: str, first: int = 0, last: int | None = None
) -> Change:
    """Return the change that hides one direction of a joint attention."""
    switch = JointAttentionCut(block, reader, read, first=first, last=last)
    name = f"{reader} does not see {read} in {_blocks(block)}{_when(switch)}"
    return Change(name, switches=(switch,))


def activation(by: str, block: str = ALL, first: int = 0, last: int | None = None) -> Change:
    """Return the change that computes the activations by another function."""
    switch = ActivationReplaced(by, block, first=first, last=last)
    where = "" if block == ALL else f" in {block}"
    return Change(f"activation {by}{where}{_when(switch)}", switches=(switch,))


def _pads(table: "pd.DataFrame") -> list[int]:
    return [int(place) for place in table.loc[table["kind"] == "pad", "position"]]


def _hidden(model: "Model", places: tuple[int, ...]) -> Switch:
    return TextChanged(places) if model.plain else WordsHidden(places)


def _in_network(
    model: "Model", experiment: Experiment, find: "Callable[[pd.DataFrame], list[int]]"
) -> tuple[int, ...]:
    """Return the positions of the network's text that hold what is found in a token table.

    A network that is given the texts of several encoders has a word at several positions.

    Args:
        model: The loaded model.
        experiment: With the prompt.
        find: Returns positions of the token table of one tokenizer.

    Raises:
        ModelError: If the pipeline does not tell which positions are whose.
    """
    if model.plain:
        return tuple(find(tokens(model, experiment.prompt)))
    told = network_segments(model, experiment.prompt)
    if told is None or told[1].empty:
        raise ModelError(
            f"The pipeline of {model.name} does not tell which positions of its network's text are"
            " which words, so none can be masked. Leave the word out of the prompt instead."
        )
    found: set[int] = set()
    row: Any
    for row in told[1].to_dict("records"):
        part = row["tokenizer"].replace("tokenizer", "text_encoder")
        shift = row["first"] - row["own"]
        places = [place + shift for place in find(tokens(model, experiment.prompt, part))]
        found |= {place for place in places if row["first"] <= place < row["last"]}
    return tuple(sorted(found))


def _cut_out(prompt: str, table: "pd.DataFrame", places: list[int]) -> str:
    """Return a prompt without the characters of some tokens, its spaces closed up."""
    rows = table[table["position"].isin(places)]
    for first, last in sorted(zip(rows["first"], rows["last"], strict=True), reverse=True):
        prompt = prompt[: int(first)] + prompt[int(last) :]
    return " ".join(prompt.split())


def _blocks(block: str) -> str:
    return "all blocks" if block == ALL else block


def _scaled(factor: float) -> str:
    return "off" if factor == 0 else f"times {factor:g}"


def _when(switch: Switch) -> str:
    if switch.first == 0 and switch.last is None:
        return ""
    until = "on" if switch.last is None else f"to {switch.last}"
    return f", evaluations {switch.first} {until}"
