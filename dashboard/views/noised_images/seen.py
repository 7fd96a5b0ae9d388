"""What is seen in the charts of noised images, a line each, and the theory behind them."""

SNR_SEEN = "At 0 dB, sigma 1, the noise is as strong as the picture."
PSNR_SEEN = "How near each frame comes to the picture; higher is nearer."
EQUAL = "A frame without noise equals the picture, so it has no PSNR to draw."
EQUATIONS = (
    r"x_t = \sqrt{\bar\alpha}\,x_0 + \sqrt{1 - \bar\alpha}\;\epsilon",
    r"\mathrm{SNR} = -20 \log_{10} \sigma\;\mathrm{dB}",
    r"\mathrm{PSNR} = 20 \log_{10} \frac{255}{\mathrm{RMSE}}\;\mathrm{dB}",
)
WHY = """
**One picture, one noise.** Every frame is the same picture with the same noise, in a flow-matching
model mixed as `x_t = (1 - t) x0 + t eps`, which is noise alone at t = 1. Only the shares change
from step to step. A sampler goes from left to right; it must guess what the noise hides.

**Where steps are spent.** Follow one step number in both rows. A schedule whose picture appears
early spends its remaining steps on fine detail; one whose picture appears late spends them on
layout. The last frame of some schedules still holds a little noise: their last step ends above
sigma 0.

**Why latents look different.** Pixel noise is the grain of a camera: each pixel is wrong by
itself, while its neighbours say nearly the same about the picture, so the eye averages the grain
away. A latent value describes a whole patch of pixels (8 x 8 in Stable Diffusion), so there is
little left to average: noise changes whole patches, and the VAE, which never saw such latents,
draws blotches, wrong colours and invented texture. At the same SNR the layout therefore survives
longer in pixels. For the same reason larger pictures need more noise (Hoogeboom et al. 2023,
arXiv 2301.11093).

**SNR and PSNR.** SNR compares signal and noise before anything is drawn: 0 dB is sigma 1, and each
factor of ten in sigma is 20 dB. PSNR compares the frame as shown with the picture. In latents it
cannot exceed what the VAE itself keeps: that is the flat top of the curve.
"""
