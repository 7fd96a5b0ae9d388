"""The theory behind what is seen on the Latents page."""

CODED = (
    r"z = s\,(\mathrm{E}(\text{picture}) - b)",
    r"\mathrm{D}(z / s + b) \approx \text{picture}",
)
WHY_CHANNELS = (
    "The VAE's encoder E makes a few numbers of each patch of pixels, 4 of 8 x 8 in Stable "
    "Diffusion; its decoder D draws the picture from them. s and b bring them to about the spread "
    "of noise, so that both can be mixed. No channel is a colour by itself: the decoder reads all "
    "of them together, with their surroundings."
)
SPLIT = (
    r"x_t = \sqrt{\bar\alpha}\,\text{x0\_pred} + \sqrt{1 - \bar\alpha}\;\text{eps\_pred}",
    r"\text{eps\_pred} = \frac{x_t \sqrt{1 + \sigma^2} - \text{x0\_pred}}{\sigma}",
)
WHY_SPLIT = (
    "The network splits what it is given into a picture and noise; either tells the other. x0_pred "
    "is the mean over all pictures that the noise leaves possible, so it is blurred early and "
    "sharp late. With flow matching x_t = (1 - t) x0_pred + t eps_pred."
)
LOSS = (
    r"\mathrm{PSNR} = 20 \log_{10} \frac{255}{\mathrm{RMSE}}",
    r"\mathrm{RMSE} = \sqrt{\mathrm{mean}\,(\mathrm{D}(\mathrm{E}(x)) - x)^2}",
)
WHY_LOSS = (
    "The VAE keeps only a few numbers for each patch of pixels, 48 times fewer in Stable "
    "Diffusion. What is lost here no sampler can draw, however many steps it makes. PSNR counts "
    "every pixel alike; SSIM (Wang et al. 2004) compares structure, and 1 is equal."
)
