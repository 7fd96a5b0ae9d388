"""Trains the embedded U-Net at a quarter of its width with other activations and time embeddings.

    python benchmarks/unet_activations.py            trains what docs/unet_activations.csv lacks
    python benchmarks/unet_activations.py --table    writes the table of docs/activations.md anew
    python benchmarks/unet_activations.py --quick    two short trainings, nothing stored
    python benchmarks/unet_activations.py --json     the last line is one JSON object

Every SiLU of the network gives way: in the residual blocks, before the last convolution, in the
time embedding's MLP. (The GEGLU of the attention blocks stays.) The time is told as sinusoids to
the networks of all activations, and in the playground's two other ways to that of SiLU. Loss and
optimizer are those that the embedded U-Net was trained with, the same for all, tuned for none. VAE
and text encoder are the embedded model's.

A seed decides weights, batches, timesteps and noise; all seeds see the same 2,048 scenes of one
painted object each, of six. All networks are judged on the same held-out scenes, captions,
timesteps and noise.
Intervals are Student's, 95 %, over the seeds: of what another seed would give.

loss   mean squared error of the predicted noise on 512 held-out scenes, averaged weights
score  share of the statements of 48 held-out captions that the checker finds in the pictures,
       25 DDIM steps, guidance scale 4
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from report import Report
from torch import Tensor, nn
from trainings import Trainings, asked_rows, options, stored, write_between

import sdlab
from sdlab.embedded.captions import text_of
from sdlab.embedded.checker import Checker, judge
from sdlab.embedded.claims import parse
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.playground.network import ACTIVATIONS, EMBEDDINGS, TimeEmbedding
from sdlab.reference.losses import (
    drop_captions,
    eps_between,
    noised,
    squared_error,
    stratified,
    timesteps_at,
    unet_loss,
    update_average,
    v_weight,
)
from sdlab.reference.sampling import guided, sample
from sdlab.shipped import FOLDER
from sdlab.training.evaluate import held_out_captions
from sdlab.training.loop import TrainingPlan
from sdlab.training.optimizer import MuonAdamW
from sdlab.training.run import AVERAGE, COOLDOWN, STEP_FRESH
from sdlab.training.stage_unet import EMPTY_SHARE, SPREAD, WEIGHT_CLIP, faint_signal

ROOT = Path(__file__).parents[1]
STORED = ROOT / "docs" / "unet_activations.csv"
TOLD = ROOT / "docs" / "activations.md"
FIELDS = ("activation", "embedding", "seed", "steps", "loss", "score")
TABLE = Trainings(FIELDS, known_by=FIELDS[:4], alike=FIELDS[:2])
MEASURES = {"loss": "held-out loss", "score": "checker's score"}
NETWORKS = (
    *((activation, "sinusoids") for activation in ACTIVATIONS),
    *(("SiLU", embedding) for embedding in EMBEDDINGS if embedding != "sinusoids"),
)
STEPS, BATCH = 800, 16
NUM_STEPS, GUIDANCE_SCALE = 25, 4.0
SCENES, HELD_OUT, CAPTIONS = 2048, 512, 48
OBJECTS = ("car", "star", "heart", "balloon", "butterfly", "flower")
KINDS = (("coloured", 1.0),)


@dataclass(frozen=True)
class Training:
    """What one row of the table is of."""

    activation: str
    embedding: str
    seed: int
    steps: int = STEPS


class Time(nn.Module):
    """Timesteps [B] of 0 ... 999 -> [B, width], in the place of diffusers' ``time_proj``."""

    def __init__(self, kind: str, seed: int) -> None:
        super().__init__()
        self.embedding = TimeEmbedding(kind, torch.Generator().manual_seed(seed))

    def forward(self, timesteps: Tensor) -> Tensor:
        """Return the embedded time."""
        embedded: Tensor = self.embedding(timesteps.float() / 1000)
        return embedded


