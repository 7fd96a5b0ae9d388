"""What a run keeps of its attention maps: chosen before it starts, part of the experiment."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from sdlab.errors import shown, unknown
from sdlab.experiment.spec import Spec, check_integer

HEADS = ("mean", "max", "all")
TOKENS = ("prompt", "all")
HALVES = ("cond", "both")
DTYPES = ("float16", "bfloat16", "float32")


@dataclass(frozen=True)
class AttentionRecord(Spec):
    """What to keep of a network's attention.

    Maps are computed in float32 (float64 for a float64 network) whatever the network computes in,
    and kept in ``dtype``: by default rounded to float16, by 2^-11 (0.05 %) of a value at most, or
    3e-8 of values below 6e-5. ``dtype="float32"`` keeps them as computed, in twice the memory.

    Layers are named by "all", a dotted name or its beginning ("up_blocks.1", "mid_block"), the
    share of the latents' sides that they see ("1/2"), or their size in cells ("16x16", width
    first).

    Attributes:
        layers: Cross-attention layers to keep, how the picture looks at the text; empty for none.
        self_layers: Self-attention layers to keep; a layer of n cells takes n * n numbers. "text"
            keeps how the text of a joint transformer looks at the picture.
        heads: "mean" or "max" over the heads, or "all" of them.
        tokens: "prompt" keeps start, words and end; "all" the pads too.
        steps: "all", "last", or k for each k-th step and the last. Every evaluation of a kept
            step is kept.
        halves: "cond", or "both" to keep the negative prompt's half too.
        dtype: ``float16``, ``bfloat16`` or ``float32``: what the maps are kept in.
        max_bytes: What the maps of one picture may take at most; never passed.

    Raises:
        ValueError: If a field is out of range; the message names field, value and what is valid.
    """

    CALLED: ClassVar[str] = "attention field"

    layers: tuple[str, ...] = ("all",)
    self_layers: tuple[str, ...] = ()
    heads: str = "mean"
    tokens: str = "prompt"
    steps: int | str = "all"
    halves: str = "cond"
    dtype: str = "float16"
    max_bytes: int = 2**30

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("layers", "self_layers"):
            value = getattr(self, name)
            named = isinstance(value, Iterable) and not isinstance(value, str)
            if not named or not all(isinstance(item, str) for item in value):
                raise ValueError(f"{name} must be a list of layer names, got {shown(value)}.")
            self._set(name, tuple(value))
        if not self.layers and not self.self_layers:
            raise ValueError("layers and self_layers are both empty; name one or record nothing.")
        allowed = {"heads": HEADS, "tokens": TOKENS, "halves": HALVES, "dtype": DTYPES}
        for name, words in allowed.items():
            if getattr(self, name) not in words:
                raise ValueError(unknown(f"attention {name}", getattr(self, name), words))
        steps = self.steps
        whole = isinstance(steps, int) and not isinstance(steps, bool) and steps >= 1
        if not whole and steps not in ("all", "last"):
            raise ValueError(
                "attention steps must be 'all', 'last' or a whole number from 1, got"
                f" {shown(steps)}."
            )
        check_integer("max_bytes", self.max_bytes, low=1)

    def keeps(self, step: int, num_steps: int) -> bool:
        """Return whether the evaluations of this step (0-based, of ``num_steps``) are kept."""
        if step >= num_steps - 1 or self.steps == "all":
            return True
        return isinstance(self.steps, int) and step % self.steps == 0

    @property
    def kept_halves(self) -> tuple[str, ...]:
        """The halves of a CFG pair that are kept."""
        return ("cond",) if self.halves == "cond" else ("cond", "uncond")
