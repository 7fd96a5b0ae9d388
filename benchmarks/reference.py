"""Whether sdlab.reference equals diffusers and transformers, how fast it is, and how long to read.

Every network of ours gets the weights of theirs, and both get the same input, in float32. The real
sizes of Stable Diffusion 1.5 and 2.1 have random weights, as diffusers and transformers begin with,
64x64 latents (512x512 pixels) and a batch of two, as guidance makes it.

Run: python benchmarks/reference.py [--quick] [--json]     (Linux: memory is read from /proc)
"""

import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from full_size import CLIP
from house import code_lines, files_of, functions_of
from memory import peak
from report import Report, interleaved, ratio
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import sdlab
from sdlab.reference.text_encoder import TextEncoder
from sdlab.reference.unet import UNet
from sdlab.reference.vae import VAE
from sdlab.shipped import FOLDER

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.reference.parts import largest, ours  # noqa: E402
from tests.reference.prompts import odd_prompts  # noqa: E402

READ = ("tokenizer", "text_encoder", "unet", "vae", "sampling", "model", "weights")
"""What is to be read in an evening; the training beside it is another evening."""
CLOSE, FAST, SMALL = "<= 1e-5", "<= 1.3", "<= 1.3"
PROMPTS = ("a red car on the beach", "two pandas", "a rocket left of a blue tree", "")
UNETS = {
    "SD 1.5": {"cross_attention_dim": 768, "attention_head_dim": 8},
    "SD 2.1": {
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
}
TEXTS = {
    "SD 1.5": CLIP,
    "SD 2.1": {
        **CLIP,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 23,
        "num_attention_heads": 16,
        "hidden_act": "gelu",
    },
}
AUTOENCODER = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}


def randn(*shape):
    """Return noise, the same for both."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def compare(report, name, theirs, mine, repeats):
    """Add how far two functions' results are apart, and time and memory of ours over theirs."""
    expected = theirs()
    report.add(
        f"{name}: largest difference",
        largest(mine(), expected),
        goal=CLOSE,
        note=f"of outputs of std {expected.std():.2f}",
    )
    times = interleaved({"ours": mine, "theirs": theirs}, repeats)
    report.add(f"{name}: time, ours / theirs", ratio(times, "ours", "theirs"), goal=FAST)
    needs = peak(theirs)
    if needs > 50 * 2**20:  # below, it is the allocator's to say
        report.add(
            f"{name}: peak memory, ours / theirs",
            peak(mine) / needs,
            goal=SMALL,
            note=f"theirs {needs / 2**20:,.0f} MiB over the weights",
        )


def text_encoder(report, name, theirs, mine, repeats):
    """Compare two text encoders."""
    ids = torch.randint(49408, (1, 77), generator=torch.Generator().manual_seed(0))
    compare(
        report,
        f"{name}: text encoder",
        lambda: theirs(ids).last_hidden_state,
        lambda: mine(ids),
        repeats,
    )


def unet(report, name, theirs, mine, repeats):
    """Compare two U-Nets at the size that they were made for."""
    side, width = theirs.config.sample_size, theirs.config.cross_attention_dim
    given = (randn(2, 4, side, side), torch.tensor([801, 801]), randn(2, 77, width))
    compare(report, f"{name}: U-Net", lambda: theirs(*given).sample, lambda: mine(*given), repeats)


def vae(report, name, theirs, mine, side, repeats):
    """Compare two autoencoders, both ways."""
    picture, latents = randn(1, 3, 8 * side, 8 * side).clamp(-1, 1), randn(1, 4, side, side)
    scale = theirs.config.scaling_factor
    compare(
        report,
        f"{name}: VAE, encoding",
        lambda: theirs.encode(picture).latent_dist.mean * scale,
        lambda: mine.encode(picture),
        repeats,
    )
    compare(
        report,
        f"{name}: VAE, decoding",
        lambda: theirs.decode(latents / scale).sample,
        lambda: mine.decode(latents),
        repeats,
    )


