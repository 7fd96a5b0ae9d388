"""Token ids to context: CLIP's text encoder, a transformer that reads from left to right.

Each token is a vector for its word plus one for its place. Every block lets tokens look at those
before them, then works on each token alone; both are added to what was there:

    x = x + Attention(LayerNorm(x))           softmax(q k^T / sqrt(d) + mask) v, in each head
    x = x + MLP(LayerNorm(x))                 W2 act(W1 x)

The U-Net takes the last block's output for all 77 tokens, padding too: the context, [B, 77, D].

Stable Diffusion 1.x has CLIP ViT-L/14: D = 768, 12 blocks, 12 heads, act(x) = x sigmoid(1.702 x).
2.x has OpenCLIP ViT-H/14: D = 1024, 16 heads, act = GELU, and takes the output of the last block
but one. Its folder therefore holds 23 of the 24 blocks, and nothing has to be done about it here.

Reference:
    Radford et al. 2021, arXiv 2103.00020, section 2.4; Vaswani et al. 2017, arXiv 1706.03762,
    eq. 1. transformers: CLIPTextModel.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Config = dict[str, Any]
"""The network's ``config.json``."""


def quick_gelu(x: Tensor) -> Tensor:
    """Return x sigmoid(1.702 x), which is near GELU and was quicker once."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": F.gelu}


class TextEncoder(nn.Module):
    """CLIP's text encoder."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.token = nn.Embedding(config["vocab_size"], width)
        self.position = nn.Embedding(config["max_position_embeddings"], width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config["num_hidden_layers"]))
        self.norm_out = nn.LayerNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the context, [B, 77, D], of token ids, int64 [B, 77]."""
        x = self.token(ids) + self.position.weight[: ids.shape[1]]  # [B, 77, D]
        for block in self.blocks:
            x = block(x)  # [B, 77, D]
        return self.norm_out(x)  # [B, 77, D]


class Block(nn.Module):
    """One layer: attention, then an MLP of one hidden layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, hidden = config["hidden_size"], config["intermediate_size"]
        self.norm1 = nn.LayerNorm(width)
        self.attention = CausalAttention(width, config["num_attention_heads"])
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.activation = ACTIVATIONS[config["hidden_act"]]

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens after this layer, as they came: [B, 77, D]."""
        x = x + self.attention(self.norm1(x))  # [B, 77, D]
        hidden = self.activation(self.fc1(self.norm2(x)))  # [B, 77, 4 D]
        return x + self.fc2(hidden)  # [B, 77, D]


class CausalAttention(nn.Module):
    """Every token looks at itself and at those before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k = nn.Linear(width, width), nn.Linear(width, width)
        self.to_v, self.to_out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return what each token [B, 77, D] gathered, of the same shape."""

        def in_heads(y: Tensor) -> Tensor:  # [B, 77, D] -> [B, heads, 77, D / heads]
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = in_heads(self.to_q(x)), in_heads(self.to_k(x)), in_heads(self.to_v(x))
        # softmax(q k^T / sqrt(D / heads)) v, where what comes later has weight 0
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # [B, heads, 77, D / heads]
        return self.to_out(seen.transpose(1, 2).flatten(2))  # [B, 77, D]
