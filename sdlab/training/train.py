r"""Trains the small Stable Diffusions in stages and writes a pipeline.

The stages of the first: VAE, text encoder, composition of its words, U-Net, checker. The second, a
Stable Diffusion 3, is the stage "flow" over the first's VAE and text encoder, alone.

    sdlab train --out checkpoints/mine --budget-minutes 120 --export checkpoints/pipeline
    sdlab train --out checkpoints/gpu --device cuda --objects all --budget-minutes 25 \
        --export checkpoints/pipeline --shard 16MB
    sdlab train --out checkpoints/flow --stages flow --start sdlab/models/embedded_flow \
        --budget-minutes 120 --export checkpoints/flow-pipeline

Every stage keeps a folder with its checkpoint, its log and its grids; started again with the same
arguments, the command goes on where it was. With ``--steps`` a run is the same for the same seed;
with a budget the number of steps is set by the speed measured at the start and kept in
``plan.json``, from which the run can be repeated; a larger number written there lengthens it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from sdlab.errors import SdlabError
from sdlab.training.run import FIRST_MODEL, STAGES, TrainingRun


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    made = argparse.ArgumentParser("sdlab train", description=__doc__.split("\n")[0])
    add = made.add_argument
    add("--out", type=Path, default=Path("checkpoints/embedded"), help="folder of the run")
    add("--stages", nargs="+", choices=STAGES, default=list(FIRST_MODEL), help="what to train")
    add("--objects", choices=("core", "all"), default="core", help="20 objects, or all of them")
    add("--device", default="cpu", help="cpu or cuda")
    add("--threads", type=int, default=None, help="CPU threads (default: torch's)")
    add("--seed", type=int, default=0, help="names the run")
    add("--budget-minutes", type=float, default=None, help="time for all stages together")
    add("--steps", type=int, default=None, help="steps of each stage, instead of a budget")
    add("--minutes", type=float, default=None, help="stop, to be resumed, after this long")
    add("--batch", type=int, default=None, help="of unet and flow (default 32 and 64, on cuda 256)")
    add("--compile", action="store_true", help="flow: fuse its operations (torch.compile)")
    add("--block", type=int, default=4096, help="scenes encoded at a time, for unet and flow")
    add("--grounding", type=float, default=0.1, help="weight of the attention loss, 0 for none")
    add("--start", type=Path, default=None, help="pipeline folder to start the weights from")
    add("--decoder-only", action="store_true", help="leave the VAE's encoder as it is")
    add("--export", type=Path, default=None, help="folder to write the pipeline to")
    add("--shard", default="64MB", help="largest weights file, e.g. 16MB")
    return made


def check(arguments: argparse.Namespace) -> None:
    """Check the arguments' ranges.

    Raises:
        ValueError: One of them is out of its range.
    """
    for name in ("steps", "batch", "block", "threads"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, got {value}.")
    budget, start = arguments.budget_minutes, arguments.start
    if budget is not None and not budget > 0:
        raise ValueError(f"--budget-minutes must be above 0, got {budget}.")
    if start is not None and not (start / "model_index.json").exists():
        raise ValueError(f"--start must be a pipeline folder with a model_index.json, got {start}.")


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the arguments say and return 0, or 3 when stopped by ``--minutes``.

    Raises:
        ValueError: An argument is out of its range, or other than the run was begun with.
        ModelError: The device is not there, or a stage that is needed was not trained yet.
    """
    arguments = parser().parse_args(argv)
    check(arguments)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    run = TrainingRun(arguments)
    for name in arguments.stages:
        if not run.train(name):
            print(f"stopped in stage {name}; the same command goes on from here", flush=True)
            return 3
    if arguments.export:
        run.export(arguments.export)
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (ValueError, SdlabError) as error:
        raise SystemExit(f"sdlab train: {error}") from None
