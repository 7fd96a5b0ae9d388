"""Noisy latents, a timestep and a context to a prediction: the U-Net.

It sees latents x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps and predicts eps, or v. Four
levels shrink the latents and widen the channels, four bring them back; each layer on the way back
also gets what a layer on the way down has made (the skips). At 64x64 latents, Stable Diffusion 1.5
and 2.1:

    conv_in                                        [B,  320, 64, 64]
    down   0  2 x (ResBlock, Transformer), half    [B,  320, 64, 64] -> [B,  320, 32, 32]
           1  2 x (ResBlock, Transformer), half    [B,  640, 32, 32] -> [B,  640, 16, 16]
           2  2 x (ResBlock, Transformer), half    [B, 1280, 16, 16] -> [B, 1280,  8,  8]
           3  2 x ResBlock                         [B, 1280,  8,  8]
    middle    ResBlock, Transformer, ResBlock      [B, 1280,  8,  8]
    up     0  3 x ResBlock, double                 [B, 1280,  8,  8] -> [B, 1280, 16, 16]
           1  3 x (ResBlock, Transformer), double  [B, 1280, 16, 16] -> [B, 1280, 32, 32]
           2  3 x (ResBlock, Transformer), double  [B,  640, 32, 32] -> [B,  640, 64, 64]
           3  3 x (ResBlock, Transformer)          [B,  320, 64, 64]
    conv_out                                       [B,    4, 64, 64]

Reference:
    Rombach et al. 2022, arXiv 2112.10752, section 3.3 and appendix E; Ho et al. 2020, arXiv
    2006.11239, appendix B; Ronneberger et al. 2015, arXiv 1505.04597 (the U). diffusers:
    UNet2DConditionModel.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UNet(nn.Module):
    """Stable Diffusion's U-Net.

    Args:
        config: Its ``config.json``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        widths, depth = config["block_out_channels"], config["layers_per_block"]
        self.conv_in = nn.Conv2d(config["in_channels"], widths[0], 3, padding=1)
        self.time = TimeEmbedding(widths[0])
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        x, skips = widths[0], [widths[0]]  # channels here, and of what waits for the way back
        for level, width in enumerate(widths):
            self.down.append(stage := Stage())
            for _ in range(depth):
                stage.layers.append(layer(x, level, config))
                x = width
                skips.append(x)
            if level + 1 < len(widths):
                stage.resize = nn.Conv2d(x, x, 3, stride=2, padding=1)
                skips.append(x)
        self.middle = nn.ModuleList(layer(x, -1, config, attends) for attends in (True, False))
        for level in reversed(range(len(widths))):
            self.up.append(stage := Stage())
            for _ in range(depth + 1):
                stage.layers.append(layer(x + skips.pop(), level, config))
                x = widths[level]
            if level:
                stage.resize = nn.Conv2d(x, x, 3, padding=1)
        self.norm_out = nn.GroupNorm(config["norm_num_groups"], x)
        self.conv_out = nn.Conv2d(x, config["out_channels"], 3, padding=1)

    def forward(self, x: Tensor, timestep: Tensor | int, context: Tensor) -> Tensor:
        """Return the prediction, [B, 4, H, W].

        Args:
            x: Noisy latents, [B, 4, H, W].
            timestep: 0 to 999, one for all or [B].
            context: What the text encoder made of the prompts, [B, 77, D].
        """
        time = self.time(torch.as_tensor(timestep, device=x.device).expand(len(x)))  # [B, 4 C]
        x = self.conv_in(x)  # [B, C, H, W]
        skips = [x]
        for stage in self.down:
            for layer in stage.layers:
                x = layer(x, time, context)
                skips.append(x)
            if stage.resize:
                x = stage.resize(x)  # [B, C, H, W] -> [B, C, H / 2, W / 2]
                skips.append(x)
        for layer in self.middle:
            x = layer(x, time, context)
        for stage in self.up:
            for layer in stage.layers:
                x = layer(torch.cat([x, skips.pop()], dim=1), time, context)
            if stage.resize:  # [B, C, H, W] -> [B, C, 2 H, 2 W]
                x = stage.resize(F.interpolate(x, size=skips[-1].shape[2:]))
        return self.conv_out(F.silu(self.norm_out(x)))  # [B, 4, H, W]


class TimeEmbedding(nn.Module):
    """A timestep as a vector: sines and cosines of many frequencies, then an MLP.

    freq_k = 10000^(-k / (C / 2)), k = 0 ... C / 2 - 1; [cos(t freq), sin(t freq)], [B, C].
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, 4 * width)
        self.linear_2 = nn.Linear(4 * width, 4 * width)

    def forward(self, timestep: Tensor) -> Tensor:
        """Return the vector, [B, 4 C], of timesteps [B]."""
        half = self.width // 2
        k = torch.arange(half, dtype=torch.float32, device=timestep.device)
        freq = torch.exp(-math.log(10000) * k / half)  # [C / 2]
        angle = timestep[:, None].float() * freq  # [B, C / 2]
        waves = torch.cat([angle.cos(), angle.sin()], dim=1).to(self.linear_1.weight.dtype)
        return self.linear_2(F.silu(self.linear_1(waves)))  # [B, C] -> [B, 4 C]


class Stage(nn.Module):
    """What happens at one resolution: layers, then a convolution on the way to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.resize: nn.Conv2d | None = None


