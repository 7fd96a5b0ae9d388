"""What the text encoder computes from a prompt: one vector a position, before and after.

    e_i = E[id_i]                     the token embedding, a row of a table: no context, no order
    h_i^0 = e_i + p_i                 with the position embedding: what enters the first layer
    c_i = LN(h_i^L)                   the contextual embedding: what the network is given

As CLIP's encoder is causal, c_i depends on id_0 ... id_i only. Two prompts that begin alike have
equal vectors up to their first different token; and the start token's vector is the same for every
prompt.

T5's encoder is not causal: each c_i depends on the whole prompt, and on the pads too unless the
pipeline masks them. It has no position embedding, so that h_i^0 = e_i: order enters each layer's
attention, as a bias b(j - i) by distance. It has no start token, and no vector of the whole prompt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdlab.text.parts import TextPart, text_part, tokenizers
from sdlab.text.pipeline_tokens import prompt_texts
from sdlab.text.reading import read
from sdlab.text.self_attention import MEAN, recorded
from sdlab.text.tokens import labels, token_tensors, tokens

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model


@dataclass(frozen=True, eq=False)
class Encoding:
    """A prompt encoded; all arrays are NumPy's, n positions (CLIP: 77), D the encoder's width.

    Attributes:
        part: The text encoder's name.
        prompt: The text.
        tokens: The table of ``sdlab.tokens``.
        ids: Token ids, int64 [n].
        mask: The tokenizer's attention mask, int64 [n].
        masks_pads: Whether the encoder was given the mask, so that pads are hidden.
        token: Token embeddings e, float32 [n, D].
        entering: What enters the first layer, e + p, float32 [n, D].
        contextual: Contextual embeddings c, as the network is given them, float32 [n, D].
        attention: Self-attention, float32 [layers, heads, n, n], if it was recorded.
        causal: Whether a position sees only those before it: CLIP's do, T5's do not.
        pooled: Whether the pipeline uses only one vector of the prompt, not this sequence.
    """

    part: str
    prompt: str
    tokens: pd.DataFrame
    ids: np.ndarray
    mask: np.ndarray
    masks_pads: bool
    token: np.ndarray
    entering: np.ndarray
    contextual: np.ndarray
    attention: np.ndarray | None = None
    causal: bool = True
    pooled: bool = False

    @property
    def kinds(self) -> np.ndarray:
        """Kind of each position: "start", "word", "end", "pad" or "template"; [n]."""
        return self.tokens.loc[~self.tokens["cut"], "kind"].to_numpy(str)

    @property
    def end(self) -> int:
        """Position of the end token, behind which there are only pads."""
        return int(self.mask.sum()) - 1


def encode(
    source: "Model | Any",
    prompt: str,
    part: str | None = None,
    clip_skip: int = 0,
    attention: bool | str = False,
) -> Encoding:
    """Return the encoding of a prompt, computed by the same call that the pipeline makes.

    Args:
        source: A loaded model or a diffusers pipeline.
        prompt: Any text.
        part: "text_encoder", "text_encoder_2", ...; the first by default.
        clip_skip: Layers to leave out at the end, as diffusers counts them: 1 takes the output of
            the last layer but one (SDXL always leaves out one more). 0 for T5.
        attention: Whether to record the self-attention, of all layers that are used; "mean" for
            the mean of the heads alone, as one head.

    Raises:
        ValueError: If the part is unknown or so many layers cannot be left out.
        ModelError: If the text encoder is neither CLIP's nor T5's.
    """
    chosen = text_part(source, part)
    table, tensors, masks_pads = _given(source, chosen, prompt)
    vectors, maps = _vectors(chosen, tensors, masks_pads, clip_skip, bool(attention))
    if attention == MEAN:
        maps = [one.mean(dim=0, keepdim=True) for one in maps]
    return Encoding(
        part=chosen.name,
        prompt=prompt,
        tokens=table,
        ids=tensors["input_ids"][0].numpy(),
        mask=tensors["attention_mask"][0].numpy(),
        masks_pads=masks_pads,
        attention=np.stack([_numpy(m) for m in maps]) if attention else None,
        causal=chosen.is_clip,
        pooled=chosen.pooled,
        **{name: _numpy(rows[0]) for name, rows in vectors.items()},
    )


def _given(
    source: Any, chosen: "TextPart", prompt: str
) -> "tuple[pd.DataFrame, dict[str, Tensor], bool]":
    """Return the token table, the ids and mask, and whether the encoder is given the mask.

    Of CLIP's encoders that is known; T5 is asked what its pipeline gives it.
    """
    if chosen.is_clip:
        tensors = token_tensors(chosen.tokenizer, prompt)
        return tokens(chosen.tokenizer, prompt), tensors, chosen.masks_pads
    import torch

    pipeline = getattr(source, "pipeline", source)
    heard = read(pipeline, prompt)
    texts = prompt_texts(pipeline, _Asked(prompt), heard)
    number = list(tokenizers(pipeline)).index(chosen.name)
    table, reading = texts[number].table, texts[number].reading
    if reading is None:
        return table, token_tensors(pipeline, prompt, chosen.name), False
    ids = torch.from_numpy(reading.ids)
    mask = torch.tensor(table.loc[~table["cut"], "mask"].to_numpy())
    tensors = {"input_ids": ids[None], "attention_mask": mask[None]}
    return table, tensors, reading.mask is not None


@dataclass(frozen=True)
class _Asked:
    """A prompt alone, as an experiment would have it."""

    prompt: str
    negative_prompt: str = ""


def _vectors(
    chosen: "TextPart",
    tensors: "Mapping[str, Tensor]",
    masks_pads: bool,
    clip_skip: int,
    attention: bool,
) -> "tuple[dict[str, Tensor], list[Tensor]]":
    """Return the vectors of every position, and the attention of each layer that is used.

    Args:
        chosen: The text encoder.
        tensors: Its ``input_ids`` and ``attention_mask``, [1, L].
        masks_pads: Whether it is given the mask.
        clip_skip: Layers to leave out at the end.
        attention: Whether to record the self-attention.

    Returns:
        ``token``, ``entering`` and ``contextual``, each [1, L, D], and maps [heads, L, L].
    """
    import torch

    used = _used_layers(chosen, clip_skip)
    device = chosen.encoder.device
    ids = tensors["input_ids"].to(device)
    mask = tensors["attention_mask"].to(device) if masks_pads else None
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, args, out: kept.__setitem__(name, _tensor(out))

    handles = [chosen.layers[used - 1].register_forward_hook(keep("layer"))]
    if chosen.is_clip:
        handles.append(chosen.body.embeddings.register_forward_hook(keep("entering")))
    maps: list[Tensor] = []
    try:
        with torch.no_grad():
            if attention:
                with recorded(chosen.body, mask) as maps:
                    out = chosen.encoder(ids, attention_mask=mask)
            else:
                out = chosen.encoder(ids, attention_mask=mask)
            contextual = _contextual(chosen, out, kept["layer"], clip_skip)
            token = chosen.table(ids)
    finally:
        for handle in handles:
            handle.remove()
    entering = kept.get("entering", token)
    vectors = {"token": token, "entering": entering, "contextual": contextual}
    return vectors, maps[:used]


def norms(encoding: Encoding) -> pd.DataFrame:
    """Return the Euclidean norm of each position's vectors.

    Returns:
        ``position``, ``label``, ``kind``, ``token``, ``entering``, ``contextual``.
    """
    table = _positions(encoding)
    for name in ("token", "entering", "contextual"):
        table[name] = np.linalg.norm(getattr(encoding, name), axis=1)
    return table


def compare(encoding: Encoding, other: Encoding) -> pd.DataFrame:
    """Return, position by position, how far the contextual embeddings of two prompts differ.

    Args:
        encoding: Of a prompt.
        other: Of another prompt by the same encoder, for instance the empty one.

    Returns:
        ``position``, ``label``, ``kind`` and ``other_label`` (of the other prompt); ``same_token``;
        ``same_so_far``, whether all tokens up to here are the same, so that causality makes the
        vectors equal (of T5, whether all tokens are); ``distance``, Euclidean; ``relative``, over
        the other's norm; ``cosine``.

    Raises:
        ValueError: If they come from two different encoders.
    """
    if encoding.part != other.part or encoding.contextual.shape != other.contextual.shape:
        raise ValueError(
            f"both prompts must be encoded by one text encoder, got {encoding.part} "
            f"{encoding.contextual.shape} and {other.part} {other.contextual.shape}."
        )
    same = encoding.ids == other.ids
    if encoding.masks_pads or other.masks_pads:
        same &= encoding.mask == other.mask
    table = _positions(encoding)
    table["other_label"] = labels(other.tokens)
    table["same_token"] = encoding.ids == other.ids
    table["same_so_far"] = np.logical_and.accumulate(same) if encoding.causal else same.all()
    distance = np.linalg.norm(encoding.contextual - other.contextual, axis=1)
    table["distance"] = distance
    table["relative"] = distance / np.maximum(np.linalg.norm(other.contextual, axis=1), 1e-12)
    table["cosine"] = (_unit(encoding.contextual) * _unit(other.contextual)).sum(axis=1)
    return table


def _used_layers(part: TextPart, clip_skip: int) -> int:
    layers = len(part.layers)
    most = layers - 1 - part.skipped if part.is_clip else 0
    if not isinstance(clip_skip, Integral) or not 0 <= clip_skip <= most:
        raise ValueError(
            f"clip_skip must be from 0 to {most} for a text encoder of {layers} layers, "
            f"got {clip_skip!r}."
        )
    return layers - part.skipped - clip_skip


def _contextual(part: TextPart, out: Any, layer: "Tensor", clip_skip: int) -> "Tensor":
    if part.final_norm and clip_skip == 0:
        layer = out.last_hidden_state
    elif part.final_norm:
        layer = part.body.final_layer_norm(layer)
    return layer


def _positions(encoding: Encoding) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "position": range(len(encoding.ids)),
            "label": labels(encoding.tokens),
            "kind": encoding.kinds,
        }
    )


def _tensor(out: Any) -> "Tensor":
    tensor: Tensor = out[0] if isinstance(out, tuple) else out
    return tensor


def _numpy(tensor: "Tensor") -> np.ndarray:
    return tensor.detach().float().cpu().numpy()


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return unit
