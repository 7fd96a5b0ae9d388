"""What to record: the fields of an ``AttentionRecord``, and how much memory they take."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.charts.names import short_layers
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.worker.snapshots import ModelView
from sdlab.experiment.attention_record import AttentionRecord

if TYPE_CHECKING:
    from sdlab.attention.layers import Layer
    from sdlab.experiment.experiment import Experiment

PAGE = "attention"
STEPS = ("all", "every k-th", "last")
ABOUT_CELLS = 16
"""Cells a side of the self-attention that is recorded unless another is chosen."""


def record_controls(model: ModelView) -> AttentionRecord:
    """Draw what can be recorded of a run; return what was chosen.

    Raises:
        ValueError: If the choices do not go together.
        SdlabError: If the model cannot be asked for its layers.
    """
    layers = attention_layers(model.hash)
    heads = bound().segmented_control(
        "Heads",
        ("mean", "max", "all"),
        key=f"{PAGE}.heads",
        help="The mean or maximum over the heads, or every head separately.",
    )
    cross = _layers(
        "Layers", [layer for layer in layers if layer.cross], "layers", (), "all layers"
    )
    tokens = bound().segmented_control(
        "Tokens",
        ("prompt", "all"),
        key=f"{PAGE}.tokens",
        help="Only those of the prompt, or also the pads after it.",
    )
    steps = _steps()
    both = bound().toggle("The negative prompt's half too", key=f"{PAGE}.both")
    own = self_layers(model)
    cap = bound().number_input(
        "Cap (MiB)",
        1,
        65536,
        1024,
        key=f"{PAGE}.cap",
        help="What the maps may take at most; a run that would pass it is refused before it "
        "starts, and a running one stops recording there.",
    )
    return AttentionRecord(
        layers=cross or ("all",),
        self_layers=own,
        heads=heads,
        tokens=tokens,
        steps=steps,
        halves="both" if both else "cond",
        max_bytes=int(cap) * 2**20,
    )


def self_layers(model: ModelView) -> tuple[str, ...]:
    """Draw the choice of self-attention layers; return them in ``AttentionRecord``'s words."""
    return _layers(
        "Self-attention",
        [layer for layer in attention_layers(model.hash) if not layer.cross],
        "self",
        usual_self_layers(model),
        "none",
        "Where each place of the picture looks. A layer of n cells takes n x n numbers, so the "
        "finest ones are large in large pictures.",
    )


def usual_self_layers(model: ModelView) -> tuple[str, ...]:
    """Return the self-attention that is recorded unless another is chosen."""
    own = [layer for layer in attention_layers(model.hash) if not layer.cross and not layer.of_text]
    return next(
        ((f"1/{one.share}",) for one in own if min(one.height, one.width) == ABOUT_CELLS), ()
    )


def estimate(experiment: "Experiment", model: ModelView) -> tuple[str, str]:
    """Return what an experiment's record of attention takes, and more about its memory.

    Raises:
        ValueError: If it cannot run so.
        MemoryLimitError: If it passes the cap or the memory; with the figures.
    """
    from sdlab.models.memory import readable

    kept, evaluations, nfe, record, activation = _planned(model.hash, experiment.id, experiment)
    return (
        f"Keeps **{readable(kept)}**, {evaluations} of {nfe} evaluations.",
        f"That is of attention; all that is recorded takes {readable(record)}, computing about "
        f"{readable(activation)}.",
    )


@st.cache_data(max_entries=16, show_spinner=False)
def attention_layers(model_hash: str) -> "list[Layer]":
    """Return the attention layers of the model in memory, at the size it was trained for.

    Raises:
        ModelError: If the attention of its network cannot be read.
    """

    def find(model: Any) -> "list[Layer]":
        from sdlab.attention.layers import find_layers
        from sdlab.attention.planning import check_unet

        check_unet(model.network)
        width, height = (side // model.vae_factor for side in model.default_size)
        return find_layers(model.network, (height, width))

    return lab().ask(find, model_hash, session_id())


@st.cache_data(max_entries=256, show_spinner=False)
def _planned(
    model_hash: str, run: str, _experiment: "Experiment"
) -> tuple[int, int, int, int, int]:
    def count(model: Any) -> tuple[int, int, int, int, int]:
        import sdlab

        plan = sdlab.plan(model, _experiment)
        attention = _experiment.record.attention
        assert attention is not None and plan.attention is not None
        kept = sum(attention.keeps(step, _experiment.num_steps) for step in plan.steps)
        return plan.attention.bytes, kept, plan.nfe, plan.record_bytes, plan.activation_bytes

    return lab().ask(count, model_hash, session_id())


def _layers(
    label: str,
    layers: "Sequence[Layer]",
    key: str,
    default: tuple[str, ...],
    empty: str,
    more: str = "",
) -> tuple[str, ...]:
    """Draw a choice of layers, by resolution or by name."""
    sizes = {f"1/{layer.share}": layer.size for layer in sorted(layers, key=lambda la: la.share)}
    names = [layer.name for layer in layers]
    words = {share: f"all of {size} cells" for share, size in sizes.items()}
    for layer, short in zip(layers, short_layers(names), strict=True):
        words[layer.name] = f"{short} ({layer.size})"
    chosen = bound().multiselect(
        label,
        list(words),
        list(default),
        format_func=lambda name: words.get(name, name),
        key=f"{PAGE}.{key}_of_{len(names)}",
        placeholder=empty,
        help=f"By resolution or by name; empty for {empty}. {more}".strip(),
    )
    return tuple(chosen)


def _steps() -> int | str:
    which = bound().segmented_control(
        "Steps kept",
        STEPS,
        key=f"{PAGE}.kept",
        help="Every evaluation of a kept step is kept; the last step always is.",
    )
    if which != STEPS[1]:
        return which
    return int(bound().number_input("k", 2, 1000, 5, key=f"{PAGE}.every"))
