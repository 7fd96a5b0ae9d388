"""One training run: its networks, the stages in which they are trained, and its plan.

What a stage needs of an earlier one is read back from that stage's checkpoint, so a run can be left
and resumed at any time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from sdlab.embedded.catalogue import CORE, NAMES
from sdlab.embedded.checker import Checker
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.errors import ModelError
from sdlab.models.devices import choose_device
from sdlab.training.export import export, seal
from sdlab.training.flow_export import export_flow
from sdlab.training.latent_scenes import encode_pictures
from sdlab.training.loop import Stage, Trainer, TrainingPlan
from sdlab.training.nets import (
    load_part,
    load_tokenizer,
    make_second_text_encoder,
    make_text_encoder,
    make_transformer,
    make_unet,
    make_vae,
)
from sdlab.training.stage_checker import CheckerStage
from sdlab.training.stage_compose import ComposeStage
from sdlab.training.stage_flow import FlowModel, FlowSettings, FlowStage
from sdlab.training.stage_text import TextStage
from sdlab.training.stage_unet import UnetSettings, UnetStage
from sdlab.training.stage_vae import VaeStage
from sdlab.training.vocabulary import Vocabulary

STAGES = ("vae", "text", "compose", "unet", "checker", "flow")
FIRST_MODEL = STAGES[:5]
"""What is trained if nothing is said; "flow" reads the VAE and the text encoder of these."""
SHARES = {"vae": 0.16, "text": 0.08, "compose": 0.04, "unet": 0.64, "checker": 0.08, "flow": 0.64}
"""Share of the time budget that each stage gets, of those that are trained."""
COOLDOWN = {"vae": 0.5, "text": 0.5, "compose": 0.7, "unet": 0.85, "checker": 0.5, "flow": 0.8}
AVERAGE = {"vae": 0.0, "text": 0.0, "compose": 0.0, "unet": 0.99, "checker": 0.0, "flow": 0.995}
STEP_FRESH, STEP_STARTED = 0.02, 0.01
"""Peak step of the U-Net's matrices; one that starts from trained weights loses them at 0.02."""
FLOW_STARTED = 0.01
"""Peak step of a transformer's matrices that starts from trained weights; AdamW's in proportion."""
BATCH = {"unet": 32, "flow": 64}
BATCH_CUDA = 256
TRIAL_STEPS = 3
"""Steps that are timed, after one that is not, to plan a time budget."""


