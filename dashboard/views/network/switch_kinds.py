"""The kinds of switches: what each asks for on the page, and the change that it makes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboard.shell.address import bound
from dashboard.views.network.block_names import block_label

if TYPE_CHECKING:
    from sdlab.anatomy.network_map import NetworkMap
    from sdlab.causes.change import Change
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

ALL = "all"
ACTIVATIONS = ("relu", "gelu", "silu", "mish", "tanh", "sigmoid", "identity")
WHOLE = "all of it"
CUTS = {
    f"{reader} does not see {read}": (reader, read)
    for reader in ("picture", "text")
    for read in ("text", "picture")
}
"""What can be hidden in a joint attention: who no longer looks, at what."""


class Kind(NamedTuple):
    """A kind of switch.

    Attributes:
        says: What it does, a sentence.
        means: What follows where the picture changes, the end of a sentence.
    """

    says: str
    means: str


KINDS = {
    "Skip": Kind(
        "The skips into a block on the way up carry what the way down knew of fine detail.",
        "what differs is what came by the skip, around all that lies deeper.",
    ),
    "Cross-attention": Kind(
        "Here the places look at the words; off, the block is told nothing of them.",
        "what differs is what the words told this block.",
    ),
    "Self-attention": Kind(
        "Here the places look at each other; off, each place is on its own.",
        "what differs is what this block held together across the picture.",
    ),
    "Block": Kind(
        "The whole block left out: text and picture go past it as they came.",
        "what differs is all that this block did.",
    ),
    "Attention": Kind(
        "In a joint block picture and words look at each other in one attention: all of it off, or "
        "one direction hidden, where the weights of what is still seen sum to 1 again.",
        "what differs is what was seen there.",
    ),
    "MLP": Kind(
        "Behind the attention each place is worked on alone, by an MLP; off, it is left as it is.",
        "what differs is what the MLP made of each place.",
    ),
    "Modulation": Kind(
        "Scales, shifts and gates (adaLN) tell the block the time, and often the text as a whole; "
        "off, it is left with their learned constants.",
        "what differs is what this block did because of the time.",
    ),
    "Activation": Kind(
        "Every activation of the block computed by another function, as it was never trained.",
        "the weights were trained for the network's own activation, and bear another function only "
        "if it is nearly that.",
    ),
    "Timestep": Kind(
        "The network is told that there is more, or less, noise than there is.",
        "the network takes away the noise that it is told of, not the noise that is there.",
    ),
    "Channels": Kind(
        "Some of the block's channels set to 0, in the skip made of them too.",
        "what differs is what these channels carried.",
    ),
    "Word": Kind(
        "The word removed from the prompt; or only its positions hidden from the network, while "
        "what later words have read of it in the text encoder stays.",
        "what differs is what the word did.",
    ),
    "Pads": Kind(
        "Behind the prompt's end stand pads, which have read all its words; here they are hidden.",
        "what differs is what the pads carried of the words.",
    ),
    "Guidance": Kind(
        "The same run at another guidance scale.",
        "what differs is how far each prediction was pushed the way of the prompt.",
    ),
}
UNET = ("Skip", "Cross-attention", "Self-attention")
TRANSFORMER = ("Block", "Attention", "MLP", "Modulation")
HOW = {"removed": "removed", "hidden": "masked"}
"""How a word is left out: said on the page -> for ``sdlab.causes.change.word_left_out``."""
OF_RUN = ("Word", "Pads", "Guidance")
"""Kinds that hold for the whole run."""


def kinds_of(mapped: "NetworkMap") -> list[str]:
    """Return the kinds of switches that a network has something for."""
    other = TRANSFORMER if mapped.unet else UNET
    return [kind for kind in KINDS if kind not in other]


def settings_of(page: str, kind: str, mapped: "NetworkMap", spec: "Experiment") -> tuple[Any, ...]:
    """Draw what a kind of switch needs to know; return it, the block first if it has one."""
    if kind in ("Timestep", *OF_RUN):
        return _of_run(page, kind, spec)
    block = bound().selectbox(
        "Block", blocks_with(kind, mapped), key=f"{page}.of_{kind.lower()}", width=260,
        format_func=lambda name: "all blocks" if name == ALL else block_label(mapped, name),
    )  # fmt: skip
    if kind == "Activation":
        return block, bound().selectbox("By", ACTIVATIONS, key=f"{page}.by", width=130)
    if kind == "Channels":
        text = bound().text_input("Channels", "0, 1, 2, 3", key=f"{page}.channels", width=180)
        return block, numbers(text or "")
    if kind == "Attention":
        return block, *_attention(page, mapped, block)
    if kind in ("Block", "Modulation"):
        return (block,)
    return block, _factor(page)


def blocks_with(kind: str, mapped: "NetworkMap") -> list[str]:
    """Return the blocks that have something of a kind, and "all" where that can be switched."""
    table = mapped.table
    if not mapped.unet:
        found = list(table.loc[table["streams"] != "", "block"])
        return found if kind == "Channels" else [ALL, *found]
    if kind == "Skip":
        table = table[table["skip_from"] != ""]
    elif kind in ("Cross-attention", "Self-attention"):
        word = kind.removesuffix("-attention").lower()
        table = table[table["attention"].str.contains(word)]
    else:
        table = table[table["stage"] != ""]
    parts = [block.split(".") for block in table["block"]]
    names = [part[0] if part[0] == "mid_block" else ".".join(part[:2]) for part in parts]
    found = list(dict.fromkeys(names))
    return found if kind == "Channels" else [ALL, *found]


def block_words(kind: str, settings: tuple[Any, ...], mapped: "NetworkMap") -> str:
    """Return in words which block settings are of; "" if they are of none, or of all."""
    if kind in ("Timestep", *OF_RUN) or settings[0] == ALL:
        return ""
    return mapped.words(settings[0])


def numbers(text: str) -> tuple[int, ...]:
    """Return the channels that are typed.

    Raises:
        ValueError: If it is no list of whole numbers.
    """
    words = text.replace(",", " ").split()
    if not words or not all(word.isdigit() for word in words):
        raise ValueError(f"Channels must be whole numbers such as 0, 1, 2, got {text[:40]!r}.")
    return tuple(int(word) for word in words)


def changes_of(
    kind: str,
    settings: tuple[Any, ...],
    words: str,
    first: int,
    last: int | None,
    model: "Model",
    spec: "Experiment",
) -> "Sequence[Change]":
    """Return the changes that a kind of switch makes.

    Args:
        kind: A name of ``KINDS``.
        settings: As ``settings_of`` returns them.
        words: What the block is, for the changes' names.
        first: The first evaluation.
        last: The last one; None for all that follow.
        model: The model.
        spec: The run.
    """
    from sdlab.causes import change

    when: dict[str, Any] = {"first": first, "last": last}
    if kind == "Timestep":
        by = settings[0]
        return [change.timestep_shifted(one, **when) for one in dict.fromkeys((by, -by))]
    if kind in OF_RUN:
        return _changes_of_run(kind, settings, model, spec)
    block, *more = settings
    made: dict[str, Callable[..., Change]] = {
        "Skip": change.skip_off,
        "Cross-attention": lambda name, factor, **at: change.attention_off(
            name, "cross", factor, **at
        ),
        "Self-attention": lambda name, factor, **at: change.attention_off(
            name, "self", factor, **at
        ),
        "Block": change.block_skipped,
        "Attention": _attention_change,
        "MLP": change.mlp_off,
        "Modulation": change.modulation_off,
        "Activation": lambda name, by, **at: change.activation(by, name, **at),
        "Channels": change.channels_off,
    }
    found = made[kind](block, *more, **when)
    return [replace(found, name=found.name.replace(block, words)) if words else found]


def _of_run(page: str, kind: str, spec: "Experiment") -> tuple[Any, ...]:
    if kind == "Timestep":
        by = bound().number_input("Shift", -900, 900, 100, 50, key=f"{page}.shift", width=130)
        return (int(by),)
    if kind == "Guidance":
        scale = bound().number_input(
            "Guidance", 0.0, 30.0, 1.0, 0.5, key=f"{page}.guidance", width=130
        )
        return (float(scale),)
    if kind == "Pads":
        return ()
    words = list(dict.fromkeys(spec.prompt.replace(",", " ").split()))
    if not words:
        raise ValueError("The prompt of this run has no words that could be left out.")
    longest = words.index(max(words, key=len))
    word = bound().selectbox("Word", words, longest, key=f"{page}.without", width=180)
    return word, bound().selectbox("How", list(HOW), key=f"{page}.how", width=150)


def _attention(page: str, mapped: "NetworkMap", block: str) -> tuple[str, float]:
    table = mapped.table
    own = table if block == ALL else table[table["block"] == block]
    named = " ".join(own["attention"])
    one = [kind for kind in ("self", "cross") if kind in named and "joint" not in named]
    options = [WHOLE, *(CUTS if "joint" in named else one if len(one) > 1 else ())]
    which = bound().selectbox("What of it", options, key=f"{page}.attention", width=230)
    return which, 0.0 if which in CUTS else _factor(page)


def _attention_change(block: str, which: str, factor: float, **when: Any) -> "Change":
    from sdlab.causes import change

    if which in CUTS:
        return change.joint_attention_cut(block, *CUTS[which], **when)
    return change.attention_off(block, "any" if which == WHOLE else which, factor, **when)


def _factor(page: str) -> float:
    factor = bound().number_input(
        "Factor", 0.0, 3.0, 0.0, 0.25, key=f"{page}.factor", width=120,
        help="0 switches it off, 1 leaves it as it is.",
    )  # fmt: skip
    return float(factor)


def _changes_of_run(
    kind: str, settings: tuple[Any, ...], model: "Model", spec: "Experiment"
) -> "Sequence[Change]":
    from sdlab.causes import change

    if kind == "Guidance":
        return [change.guidance(settings[0])]
    if kind == "Pads":
        ways = ("empty", "masked") if model.plain else ("masked",)
        return [change.pads(model, spec, how) for how in ways]
    word, how = settings
    return [change.word_left_out(model, spec, word, how=HOW[how])]
