"""Pictures to latents and back: the autoencoder that makes diffusion cheap.

The encoder q(z | picture) = N(mean, std^2) halves height and width three times and leaves four
channels; the decoder brings a picture back. The U-Net works on latents scale * z, whose variance
is near 1. A 512x512 picture, Stable Diffusion 1.5 and 2.1:

    conv_in                               [B, 128, 512, 512]
    down   0  2 x ResBlock, half          [B, 128, 512, 512] -> [B, 128, 256, 256]
           1  2 x ResBlock, half          [B, 256, 256, 256] -> [B, 256, 128, 128]
           2  2 x ResBlock, half          [B, 512, 128, 128] -> [B, 512,  64,  64]
           3  2 x ResBlock                [B, 512,  64,  64]
    middle    ResBlock, attention, ResBlock
    conv_out, quant_conv                  [B,   8,  64,  64]: mean and log variance

and the decoder the same way back, with one ResBlock more at each level.

Reference:
    Rombach et al. 2022, arXiv 2112.10752, section 3.1 and appendix G; Kingma, Welling 2014, arXiv
    1312.6114, eq. 10. diffusers: AutoencoderKL.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class VAE(nn.Module):
    """Stable Diffusion's autoencoder. Pictures are [B, 3, H, W] from -1 to 1.

    Args:
        config: Its ``config.json``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.scale: float = config.get("scaling_factor", 0.18215)  # 1 / std of z over pictures
        channels = config["latent_channels"]
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.quant_conv = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.post_quant_conv = nn.Conv2d(channels, channels, 1)

    def moments(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of z, [B, 4, H / 8, W / 8] each."""
        moments = self.quant_conv(self.encoder(picture))  # [B, 8, H / 8, W / 8]
        mean, log_variance = moments.chunk(2, dim=1)
        return mean, torch.exp(0.5 * log_variance.clamp(-30, 20))

    def encode(self, picture: Tensor, noise: Tensor | float = 0.0) -> Tensor:
        """Return latents, [B, 4, H / 8, W / 8]: a draw of z = mean + std * noise, scaled."""
        mean, std = self.moments(picture)
        return self.scale * (mean + std * noise)

    def decode(self, latents: Tensor) -> Tensor:
        """Return the picture, [B, 3, 8 H, 8 W], of latents [B, 4, H, W]."""
        return self.decoder(self.post_quant_conv(latents / self.scale))


class Encoder(nn.Module):
    """Picture to what mean and log variance are read from."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        widths, groups = config["block_out_channels"], config.get("norm_num_groups", 32)
        self.conv_in = nn.Conv2d(config["in_channels"], widths[0], 3, padding=1)
        self.down, x = nn.ModuleList(), widths[0]
        for level, width in enumerate(widths):
            self.down.append(stage := Stage())
            for _ in range(config["layers_per_block"]):
                stage.layers.append(Layer(x, width, groups))
                x = width
            if level + 1 < len(widths):
                stage.resize = nn.Conv2d(x, x, 3, stride=2)
        self.middle = middle(x, config)
        self.norm_out = nn.GroupNorm(groups, x, eps=1e-6)
        self.conv_out = nn.Conv2d(x, 2 * config["latent_channels"], 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, 8, H / 8, W / 8] of pictures [B, 3, H, W]."""
        x = self.conv_in(x)  # [B, C, H, W]
        for stage in self.down:
            for layer in stage.layers:
                x = layer(x)
            if stage.resize:  # one row and column of zeros, on the right and below only
                x = stage.resize(F.pad(x, (0, 1, 0, 1)))  # [B, C, H, W] -> [B, C, H / 2, W / 2]
        x = self.middle(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Decoder(nn.Module):
    """Latents to a picture."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        widths, groups = config["block_out_channels"][::-1], config.get("norm_num_groups", 32)
        self.conv_in = nn.Conv2d(config["latent_channels"], widths[0], 3, padding=1)
        self.middle = middle(widths[0], config)
        self.up, x = nn.ModuleList(), widths[0]
        for level, width in enumerate(widths):
            self.up.append(stage := Stage())
            for _ in range(config["layers_per_block"] + 1):
                stage.layers.append(Layer(x, width, groups))
                x = width
            if level + 1 < len(widths):
                stage.resize = nn.Conv2d(x, x, 3, padding=1)
        self.norm_out = nn.GroupNorm(groups, x, eps=1e-6)
        self.conv_out = nn.Conv2d(x, config["out_channels"], 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Return pictures [B, 3, 8 H, 8 W] of [B, 4, H, W]."""
        x = self.middle(self.conv_in(z))  # [B, C, H, W]
        for stage in self.up:
            for layer in stage.layers:
                x = layer(x)
            if stage.resize:  # [B, C, H, W] -> [B, C, 2 H, 2 W]
                x = stage.resize(F.interpolate(x, scale_factor=2.0))
        return self.conv_out(F.silu(self.norm_out(x)))


class Stage(nn.Module):
    """What happens at one resolution: layers, then a convolution on the way to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.resize: nn.Conv2d | None = None


class Layer(nn.Module):
    """A ResBlock and, in the middle, attention."""

    def __init__(self, channels: int, width: int, groups: int, attends: bool = False) -> None:
        super().__init__()
        self.resnet = ResBlock(channels, width, groups)
        self.attention = Attention(width, groups) if attends else None

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, C', H, W] of [B, C, H, W]."""
        x = self.resnet(x)
        return self.attention(x) if self.attention else x


def middle(width: int, config: dict[str, Any]) -> nn.Sequential:
    """Return the layers at the lowest resolution; the embedded model's have no attention."""
    groups, attends = config.get("norm_num_groups", 32), config.get("mid_block_add_attention", True)
    return nn.Sequential(Layer(width, width, groups, attends), Layer(width, width, groups))


class ResBlock(nn.Module):
    """Two convolutions, added to what came in: the U-Net's without the time.

    x = shortcut(x) + conv2(SiLU(GroupNorm(conv1(SiLU(GroupNorm(x))))))
    """

    def __init__(self, channels: int, width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels, eps=1e-6)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, width, eps=1e-6)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Identity() if channels == width else nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, C', H, W] of [B, C, H, W]."""
        h = self.conv1(F.silu(self.norm1(x)))  # [B, C', H, W]
        h = self.conv2(F.silu(self.norm2(h)))  # [B, C', H, W]
        return self.shortcut(x) + h


class Attention(nn.Module):
    """Every place looks at all places, in one head: x + W softmax(q k^T / sqrt(C)) v."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.to_q, self.to_k = nn.Linear(width, width), nn.Linear(width, width)
        self.to_v, self.to_out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, C, H, W] of [B, C, H, W]."""
        y = self.norm(x).flatten(2).transpose(1, 2)  # [B, H W, C]: a sequence of places
        q, k, v = (to(y)[:, None] for to in (self.to_q, self.to_k, self.to_v))  # [B, 1, H W, C]
        y = self.to_out(F.scaled_dot_product_attention(q, k, v)[:, 0])  # [B, H W, C]
        return x + y.transpose(1, 2).unflatten(2, x.shape[2:])  # [B, C, H, W]