class TrainingRun:
    """One training run: its arguments, its networks, its folder."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Make the world and the networks."""
        self.arguments, self.out = arguments, arguments.out
        self.device = choose_device(arguments.device)
        self.objects = CORE if arguments.objects == "core" else NAMES
        for name in set(BATCH) & set(arguments.stages):
            if self._batch(name) > arguments.block:
                raise ValueError(
                    f"--batch must be at most --block, {arguments.block}, got {self._batch(name)}."
                )
        self.world = World(self.device)
        self.vocabulary = Vocabulary(load_tokenizer(), self.objects)
        self._make_networks()

    def _batch(self, name: str) -> int:
        """Return the samples of one step of "unet" or "flow"."""
        usual = BATCH_CUDA if self.device.type == "cuda" else BATCH[name]
        return int(self.arguments.batch or usual)

    def _make_networks(self) -> None:
        """Make the networks, fresh and seeded, or those that ``--start`` holds from there."""
        torch.manual_seed(self.arguments.seed)
        start = self.arguments.start
        self.vae = load_part(AutoencoderKL, start, "vae") if start else make_vae()
        unet = start is not None and (start / "unet").exists()
        self.unet = load_part(UNet2DConditionModel, start, "unet") if unet else make_unet()
        self.text = make_text_encoder(len(self.vocabulary))
        if start:
            take_words(self.text, load_part(CLIPTextModel, start, "text_encoder"), self.vocabulary)
        self.checker = Checker(self.objects)
        self.flow = self._make_flow()

    def _make_flow(self) -> FlowModel:
        """Make the transformer and its narrow text encoder, or take those of ``--start``."""
        start, text_2 = self.arguments.start, make_second_text_encoder(len(self.vocabulary))
        if not self._starts_flow:
            return FlowModel(make_transformer(), text_2)
        full = load_part(CLIPTextModelWithProjection, start, "text_encoder_2")
        take_words(text_2, full, self.vocabulary)
        return FlowModel(load_part(SD3Transformer2DModel, start, "transformer"), text_2)

    @property
    def _starts_flow(self) -> bool:
        """Whether the folder started from is a small Stable Diffusion 3."""
        start = self.arguments.start
        return start is not None and (start / "transformer").exists()

    def stage(self, name: str) -> Stage:
        """Return a stage ready to train; what it needs of earlier stages is read from disk."""
        seed = self.arguments.seed + STAGES.index(name)
        many = self.device.type == "cuda"
        if name == "vae":
            only = self.arguments.decoder_only
            size = 64 if many else 16
            return VaeStage(
                self.vae,
                self.world,
                seed=seed,
                batch=size,
                decoder_only=only,
                objects=self.objects,
            )
        if name == "text":
            return self._text_stage(seed)
        if name == "compose":
            text, device = self._read_text(), self.device
            return ComposeStage(
                text, self.vocabulary, seed=seed, objects=self.objects, device=device
            )
        self._take_vae()
        if name == "checker":
            size = 256 if many else 48
            return CheckerStage(self.checker, self.vae, self.world, seed=seed, batch=size)
        if name == "flow":
            return self._flow_stage(seed)
        return UnetStage(
            self.unet,
            self.vae,
            self._take_text(),
            self.vocabulary,
            self.world,
            UnetSettings(
                seed=seed,
                objects=self.objects,
                batch=self._batch("unet"),
                grounding=self.arguments.grounding,
                muon_lr=STEP_FRESH if self.arguments.start is None else STEP_STARTED,
                block=self.arguments.block,
            ),
        )

    def _flow_stage(self, seed: int) -> FlowStage:
        return FlowStage(
            self.flow,
            self.vae,
            self._take_text(),
            self.vocabulary,
            self.world,
            FlowSettings(
                seed=seed,
                objects=self.objects,
                batch=self._batch("flow"),
                muon_lr=FLOW_STARTED if self._starts_flow else STEP_FRESH,
                block=self.arguments.block,
                compiled=self.arguments.compile,
            ),
        )

    def _text_stage(self, seed: int) -> TextStage:
        arguments = (self.text, self.vocabulary, self.world)
        return TextStage(*arguments, seed=seed, objects=self.objects)

    def _trained(self, name: str) -> bool:
        """Whether the weights of a stage come from this run, not from the folder started from."""
        here = (self.out / name / "checkpoint.safetensors").exists()
        return here or self.arguments.start is None

    def _take_text(self) -> CLIPTextModel:
        """Return the text encoder as its last stage left it, or the one started from."""
        text = self._read_text()
        if (self.out / "compose" / "checkpoint.safetensors").exists():
            read_back(text, self.out / "compose")
        return text

    def _read_text(self) -> CLIPTextModel:
        """Return the text encoder that the stage "compose" starts from."""
        if not self._trained("text"):
            return self.text
        stage = self._text_stage(self.arguments.seed + STAGES.index("text"))
        read_back(stage.module, self.out / "text")
        return stage.finish()

    def _take_vae(self) -> None:
        """Read the trained VAE back; its scaling factor is 1 / std of its latents, set once."""
        if not self._trained("vae"):
            return
        read_back(self.vae, self.out / "vae")
        file = self.out / "vae" / "scaling_factor.json"
        if not file.exists():
            self.vae.to(self.device).register_to_config(scaling_factor=1.0)
            scenes = [scene for scene, _ in SceneSampler(123, self.objects).batch(0, 64)]
            latents = encode_pictures(self.vae, self.world.render(scenes)[0])
            file.write_text(json.dumps(round(1 / float(latents.std()), 4)) + "\n")
        self.vae.register_to_config(scaling_factor=json.loads(file.read_text()))

    def plan(self, name: str, make: Callable[[], Stage]) -> TrainingPlan:
        """Return the stage's plan: as kept in plan.json, or new, and then kept.

        Raises:
            ValueError: The stage was begun with other arguments.
        """
        file, terms = self.out / name / "plan.json", self._terms(name)
        if file.exists():
            kept = json.loads(file.read_text())
            refuse_other_terms(file.parent, kept, terms)
            steps = int(kept["steps"])
        elif self.arguments.steps:
            steps = self.arguments.steps
        else:
            share = SHARES[name] / sum(SHARES[stage] for stage in set(self.arguments.stages))
            budget = 60 * (self.arguments.budget_minutes or 120) * share
            steps = max(50, int(budget / seconds_per_step(make())))
            self._make_networks()  # the trial steps moved the weights
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"steps": steps, **terms}) + "\n")
        return TrainingPlan(
            steps=steps,
            seed=self.arguments.seed + STAGES.index(name),
            warmup=min(50, steps // 10),
            cooldown=COOLDOWN[name],
            average=AVERAGE[name],
            minutes=self.arguments.minutes,
            validate_every=max(50, steps // 15),
        )

    def _terms(self, name: str) -> dict[str, Any]:
        """Return the arguments that a stage must be resumed with to stay the same run."""
        given = self.arguments
        terms = {"seed": given.seed, "objects": given.objects}
        terms["start"] = None if given.start is None else str(given.start)
        if name in BATCH:
            terms |= {"batch": self._batch(name)}
        if name == "unet":
            terms |= {"grounding": given.grounding}
        return terms

    def train(self, name: str) -> bool:
        """Train one stage to its end, or to the time limit; return whether it is complete."""
        plan = self.plan(name, lambda: self.stage(name))
        trainer = Trainer(self.stage(name), plan, self.out / name)
        if trainer.step >= plan.steps:
            return True
        complete = trainer.run()
        if complete:
            trainer.validate()
        return complete

    def export(self, folder: Path) -> None:
        """Write the pipeline of all trained stages with its checksums.

        After the stage "flow" alone it is the small Stable Diffusion 3; else the small Stable
        Diffusion 1, with the checker.
        """
        self._take_vae()
        if self.arguments.stages == ["flow"]:
            self._export_flow(folder)
        else:
            self._export_unet(folder)
        seal(folder)

    def _export_flow(self, folder: Path) -> None:
        read_back(self.flow, self.out / "flow")
        export_flow(
            folder,
            vae=self.vae,
            text=self._take_text(),
            flow=self.flow,
            vocabulary=self.vocabulary,
            objects=self.objects,
            shard_size=self.arguments.shard,
        )

    def _export_unet(self, folder: Path) -> None:
        if self._trained("unet"):
            read_back(self.unet, self.out / "unet")
        export(
            folder,
            vae=self.vae,
            text=self._take_text(),
            unet=self.unet,
            vocabulary=self.vocabulary,
            objects=self.objects,
            shard_size=self.arguments.shard,
        )
        if self._trained("checker"):
            read_back(self.checker, self.out / "checker")
        else:
            self.checker = Checker.load(self.arguments.start / "checker.safetensors")
        self.checker.save(folder / "checker.safetensors")


def refuse_other_terms(folder: Path, kept: dict[str, Any], terms: dict[str, Any]) -> None:
    """Compare a run's arguments with those that its plan.json kept; older plans kept fewer.

    Raises:
        ValueError: One of them is another.
    """
    for name, value in terms.items():
        before = kept.get(name, value)
        then, now = before, value
        if name == "start":  # one folder, however it is written
            then, now = (path and Path(path).resolve() for path in (before, value))
        if then != now:
            raise ValueError(
                f"--{name} is {value}, but {folder} was begun with {before}: give that again, or"
                " another --out."
            )


def take_words(small: torch.nn.Module, full: torch.nn.Module, vocabulary: Vocabulary) -> None:
    """Copy a full text encoder into one with the compact vocabulary."""
    state = full.state_dict()
    name = next(name for name in state if name.endswith("token_embedding.weight"))
    small.load_state_dict({**state, name: state[name][vocabulary.clip_ids]})


def read_back(module: torch.nn.Module, folder: Path) -> None:
    """Load the weights of a stage's checkpoint: the averaged ones, if there are any.

    Raises:
        ModelError: The stage was not trained yet.
    """
    file = folder / "checkpoint.safetensors"
    if not file.exists():
        raise ModelError(f"{file} is missing: train the stage {folder.name!r} first.")
    tensors = load_file(file)
    prefix = "average." if any(name.startswith("average.") for name in tensors) else "module."
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(tensors[prefix + name])


def seconds_per_step(stage: Any) -> float:
    """Return the time of one training step with its share of making scenes beforehand."""
    begin = first = time.monotonic()
    for step in range(1 + TRIAL_STEPS):
        if step == 1:
            first, begin = time.monotonic() - begin, time.monotonic()
        stage.optimizer.zero_grad()
        loss, _ = stage.loss(step, torch.Generator().manual_seed(step))
        loss.backward()
        stage.optimizer.step()
        float(loss.detach())
    each = (time.monotonic() - begin) / TRIAL_STEPS
    return each + max(0.0, first - each) / getattr(stage, "steps_per_block", 1e9)
