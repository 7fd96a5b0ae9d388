"""A round trip says which picture is after the VAE, and whose loss is how large."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image

from dashboard.views.ddim.equations import why_linspace
from dashboard.views.ddim.there_and_back import why_missed
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


def test_why_the_way_back_misses_is_said_of_the_figures():
    steps = pd.DataFrame({"relative": [0.01, 0.03]})
    outcome = SimpleNamespace(step_errors=steps, rmse=0.2)
    said = why_missed(outcome, "naive")
    assert "misses by 2.0e-02 of the size of x_t on average and by 3.0e-02 at most; 2 of" in said
    assert "miss the latents by 2.0e-01" in said and "leaves it so" in said
    assert "exactly: what is left, 2.0e-01" in why_missed(outcome, "edict")


def test_why_linspace_gets_worse_is_said_in_numbers():
    said = why_linspace(1000, 20)
    assert "with 20 steps it goes 50 timesteps where linspace's stand 52.6 apart (95%)" in said
    assert "with 256 only 3 timesteps where linspace's stand 3.92 apart (77%)" in said