def network(training: Training) -> UNet2DConditionModel:
    """Return a fresh U-Net, a quarter as wide as the embedded one, with its parts exchanged.

    Its attention has one head where that one has four, of the same size.
    """
    torch.manual_seed(training.seed)
    config = UNet2DConditionModel.load_config(FOLDER / "unet")
    widths = tuple(width // 4 for width in config["block_out_channels"])
    changes = {"block_out_channels": widths, "norm_num_groups": 8, "attention_head_dim": 1}
    unet = UNet2DConditionModel.from_config(config | changes)
    unet.time_proj = Time(training.embedding, training.seed)
    first = unet.time_embedding.linear_1
    unet.time_embedding.linear_1 = nn.Linear(unet.time_proj.embedding.width, first.out_features)
    for module in list(unet.modules()):
        for name, part in module.named_children():
            if isinstance(part, nn.SiLU):
                setattr(module, name, ACTIVATIONS[training.activation]())
    return unet


@cache
def reference() -> sdlab.reference.StableDiffusion:
    """Return tokenizer, text encoder, VAE and schedule of the embedded model."""
    return sdlab.reference.load()


@torch.no_grad()
def contexts(captions: list[str]) -> Tensor:
    """Return what the text encoder makes of captions, [N, 77, 128]."""
    model = reference()
    parts = [captions[i : i + 64] for i in range(0, len(captions), 64)]
    return torch.cat([model.text_encoder(model.tokenizer(part)) for part in parts])


@cache
def scenes(split: str, count: int) -> tuple[Tensor, Tensor]:
    """Return latents [N, 4, 16, 16] and contexts of as many scenes, of no caption the last."""
    drawn = SceneSampler(0, OBJECTS, split, KINDS).batch(0, count)
    latents = []
    with torch.no_grad():
        for first in range(0, count, 64):
            part = [scene for scene, _ in drawn[first : first + 64]]
            latents.append(reference().vae.encode(World().render(part)[0]))
    return torch.cat(latents), contexts([*(text_of(words) for _, words in drawn), ""])


def weighted_loss(unet: nn.Module, x0: Tensor, context: Tensor, g: torch.Generator) -> Tensor:
    """Return what the embedded U-Net was trained on (sdlab/training/stage_unet.py), of a batch."""
    t = timesteps_at(stratified(len(x0), g), SPREAD)
    noise = torch.randn(x0.shape, generator=g)
    alpha_bar = reference().schedule.alpha_bar[t].view(-1, 1, 1, 1)
    x_t = noised(faint_signal(t, g).view(-1, 1, 1, 1) * x0, noise, alpha_bar)
    error = squared_error(unet(x_t, t, context).sample, eps_between(x_t, x0, alpha_bar))
    return (error * v_weight(alpha_bar.flatten(), WEIGHT_CLIP)).mean()


def train(training: Training, count: int = SCENES) -> UNet2DConditionModel:
    """Train a network on so many scenes; return it with its averaged weights."""
    latents, context = scenes("train", count)
    unet, g = network(training), torch.Generator().manual_seed(training.seed)
    average = {name: weight.detach().clone() for name, weight in unet.named_parameters()}
    optimizer = MuonAdamW(unet.named_parameters(), muon_lr=STEP_FRESH)
    plan = TrainingPlan(training.steps, warmup=50, cooldown=COOLDOWN["unet"])
    for step in range(training.steps):
        rows = torch.randint(count, (BATCH, 1), generator=g)
        words, _ = drop_captions(rows, torch.tensor([count]), EMPTY_SHARE, g)
        loss = weighted_loss(unet, latents[rows[:, 0]], context[words[:, 0]], g)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(plan.scale(step))
        update_average(average, unet, AVERAGE["unet"], step + 1)
    unet.load_state_dict(average, strict=False)
    return unet.eval()


@torch.no_grad()
def held_out_loss(unet: nn.Module, count: int = HELD_OUT) -> float:
    """Return the loss on scenes, timesteps and noise that no training has seen."""
    latents, context = scenes("test", count)
    g = torch.Generator().manual_seed(2**31)
    noise, timesteps = torch.randn(latents.shape, generator=g), timesteps_at(stratified(count, g))
    total = 0.0
    for rows in torch.arange(count).split(128):
        total += len(rows) * unet_loss(
            lambda x, t, rows=rows: unet(x, t, context[rows]).sample,
            latents[rows], noise[rows], timesteps[rows], reference().schedule.alpha_bar,
        ).item()  # fmt: skip
    return total / count


@torch.no_grad()
def score(unet: nn.Module, count: int = CAPTIONS) -> float:
    """Return the share of the statements of held-out captions that the pictures fulfil."""
    model, checker = reference(), Checker.load()
    captions = held_out_captions("colour", count, OBJECTS)
    predict = guided(
        lambda x, t, context: unet(x, t, context).sample,
        contexts(captions), contexts([""] * count), GUIDANCE_SCALE,
    )  # fmt: skip
    noise = [torch.Generator().manual_seed(seed) for seed in range(count)]
    x = torch.cat([torch.randn(1, 4, 16, 16, generator=g) for g in noise])
    *_, last = sample(predict, model.schedule, x, NUM_STEPS, lambda: torch.randn(x.shape))
    seen = checker.read(checker(model.vae.decode(last.x_next)))
    verdicts = [
        judge(picture, parse(caption, checker.objects))
        for picture, caption in zip(seen, captions, strict=True)
    ]
    return sum(sum(v.values()) / len(v) for v in verdicts) / count


def row(training: Training, scenes: int = SCENES, judged: int = HELD_OUT, drawn: int = CAPTIONS):
    """Train and return the row of the table."""
    unet = train(training, scenes)
    figures = {"loss": held_out_loss(unet, judged), "score": score(unet, drawn)}
    return asdict(training) | {name: f"{value:.6f}" for name, value in figures.items()}


def wanted(seeds: int) -> Iterator[Training]:
    """Yield every training, a whole seed of all networks before the next."""
    for seed in range(seeds):
        for activation, embedding in NETWORKS:
            yield Training(activation, embedding, seed)


def train_missing(seeds: int, path: Path) -> None:
    """Train and store what the table lacks."""
    asked = ((asdict(training), partial(row, training)) for training in wanted(seeds))
    TABLE.train_missing(asked, path)


def table(rows: list[dict[str, str]]) -> str:
    """Return the Markdown table: networks down, measures across.

    All networks of a seed see the same batches, timesteps and noise, so a loss is also held against
    that of SiLU with sinusoids seed by seed.
    """
    plain = {r["seed"]: float(r["loss"]) for r in rows if network_of(r) == NETWORKS[0]}
    more = [{**r, "loss": str(float(r["loss"]) - plain[r["seed"]])} for r in rows]
    columns = (
        (TABLE.figures(rows, "loss"), "{:.4f} ± {:.4f}"),
        (TABLE.figures(more, "loss"), "{:+.4f} ± {:.4f}"),
        (TABLE.figures(rows, "score"), "{:.2f} ± {:.2f}"),
    )
    seeds = min(figure.seeds for figure in columns[0][0].values())
    lines = [
        f"**U-Net at a quarter of its width** ({STEPS} steps of {BATCH}, {seeds} seeds)", "",
        "| | held-out loss | more than SiLU's, seed by seed | checker's score |",
        "|---|---|---|---|",
    ]  # fmt: skip
    for network in NETWORKS:
        found = [(figures[network], form) for figures, form in columns]
        cells = [form.format(f.mean, f.high - f.mean) for f, form in found]
        lines.append(f"| {', '.join(network)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def network_of(row: dict[str, str]) -> tuple[str, ...]:
    """Return activation and embedding."""
    return row["activation"], row["embedding"]


def quick_rows() -> list[dict[str, str]]:
    """Return short trainings on a few scenes."""
    kinds = (Training(activation, "sinusoids", 0, 30) for activation in ("SiLU", "sigmoid"))
    rows = [row(training, 128, 64, 8) for training in kinds]
    return [{name: str(value) for name, value in r.items()} for r in rows]


def main() -> None:
    """Print the table."""
    report = Report(__doc__.split("\n")[0], options(5, STORED))
    torch.set_num_threads(1)  # the tensors are small
    if report.arguments.table:
        write_between(TOLD, "table of the U-Net", table(stored(STORED)))
        return
    report.head()
    TABLE.tell(report, asked_rows(report, quick_rows, train_missing), MEASURES)
    report.close()


if __name__ == "__main__":
    sys.exit(main())
