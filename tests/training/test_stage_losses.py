"""The losses of VAE and U-Net, to the bit as they were spelled out before ``sdlab.reference`` had
them: the same operations in the same order, here with diffusers' own KL."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel

from sdlab.embedded.world import World
from sdlab.training.attention_loss import keep_maps
from sdlab.training.nets import WIDTH, load_tokenizer, make_text_encoder
from sdlab.training.stage_unet import (
    EMPTY_SHARE,
    SPREAD,
    UnetSettings,
    UnetStage,
    faint_signal,
)
from sdlab.training.stage_vae import KL_WEIGHT, LATENT_NOISE, VaeStage
from sdlab.training.vocabulary import Vocabulary

pytestmark = pytest.mark.slow

OBJECTS = ("cat", "parrot", "car", "heart")


def small_vae():
    torch.manual_seed(0)
    kinds = {f"{way}_block_types": (f"{way.title()}{coder}Block2D",) * 4
             for way, coder in (("down", "Encoder"), ("up", "Decoder"))}  # fmt: skip
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, latent_channels=4,
        norm_num_groups=2, mid_block_add_attention=False, **kinds,
    )  # fmt: skip


def small_unet_stage():
    vae = small_vae()
    vocabulary = Vocabulary(load_tokenizer(), OBJECTS)
    unet = UNet2DConditionModel(
        sample_size=16, block_out_channels=(16, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), attention_head_dim=4,
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=WIDTH,
    )  # fmt: skip
    settings = UnetSettings(seed=1, objects=OBJECTS, batch=8, block=8)
    text = make_text_encoder(len(vocabulary))
    return UnetStage(unet, vae, text, vocabulary, World(), settings)


@torch.no_grad()
@pytest.mark.parametrize("step", [0, 1])  # whole pictures and crops
def test_the_vaes_loss_is_as_it_was(step):
    stage = VaeStage(small_vae(), World(), seed=1, batch=1, objects=OBJECTS)
    loss, figures = stage.loss(step, torch.Generator().manual_seed(4))
    generator = torch.Generator().manual_seed(4)
    pictures = stage._pictures(step, generator)
    with torch.autocast("cpu", torch.bfloat16):
        posterior = stage.module.encode(pictures).latent_dist
        scale = posterior.mean.float().std() * LATENT_NOISE
        noise = torch.randn(posterior.mean.shape, generator=generator)
        restored = stage.module.decode(posterior.mean + scale * noise).sample.float()
    mse, apart = F.mse_loss(restored, pictures), F.l1_loss(restored, pictures)
    assert loss == mse + 0.1 * apart + KL_WEIGHT * posterior.kl().mean()
    assert figures == {"mse": float(mse)}


@torch.no_grad()
def test_the_unets_loss_is_as_it_was():
    stage = small_unet_stage()
    loss, figures = stage.loss(1, torch.Generator().manual_seed(0))
    block, rows = stage.block_at(1)
    generator = torch.Generator().manual_seed(0)
    shares = (torch.arange(8) + torch.rand(8, generator=generator)) / 8
    t = torch.from_numpy(np.interp(shares, *np.array(SPREAD).T)).long()
    noise = torch.randn(8, 4, 16, 16, generator=generator)
    empty = torch.rand(8, generator=generator) < EMPTY_SHARE
    ids = torch.where(empty[:, None], stage.vocabulary.empty, block.ids[rows])
    factor = faint_signal(t, generator).view(-1, 1, 1, 1)
    latents, alpha_bar = block.latents[rows], stage.alpha_bar[t].view(-1, 1, 1, 1)
    x_t = alpha_bar.sqrt() * (factor * latents) + (1 - alpha_bar).sqrt() * noise
    with keep_maps(stage.module), torch.autocast("cpu", torch.bfloat16):
        x_in = x_t.contiguous(memory_format=torch.channels_last)
        eps_pred = stage.module(x_in, t, stage.hidden(ids)).sample
    eps = (x_t - alpha_bar.sqrt() * latents) / (1 - alpha_bar).sqrt()
    error = (eps_pred.float() - eps).square().mean((1, 2, 3))
    assert empty.any() and (factor < 1).any() and t.max() > 900
    assert loss == (error * (1 / stage.alpha_bar[t]).clamp(max=30)).mean()
    assert figures == {"error": float(error.mean())}
