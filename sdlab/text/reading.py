"""What a pipeline's text encoders are really given, seen while they run.

Each pipeline has habits of its own: a template around the prompt, a length to pad to, a mask that
hides the pads or none. They are not written anywhere to read, so they are watched: hooks on the
text encoders keep ids, mask and answers of every call, and change nothing.
"""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.models.quiet import quiet
from sdlab.text.parts import tokenizers

if TYPE_CHECKING:
    from torch import Tensor


SAMPLE = 8
"""Numbers of a position that are compared: more than enough to tell two positions apart."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One text as an encoder was given it; L positions.

    Attributes:
        part: "text_encoder", "text_encoder_2", ...
        ids: Token ids, int64 [L].
        mask: The attention mask, int64 [L]; None if the encoder was given none.
        states: What the encoder answered, each [L, D]: its layers' outputs where it was asked for
            them, and its last.
        end: Where the network's text ends within it: positions from here on were cut off; None
            where it does not.
    """

    part: str
    ids: np.ndarray
    mask: np.ndarray | None
    states: "tuple[Tensor, ...]"
    end: int | None = None

    def end_in(self, network_text: "Tensor") -> int | None:
        """Return ``end`` by a text that a network is given, [L, D]: whose numbers come last."""
        places = network_text.any(dim=-1).nonzero()
        if not len(places):
            return None
        last = network_text[int(places[-1]), :SAMPLE]
        ends = [
            int(found[-1]) + 1
            for state in self.states
            if state.shape[1] >= len(last)
            and len(found := (_sample(state, last) == last).all(dim=-1).nonzero())
        ]
        return max(ends, default=None)


@contextmanager
def readings(pipeline: Any) -> Iterator[list[Reading]]:
    """Keep what the text encoders of a pipeline are given while it runs inside the ``with``.

    Args:
        pipeline: A diffusers pipeline.

    Yields:
        A list that gets one ``Reading`` for every text that an encoder reads, in order.
    """
    heard: list[Reading] = []
    handles = []
    for name in tokenizers(pipeline):
        encoder = getattr(pipeline, name, None)
        if encoder is not None:
            names = list(inspect.signature(encoder.forward).parameters)
            hook = _hook(name, names, heard)
            handles.append(encoder.register_forward_hook(hook, with_kwargs=True))
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def read(pipeline: Any, prompt: str, asked: int | None = None) -> list[Reading]:
    """Return what the text encoders are given for a prompt, by the pipeline's ``encode_prompt``.

    Its arguments are the defaults of the pipeline's call. Empty where there is no such method or
    it wants more than a prompt.

    Args:
        pipeline: A diffusers pipeline.
        prompt: Any text.
        asked: ``max_sequence_length``; None for the pipeline's own.
    """
    return read_text(pipeline, prompt, asked)[0]


def read_text(
    pipeline: Any, prompt: str, asked: int | None = None
) -> "tuple[list[Reading], Tensor | None]":
    """Return what ``read`` does, and the text that the network is given, [L, D].

    None where the pipeline does not tell it by itself.
    """
    import torch

    encode = getattr(pipeline, "encode_prompt", None)
    if encode is None:
        return [], None
    out: Any = None
    call = inspect.signature(type(pipeline).__call__).parameters
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(encode).parameters.items():
        default = call[name].default if name in call else parameter.default
        if default is not parameter.empty:
            given[name] = default
    given |= {"prompt": prompt, "do_classifier_free_guidance": False}
    given |= {} if asked is None else {"max_sequence_length": asked}
    known = set(inspect.signature(encode).parameters)
    turns = (0, 1) if "text_encoder_index" in known else (0,)  # HunyuanDiT: one encoder a call
    with readings(pipeline) as heard, quiet(), torch.no_grad():
        for given["text_encoder_index"] in turns:
            with suppress(Exception):  # it may want more; what was heard until then is true
                out = encode(**{name: value for name, value in given.items() if name in known})
    first = out[0] if isinstance(out, (tuple, list)) and out else out
    told = isinstance(first, torch.Tensor) and first.ndim == 3 and len(turns) == 1
    return heard, first[0] if told else None


def _hook(part: str, names: Sequence[str], heard: list[Reading]) -> Any:
    def keep(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        ids, mask = given.get("input_ids"), given.get("attention_mask")
        if ids is None or ids.ndim != 2:
            return
        layers = [*(getattr(out, "hidden_states", None) or ()), *_last(out)]
        for row in range(len(ids)):
            states = tuple(
                state[row].detach()
                for state in layers
                if state.ndim == 3 and state.shape[:2] == ids.shape
            )
            heard.append(
                Reading(
                    part,
                    ids[row].cpu().numpy(),
                    None if mask is None or mask.ndim != 2 else mask[row].cpu().numpy().astype(int),
                    states,
                )
            )

    return keep


def note_ends(heard: list[Reading], network_text: Any) -> None:
    """Note in each reading where the network's text ends within it.

    A pipeline may cut what its encoder answered, as Qwen-Image does at ``max_sequence_length``.

    Args:
        heard: As ``readings`` gives it; changed in place.
        network_text: What a network is given, [rows, L, D]; anything else says nothing.
    """
    if getattr(network_text, "ndim", 0) != 3:
        return
    for place, one in enumerate(heard):
        ends = [end for row in network_text if (end := one.end_in(row)) is not None]
        heard[place] = replace(one, end=max([*ends, one.end or 0]) or None)


def _sample(state: "Tensor", like: "Tensor") -> "Tensor":
    return state[:, :SAMPLE].to(like.device, like.dtype)


def _last(out: Any) -> "list[Tensor]":
    state = out[0] if isinstance(out, tuple) else getattr(out, "last_hidden_state", None)
    return [] if state is None else [state]
