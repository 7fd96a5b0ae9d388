"""The one training loop of all stages: seeded by step, resumable bit for bit, with a log and grids.

A stage brings a module, an optimizer and ``loss(step, generator)``. All randomness of step s comes
from a generator seeded by (seed, s), so a run that is cut and resumed from its checkpoint goes on
as if nothing had happened. The step size is constant after a short warm-up and falls to zero over
the last ``cooldown`` share of the steps.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from sdlab.reference.losses import update_average
from sdlab.training.optimizer import MuonAdamW


class Stage(Protocol):
    """What the loop needs of a stage."""

    name: str
    optimizer: MuonAdamW
    batch: int

    @property
    def module(self) -> nn.Module:
        """What is trained."""

    def loss(self, step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss to descend and further figures for the log."""

    def validate(self) -> tuple[dict[str, float], Image.Image | None]:
        """Return figures on held-out scenes and a picture to look at."""


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how one stage is trained.

    Attributes:
        steps: Optimizer steps in all.
        seed: Names the run; the same seed and steps give the same weights on the same machine.
        warmup: Steps of linear warm-up.
        cooldown: Share of the steps over which the step size falls to zero, 0 to 1.
        average: Decay of the weights' running average, 0 for none.
        minutes: Stop (with a checkpoint) after this much time in this process, None for never.
        checkpoint_minutes: Time between checkpoints.
        validate_every: Steps between validations.
    """

    steps: int
    seed: int = 0
    warmup: int = 20
    cooldown: float = 0.4
    average: float = 0.0
    minutes: float | None = None
    checkpoint_minutes: float = 3.0
    validate_every: int = 250

    def scale(self, step: int) -> float:
        """Return the step size at ``step`` as a share of its peak."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        fall = min(1.0, (self.steps - step) / max(1.0, self.cooldown * self.steps))
        return rise * fall


class Trainer:
    """Trains one stage in a folder of its own, from its checkpoint if there is one."""

    def __init__(self, stage: Stage, plan: TrainingPlan, folder: Path) -> None:
        """Resume from ``folder/checkpoint.safetensors`` when that exists."""
        self.stage, self.plan, self.folder = stage, plan, folder
        self.step, self.seconds = 0, 0.0
        self.average = {n: p.detach().clone() for n, p in stage.module.named_parameters()}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "checkpoint.safetensors").exists():
            self.resume()

    def run(self) -> bool:
        """Train to the end, the time limit or SIGTERM; return whether the stage is complete."""
        begin = saved = last = time.monotonic()
        asked_to_stop: list[int] = []
        before = signal.signal(signal.SIGTERM, lambda number, _: asked_to_stop.append(number))
        while self.step < self.plan.steps:
            figures = self.advance()
            now = time.monotonic()
            self.seconds += now - last
            last = now
            if self.step % 10 == 0:
                self.write_log({"step": self.step, "seconds": round(self.seconds, 1), **figures})
            if self.step % self.plan.validate_every == 0:
                self.validate()
            if now - saved > 60 * self.plan.checkpoint_minutes:
                self.save()
                saved = now
            over = self.plan.minutes is not None and now - begin > 60 * self.plan.minutes
            if over or asked_to_stop:
                break
        signal.signal(signal.SIGTERM, before)
        self.save()
        return self.step >= self.plan.steps

    def advance(self) -> dict[str, float]:
        """Make one step and return its figures."""
        generator = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + self.step)
        self.stage.module.train()
        self.stage.optimizer.zero_grad()
        loss, figures = self.stage.loss(self.step, generator)
        loss.backward()
        self.stage.optimizer.step(self.plan.scale(self.step))
        self.step += 1
        if self.plan.average:
            update_average(self.average, self.stage.module, self.plan.average, self.step)
        return {"loss": float(loss.detach()), **figures}

    def validate(self) -> None:
        """Write held-out figures to the log and a grid beside it, of the averaged weights."""
        kept = {n: p.detach().clone() for n, p in self.stage.module.named_parameters()}
        self.load_average()
        self.stage.module.eval()
        # Not compiled: its shapes are others, and each comes once.
        with torch.compiler.set_stance("force_eager"), torch.no_grad():
            figures, picture = self.stage.validate()
            for name, parameter in self.stage.module.named_parameters():
                parameter.copy_(kept[name])
        self.write_log({"step": self.step, "seconds": round(self.seconds, 1), **figures})
        if picture is not None:
            picture.save(self.folder / f"grid-{self.step:06d}.png")

    def load_average(self) -> None:
        """Put the averaged weights into the module (a no-op without averaging)."""
        if self.plan.average:
            with torch.no_grad():
                for name, parameter in self.stage.module.named_parameters():
                    parameter.copy_(self.average[name])

    def write_log(self, row: dict[str, Any]) -> None:
        """Print one row and add it to log.csv as step, figure, value."""
        print(self.stage.name, json.dumps({k: _short(v) for k, v in row.items()}), flush=True)
        with (self.folder / "log.csv").open("a", newline="") as stream:
            csv.writer(stream).writerows(
                (row["step"], name, _short(value)) for name, value in row.items() if name != "step"
            )

    def save(self) -> None:
        """Write everything needed to go on, whole or not at all."""
        tensors = {f"module.{n}": p.detach() for n, p in self.stage.module.named_parameters()}
        tensors |= {f"optimizer.{n}": t for n, t in self.stage.optimizer.state_tensors().items()}
        if self.plan.average:
            tensors |= {f"average.{n}": t for n, t in self.average.items()}
        tensors = {n: t.contiguous().clone() for n, t in tensors.items()}
        meta = {"step": str(self.step), "seconds": str(self.seconds), "seed": str(self.plan.seed)}
        path = self.folder / "checkpoint.safetensors"
        save_file(tensors, path.with_suffix(".part"), metadata=meta)
        os.replace(path.with_suffix(".part"), path)

    def resume(self) -> None:
        """Read what ``save`` wrote.

        Raises:
            ValueError: The checkpoint is of another seed.
        """
        with safe_open(self.folder / "checkpoint.safetensors", framework="pt") as file:
            meta = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if int(meta["seed"]) != self.plan.seed:
            raise ValueError(
                f"seed is {self.plan.seed}, but {self.folder} was begun with {meta['seed']}"
            )
        self.step, self.seconds = int(meta["step"]), float(meta["seconds"])
        with torch.no_grad():
            for name, parameter in self.stage.module.named_parameters():
                parameter.copy_(tensors[f"module.{name}"])
                average = tensors.get(f"average.{name}", parameter.detach())
                self.average[name] = average.to(parameter.device).clone()
        self.stage.optimizer.load_state_tensors(
            {n[10:]: t for n, t in tensors.items() if n.startswith("optimizer.")}
        )


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value