class Layer(nn.Module):
    """A ResBlock and, where the level has attention, a Transformer."""

    def __init__(self, resnet: "ResBlock", attention: "Transformer | None") -> None:
        super().__init__()
        self.resnet, self.attention = resnet, attention

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """Return [B, C', H, W] of ``x`` [B, C, H, W], time [B, 4 C0], context [B, 77, D]."""
        x = self.resnet(x, time)
        return self.attention(x, context) if self.attention else x


def layer(channels: int, level: int, config: dict[str, Any], attends: bool = True) -> Layer:
    """Return a layer of a level that gets ``channels`` channels; the last level is -1 too."""
    width, groups = config["block_out_channels"][level], config["norm_num_groups"]
    # diffusers' "attention_head_dim" is the number of heads: 8 in 1.5; 5, 10, 20, 20 in 2.1
    heads = config["attention_head_dim"]
    heads = heads[level] if isinstance(heads, list) else heads
    if level >= 0:  # the middle has attention although the level above it has none
        attends = "CrossAttn" in config["down_block_types"][level]
    return Layer(
        ResBlock(channels, width, 4 * config["block_out_channels"][0], groups),
        Transformer(width, heads, config["cross_attention_dim"], groups) if attends else None,
    )


class ResBlock(nn.Module):
    """Two convolutions, told the time in between, added to what came in.

    h = conv1(SiLU(GroupNorm(x))) + W SiLU(time)
    x = shortcut(x) + conv2(SiLU(GroupNorm(h)))          SiLU(x) = x sigmoid(x)
    """

    def __init__(self, channels: int, width: int, time_width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.time = nn.Linear(time_width, width)
        self.norm2 = nn.GroupNorm(groups, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Identity() if channels == width else nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return [B, C', H, W] of ``x`` [B, C, H, W] and time [B, 4 C0]."""
        h = self.conv1(F.silu(self.norm1(x)))  # [B, C', H, W]
        h = h + self.time(F.silu(time))[:, :, None, None]  # [B, C', 1, 1], one number a channel
        h = self.conv2(F.silu(self.norm2(h)))  # [B, C', H, W]
        return self.shortcut(x) + h


class Transformer(nn.Module):
    """Lets places look at each other, then at the words, then works on each place alone.

    x = x + SelfAttention(LayerNorm(x))                  q, k, v of the places
    x = x + CrossAttention(LayerNorm(x), context)        q of the places, k and v of the words
    x = x + W2 (a GELU(b)),  [a, b] = W1 LayerNorm(x)    GEGLU (Shazeer 2020, arXiv 2002.05202)
    """

    def __init__(self, width: int, heads: int, context_width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Conv2d(width, width, 1)  # a linear map at each place; so 2.x stores it
        self.norm1 = nn.LayerNorm(width)
        self.self_attention = Attention(width, width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.cross_attention = Attention(width, context_width, heads)
        self.norm3 = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 8 * width)
        self.mlp_out = nn.Linear(4 * width, width)
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Return [B, C, H, W] of ``x`` [B, C, H, W] and context [B, 77, D]."""
        places = self.proj_in(self.norm(x)).permute(0, 2, 3, 1)  # [B, H, W, C]
        y = places.flatten(1, 2)  # [B, H W, C]: a sequence of places
        normed = self.norm1(y)
        y = y + self.self_attention(normed, normed)
        y = y + self.cross_attention(self.norm2(y), context)
        a, b = self.mlp_in(self.norm3(y)).chunk(2, dim=-1)  # [B, H W, 4 C] each
        y = y + self.mlp_out(a * F.gelu(b))
        y = y.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2).contiguous()  # [B, C, H, W]
        return x + self.proj_out(y)


class Attention(nn.Module):
    """softmax(q k^T / sqrt(d)) v in each head: N queries gather from M keys."""

    def __init__(self, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context_width, width, bias=False)
        self.to_v = nn.Linear(context_width, width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Return [B, N, C] of ``x`` [B, N, C] and context [B, M, D]."""

        def in_heads(y: Tensor) -> Tensor:  # [B, L, C] -> [B, heads, L, d], d = C / heads
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = in_heads(self.to_q(x)), in_heads(self.to_k(context)), in_heads(self.to_v(context))
        # weights softmax(q k^T / sqrt(d)), [B, heads, N, M]: one query's weights sum to 1
        gathered = F.scaled_dot_product_attention(q, k, v)  # [B, heads, N, d]
        return self.to_out(gathered.transpose(1, 2).flatten(2))  # [B, N, C]
