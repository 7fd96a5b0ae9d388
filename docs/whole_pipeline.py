"""Stable Diffusion from words to picture, every step written out, of nothing but sdlab.reference.

python docs/whole_pipeline.py "a red car on the beach" car.png
"""

import sys

import torch
from PIL import Image

import sdlab

PROMPT, FILE = (*sys.argv[1:], "a red car on the beach", "picture.png")[:2]
SEED, NUM_STEPS, GUIDANCE_SCALE = 7, 25, 4.0

model = sdlab.reference.load()  # or load("a folder that diffusers saved")
torch.set_grad_enabled(False)

# Words to ids to context. The empty prompt is what guidance leads away from.
ids = model.tokenizer([PROMPT, ""])  # [2, 77]
cond, uncond = (model.text_encoder(row[None]) for row in ids)  # [1, 77, D] each
context = torch.cat([uncond, cond])  # [2, 77, D]

# The beginning: noise alone.
side = model.size // 8
x = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(SEED))

# From noise to latents: ask the network what of x is noise, and go a step towards the rest.
alpha_bar = model.schedule.alpha_bar  # [1000], from 1 (data) to 0 (noise)
stride = len(alpha_bar) // NUM_STEPS
for n in reversed(range(NUM_STEPS)):
    t = n * stride + 1
    a, a_next = alpha_bar[t], alpha_bar[max(t - stride, 0)]

    eps_uncond, eps_cond = model.unet(torch.cat([x, x]), t, context).chunk(2)
    eps = eps_uncond + GUIDANCE_SCALE * (eps_cond - eps_uncond)

    x0 = (x - (1 - a) ** 0.5 * eps) / a**0.5  # x_t = sqrt(a) x_0 + sqrt(1 - a) eps, solved for x_0
    x = a_next**0.5 * x0 + (1 - a_next) ** 0.5 * eps  # the same with a_next: DDIM's step

# Latents to picture: [1, 4, H / 8, W / 8] -> [1, 3, H, W] from -1 to 1 -> bytes.
picture = model.vae.decode(x)
pixels = ((picture * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
Image.fromarray(pixels[0].permute(1, 2, 0).numpy()).save(FILE)
print(f"{PROMPT!r} with seed {SEED} is in {FILE}")
