"""A round trip says which picture is after the VAE, and whose loss is how large."""

import numpy as np
from PIL import Image

from dashboard.views.ddim.whose_loss import whose_loss


def picture(level):
    return Image.fromarray(np.full((8, 8, 3), level, np.uint8))


def test_the_losses_are_told_apart():
    said = whose_loss(picture(100), picture(110), picture(111), own=False)
    assert "DDIM's: PSNR 48.1 dB" in said  # 20 log10(255 / 1)
    assert "the VAE's: PSNR 28.1 dB" in said  # 20 log10(255 / 10)
    assert "both together: PSNR 27.3 dB" in said  # 20 log10(255 / 11)


def test_where_the_vae_takes_no_part_it_has_no_loss():
    own = whose_loss(picture(1), picture(1), picture(1), own=True)
    assert "the VAE takes no part" in own and "none, they are equal" in own
    assert "not known of a latents file" in whose_loss(None, picture(1), picture(2), own=False)
