"""The trace: the tensors that a run kept, evaluation by evaluation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.attention.maps import AttentionMaps


class Trace:
    """Tensors of the kept evaluations.

    Args:
        kept: Numbers of the kept evaluations, ascending.
        sigmas: Noise level of every evaluation, kept or not.
        tensors: Name to tensor, [len(kept), C, h, w] on the CPU; may load on access.
        attention: The attention maps, if any were recorded.
    """

    def __init__(
        self,
        kept: Sequence[int],
        sigmas: Sequence[float],
        tensors: "Mapping[str, Tensor]",
        attention: "AttentionMaps | None" = None,
    ) -> None:
        self.kept = list(kept)
        self.sigmas = list(sigmas)
        self._tensors = tensors
        self._attention = attention

    @property
    def x_t(self) -> "Tensor":
        """What the network was given, VP coordinates, [K, C, h, w]."""
        return self.tensor("x_t")

    @property
    def x0_pred(self) -> "Tensor":
        """The clean latents predicted, [K, C, h, w]."""
        return self.tensor("x0_pred")

    @property
    def output_cond(self) -> "Tensor":
        """The network's raw output given the prompt, [K, C, h, w]."""
        return self.tensor("output_cond")

    @property
    def output_uncond(self) -> "Tensor":
        """The network's raw output given the negative prompt, [K, C, h, w]."""
        return self.tensor("output_uncond")

    @property
    def attention(self) -> "AttentionMaps":
        """The attention maps.

        Raises:
            ValueError: If the run did not record them.
        """
        if self._attention is None:
            raise ValueError(
                "Attention was not recorded; ask for it with"
                " Record(attention=AttentionRecord()), on the command line with --attention."
            )
        return self._attention

    @property
    def has_attention(self) -> bool:
        """Whether attention maps were recorded."""
        return self._attention is not None

    def tensor(self, name: str) -> "Tensor":
        """Return one recorded tensor by name, [K, C, h, w].

        Raises:
            ValueError: If the run did not record it.
        """
        if name not in self._tensors:
            recorded = ", ".join(sorted(self._tensors)) or "no tensors"
            raise ValueError(
                f"{name} was not recorded (recorded: {recorded}); ask for it with"
                f" Record(tensors=({name!r}, ...)). Without guidance there is no output_uncond."
            )
        return self._tensors[name]

    def names(self) -> list[str]:
        """Return the names of the recorded tensors."""
        return sorted(self._tensors)
