r"""Prompt-to-prompt: edit a caption and keep the layout, by injecting cross-attention.

Two regenerations run side by side from one noise, under the caption and under the edited one. For
the first part of the steps the edited one uses, for every token that both captions share, the
attention map M of the other (Hertz et al. 2022, arXiv 2208.01626, section 3.2, "adding a new
phrase"):

    (M*)_ij = M_source[i, A(j)]  if token j has a partner A(j) in the caption, else M_target[i, j].

Each head and layer uses its own map. The processors are in place during one network call at a time
and put back in ``finally``, so runs that share the network never see them. The network's weights,
its self-attention and the first regeneration are not changed.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from sdlab.ddim.invert import Inversion, Return, regenerating
from sdlab.denoisers.network import Sample, evaluate, predictions, uses_guidance
from sdlab.errors import ModelError
from sdlab.models.model import Model
from sdlab.text.tokens import token_tensors
from sdlab.work import Work

if TYPE_CHECKING:
    from torch import Tensor

KNOWN = ("AttnProcessor", "AttnProcessor2_0")


def shared_tokens(model: Model, caption: str, edited: str) -> list[tuple[int, int]]:
    """Return (place in the caption, place in the edited one) of every token that both share.

    Start, end and padding are shared too. Tokens that changed their order are not.
    """
    tokenizer = model.pipeline.tokenizer
    source, target = (
        token_tensors(tokenizer, text)["input_ids"][0].tolist() for text in (caption, edited)
    )
    blocks = SequenceMatcher(None, source, target, autojunk=False).get_matching_blocks()
    return [(b.a + i, b.b + i) for b in blocks for i in range(b.size)]


class Pair:
    """Two captions on one network as a denoiser of two rows; the second uses the first's attention.

    Args:
        model: The loaded model.
        caption: Of the first row.
        edited: Of the second.
        negative_prompt: Of both; used with guidance.
        guidance_scale: Of both.
        sigma_least: The lowest noise level at which attention is injected; inf for never.
    """

    def __init__(
        self,
        model: Model,
        caption: str,
        edited: str,
        negative_prompt: str,
        guidance_scale: float,
        sigma_least: float,
    ) -> None:
        if not model.plain:
            raise ValueError(
                f"The attention of {model.name} cannot be held: that needs Stable Diffusion 1.x or"
                " 2.x. Set the share of steps (inject) to 0."
            )
        self.model, self.sigma_least = model, sigma_least
        guided = uses_guidance(model, guidance_scale)
        negative = negative_prompt if guided else None
        words = [model.encode_prompt(text, negative) for text in (caption, edited)]
        self._words = [(cond, uncond, guidance_scale, 0.0) for cond, uncond in words]
        self._tokens = shared_tokens(model, caption, edited)
        self._rows = (1, 3) if guided else (0, 1)

    def __call__(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return x0_pred of both rows, float32 [2, C, h, w]."""
        import torch

        schedule = self.model.schedule
        x_t = x / math.sqrt(1.0 + sigma**2)
        timestep = float(schedule.sigma_to_timestep(sigma))
        rows = zip(x_t.split(1), self._words, strict=True)
        samples = [Sample(row, timestep, *words) for row, words in rows]
        if sigma >= self.sigma_least:
            with injected(self.model.pipeline.unet, self._tokens, *self._rows):
                outputs = evaluate(self.model, samples)
        else:
            outputs = evaluate(self.model, samples)
        output = torch.cat([output.guided for output in outputs])
        return predictions(schedule, x_t, sigma, output)[0]


def regenerating_with_attention(
    model: Model,
    inversion: Inversion,
    caption: str,
    edited: str,
    *,
    negative_prompt: str = "",
    guidance_scale: float = 1.0,
    start: int = 0,
    share: float = 0.5,
) -> Work[Return]:
    """Regenerate from an inversion under an edited caption, keeping the caption's attention.

    Args:
        model: The model that inverted.
        inversion: Of one picture.
        caption: The caption it was inverted under.
        edited: The caption to regenerate under.
        negative_prompt: Used with guidance.
        guidance_scale: Of both regenerations.
        start: The level to start from.
        share: Part of all steps, from the noise on, in which attention is injected, 0 ... 1.

    Raises:
        ValueError: If ``share`` or ``start`` is out of range.
        ModelError: If the network's attention is not of a kind that can be followed.
    """
    import torch

    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1, got {share}.")
    steps = len(inversion.sigmas) - 1
    count = round(share * steps)
    least = inversion.sigmas[count - 1] if count else math.inf
    denoise = Pair(model, caption, edited, negative_prompt, guidance_scale, least)
    both = tuple(torch.cat([s.repeat(2, 1, 1, 1) for s in x.split(1)]) for x in inversion.states)
    doubled = Inversion(inversion.sigmas, inversion.method, inversion.scheme, both)
    back = yield from regenerating(denoise, doubled, start)
    return Return(back.latents[1:2], back.path[:, 1:2], start)


@contextmanager
def injected(
    unet: Any, tokens: Sequence[tuple[int, int]], source_row: int, target_row: int
) -> Iterator[None]:
    """Inject one row's cross-attention into another's within the block; then restore the network.

    Args:
        unet: diffusers ``UNet2DConditionModel``.
        tokens: (place in the source's text, place in the target's) of the tokens to inject.
        source_row: Of the batch.
        target_row: Of the batch.

    Raises:
        ModelError: If a cross-attention has a processor that is not supported here.
    """
    layers = [m for name, m in unet.named_modules() if name.endswith("attn2")]
    before = [layer.processor for layer in layers]
    odd = {type(p).__name__ for p in before} - set(KNOWN)
    if odd:
        raise ModelError(
            f"Prompt-to-prompt cannot follow attention by {', '.join(sorted(odd))}; it needs"
            f" diffusers' {' or '.join(KNOWN)}: unload adapters first."
        )
    processor = _Injecting(tokens, source_row, target_row)
    try:
        for layer in layers:
            layer.processor = processor
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            layer.processor = own


class _Injecting:
    """diffusers' ``AttnProcessor``, except that one row's maps are used for another row too."""

    def __init__(self, tokens: Sequence[tuple[int, int]], source_row: int, target_row: int) -> None:
        self.source = [a for a, _ in tokens]
        self.target = [b for _, b in tokens]
        self.rows = (source_row, target_row)

    def __call__(
        self,
        attn: Any,
        hidden_states: "Tensor",
        encoder_hidden_states: "Tensor | None" = None,
        attention_mask: "Tensor | None" = None,
        *args: Any,
        **kwargs: Any,
    ) -> "Tensor":
        import torch

        assert encoder_hidden_states is not None and hidden_states.ndim == 3
        batch = len(hidden_states)
        mask = attn.prepare_attention_mask(attention_mask, encoder_hidden_states.shape[1], batch)
        words = encoder_hidden_states
        if attn.norm_cross:
            words = attn.norm_encoder_hidden_states(words)
        parts = (attn.to_q(hidden_states), attn.to_k(words), attn.to_v(words))
        query, key, value = (attn.head_to_batch_dim(part) for part in parts)
        maps = attn.get_attention_scores(query, key, mask).unflatten(0, (batch, -1))
        source, target = self.rows
        edited = maps[target].clone()
        edited[..., self.target] = maps[source][..., self.source]
        maps = torch.cat((maps[:target], edited[None], maps[target + 1 :]))
        out = attn.batch_to_head_dim(torch.bmm(maps.flatten(0, 1), value))
        shown: Tensor = attn.to_out[1](attn.to_out[0](out)) / attn.rescale_output_factor
        return shown