def tokens(report, count):
    """Add how many odd prompts have other ids than transformers gives them."""
    theirs = CLIPTokenizer.from_pretrained(FOLDER / "tokenizer", local_files_only=True)
    prompts = odd_prompts(count)
    full = {"padding": "max_length", "truncation": True, "max_length": 77, "return_tensors": "pt"}
    mine = sdlab.reference.load().tokenizer(prompts)
    odd = (mine != theirs(prompts, **full).input_ids).any(dim=1).sum()
    report.add(f"tokenizer: of {count:,} odd prompts, with other ids", odd.item(), goal="<= 0")


def pictures(report, pipe, model, num_steps, repeats):
    """Add how many bytes differ in whole pictures, and the time and memory of one."""

    def theirs(prompt=PROMPTS[0], seed=0):
        generator = torch.Generator().manual_seed(seed)
        options = {"num_inference_steps": num_steps, "guidance_scale": 4.0, "generator": generator}
        return np.asarray(pipe(prompt, **options).images[0])

    def mine(prompt=PROMPTS[0], seed=0):
        return model.generate(prompt, seed=seed, num_steps=num_steps, guidance_scale=4.0).numpy()

    odd = [int((theirs(p, n) != mine(p, n)).sum()) for n, p in enumerate(PROMPTS)]
    report.add(
        f"embedded: bytes of {len(PROMPTS)} pictures of {num_steps} steps that differ",
        sum(odd),
        goal="<= 0",
    )
    times = interleaved({"ours": mine, "theirs": theirs}, repeats)
    report.add("embedded: picture, time, ours / theirs", ratio(times, "ours", "theirs"), goal=FAST)
    needs = peak(theirs)
    report.add(
        "embedded: picture, peak memory, ours / theirs",
        peak(mine) / needs,
        goal=SMALL,
        note=f"theirs {needs / 2**20:,.0f} MiB over the weights",
    )


def embedded(report, num_steps, repeats):
    """Compare everything on the embedded model."""
    pipe = StableDiffusionPipeline.from_pretrained(
        FOLDER, dtype=torch.float32, local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    model = sdlab.reference.load()
    text_encoder(report, "embedded", pipe.text_encoder, model.text_encoder, 3 * repeats)
    unet(report, "embedded", pipe.unet, model.unet, 3 * repeats)
    vae(report, "embedded", pipe.vae, model.vae, 16, 3 * repeats)
    pictures(report, pipe, model, num_steps, repeats)


def real_size(report, repeats):
    """Compare the networks at their real sizes, one pair in memory at a time."""
    for family in UNETS:
        torch.manual_seed(0)
        theirs = CLIPTextModel(CLIPTextConfig(**TEXTS[family])).eval()
        text_encoder(
            report, family, theirs, like(TextEncoder, theirs, theirs.config.to_dict()), repeats
        )
        theirs = UNet2DConditionModel(sample_size=64, **UNETS[family]).eval()
        unet(report, family, theirs, like(UNet, theirs, theirs.config), repeats)
    theirs = AutoencoderKL(**AUTOENCODER).eval()
    vae(report, "SD 1.5 and 2.1", theirs, like(VAE, theirs, theirs.config), 64, repeats)


def like(kind, theirs, config):
    """Return our network with the very weights of theirs, which take no memory again."""

    def made(settings):
        with torch.device("meta"):
            return kind(settings)

    return ours(made, theirs, config)


def size(report):
    """Add how much there is to read."""
    paths = {path.stem: path for path in files_of(ROOT, "sdlab/reference")}
    lines = {name: code_lines(paths[name].read_text(encoding="utf-8")) for name in READ}
    each = ", ".join(f"{name} {count}" for name, count in lines.items())
    report.add("lines of code in all", sum(lines.values()), goal="<= 800", note=each)
    report.add("tokenizer: lines of code", lines["tokenizer"], goal="<= 59")
    longest = max(count for name in READ for count, _ in functions_of(paths[name]))
    report.add("longest function, lines", longest, goal="<= 29")


@torch.no_grad()
def main():
    """Measure and print."""
    report = Report(__doc__)
    report.head()
    size(report)
    quick = report.arguments.quick
    tokens(report, 2_000 if quick else 10_000)
    embedded(report, num_steps=5 if quick else 25, repeats=5 if quick else 11)
    if not quick:
        real_size(report, repeats=3)
    report.close()


if __name__ == "__main__":
    main()
