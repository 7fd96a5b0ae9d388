"""What a run keeps of its tensors; chosen before it starts, part of the experiment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from sdlab.errors import shown, unknown
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.spec import Spec, check_integer

TENSORS = ("x_t", "x0_pred", "output_cond", "output_uncond")
RECORD_DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Record(Spec):
    """What a run keeps of its tensors.

    Attributes:
        tensors: Which of ``x_t``, ``x0_pred``, ``output_cond``, ``output_uncond`` to keep.
        every: Keep each ``every``-th evaluation; the last one is always kept. At least 1.
        dtype: ``float32``, ``float16`` or ``bfloat16``: what they are kept in.
        statistics: Whether the ``steps`` and ``channels`` tables are computed.
        attention: What of the attention maps to keep; None for nothing.

    Raises:
        ValueError: If a name is unknown or ``every`` is not a positive integer.
    """

    CALLED: ClassVar[str] = "field of record"
    LATER: ClassVar[tuple[str, ...]] = ("attention",)

    tensors: tuple[str, ...] = ("x_t", "x0_pred")
    every: int = 1
    dtype: str = "float32"
    statistics: bool = True
    attention: AttentionRecord | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.tensors, str) or not isinstance(self.tensors, Iterable):
            raise ValueError(f"tensors must be a list of names, got {shown(self.tensors)}.")
        self._set("tensors", tuple(self.tensors))
        for name in self.tensors:
            if name not in TENSORS:
                raise ValueError(unknown("tensor to record", name, TENSORS))
        if self.dtype not in RECORD_DTYPES:
            raise ValueError(unknown("record dtype", self.dtype, RECORD_DTYPES))
        check_integer("every", self.every, low=1)
        if isinstance(self.attention, Mapping):
            self._set("attention", AttentionRecord.from_dict(self.attention))
        if not (self.attention is None or isinstance(self.attention, AttentionRecord)):
            raise ValueError(f"attention must be an AttentionRecord, got {shown(self.attention)}.")

    def keeps(self, evaluation: int, total: int) -> bool:
        """Return whether the tensors of this evaluation (0-based, of ``total``) are kept."""
        return evaluation % self.every == 0 or evaluation == total - 1
