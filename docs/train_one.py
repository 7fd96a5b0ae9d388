"""Train a small text-to-image diffusion model and draw with it, of nothing but sdlab.reference.

python docs/train_one.py "a red car" picture.png

It learns six things in six colours, each centred on white: pictures of the embedded world. VAE and
text encoder are the embedded model's; the U-Net starts from chance. After 600 steps it draws what
it was shown, on a mottled ground. A sixth of the pairs it never sees: of two tried, a blue star
came out blue and a green car nearly black. Other words mean nothing to it.
"""

import sys
import time

import torch
from PIL import Image

import sdlab
from sdlab.embedded.captions import Item, Scene
from sdlab.embedded.world import World
from sdlab.reference.losses import (
    drop_captions,
    stratified,
    timesteps_at,
    unet_loss,
    update_average,
)
from sdlab.reference.sampling import guided, sample
from sdlab.reference.unet import UNet

GIVEN, DEFAULTS = sys.argv[1:], ["a red car", "picture.png", "1200"]
PROMPT, FILE, STEPS = GIVEN + DEFAULTS[len(GIVEN) :]
THINGS = ("car", "star", "heart", "balloon", "butterfly", "flower")
COLOURS = ("red", "yellow", "green", "blue", "purple", "pink")
SEED, BATCH, LR, DECAY, NUM_STEPS, GUIDANCE_SCALE = 0, 16, 3e-3, 0.99, 20, 2.0

generator = torch.Generator().manual_seed(SEED)
torch.manual_seed(SEED)  # of the start weights
model = sdlab.reference.load()

# The data: latents of the pictures, contexts of their captions and, last, of no caption.
pairs = [(a, b) for a in range(6) for b in range(6) if b != (a + 2) % 6]  # no green car, blue star
shown = [(COLOURS[b], THINGS[a]) for a, b in pairs]
with torch.no_grad():
    scenes = [Scene((Item(thing, 80, 24, 24, tint=colour),), "white") for colour, thing in shown]
    latents = model.vae.encode(World().render(scenes)[0])  # [N, 4, 16, 16]
    ids = model.tokenizer([*(f"a {colour} {thing}" for colour, thing in shown), ""])
    contexts = model.text_encoder(ids)  # [N + 1, 77, 128]

# The network: Stable Diffusion's U-Net, two levels of 32 and 64 channels.
unet = UNet(
    {
        "in_channels": 4, "out_channels": 4, "block_out_channels": [32, 64], "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "norm_num_groups": 8, "attention_head_dim": 4, "cross_attention_dim": 128,
    }
)  # fmt: skip
average = {name: weight.detach().clone() for name, weight in unet.named_parameters()}
optimizer = torch.optim.AdamW(unet.parameters(), LR, (0.9, 0.99))
pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, int(STEPS), pct_start=0.1)

# Training: hide pictures under noise, predict the noise, make the squared error smaller.
alpha_bar = model.schedule.alpha_bar  # [1000], from 1 (data) to 0 (noise)
begun, losses = time.monotonic(), []
for step in range(1, int(STEPS) + 1):
    rows = torch.randint(len(latents), (BATCH, 1), generator=generator)
    words, _ = drop_captions(rows, torch.tensor([len(latents)]), 0.1, generator)  # for guidance
    context = contexts[words[:, 0]]
    x0, noise = latents[rows[:, 0]], torch.randn(BATCH, 4, 16, 16, generator=generator)
    timesteps = timesteps_at(stratified(BATCH, generator))
    loss = unet_loss(
        lambda x, t, context=context: unet(x, t, context), x0, noise, timesteps, alpha_bar
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    pace.step()
    update_average(average, unet, DECAY, step)
    losses.append(loss.item())
    if step % 100 == 0 or step == int(STEPS):
        recent = sum(losses[-100:]) / len(losses[-100:])
        print(f"step {step}: loss {recent:.4f}, {time.monotonic() - begun:.0f} s", flush=True)

# Drawing: from noise to latents in 20 steps of DDIM, to a picture by the VAE.
unet.load_state_dict(average, strict=False)
with torch.no_grad():
    context, empty = (model.text_encoder(model.tokenizer([text])) for text in (PROMPT, ""))
predict = guided(unet, context, empty, GUIDANCE_SCALE)
x = torch.randn(1, 4, 16, 16, generator=generator)
*_, last = sample(predict, model.schedule, x, NUM_STEPS, lambda: torch.randn(x.shape))
Image.fromarray(model.picture(last.x_next).numpy()).save(FILE)
seen = (
    "shown in training" if PROMPT.split()[1:] in [list(pair) for pair in shown] else "never shown"
)
print(f"{PROMPT!r}, {seen}, is in {FILE}")
