"""Makes what lies on a disk: a pipeline folder and a hub's cache, with empty weight files."""

import json
import os
from pathlib import Path

COMMITS = ("a" * 40, "b" * 40)
PARTS = {
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
    "scheduler": "DDIMScheduler",
    "safety_checker": "StableDiffusionSafetyChecker",
}


def make_pipeline_folder(
    folder: Path, cls: str = "StableDiffusionPipeline", variant: str = "", without: str = ""
) -> Path:
    """Make a folder that looks like a pipeline's, as far as names go."""
    index = {"_class_name": cls, "image_encoder": [None, None], "requires_safety_checker": False}
    for part, name in PARTS.items():
        library = "transformers" if name.startswith("CLIP") else "diffusers"
        index[part] = [library, name]
        if part == "safety_checker":
            continue
        (folder / part).mkdir(parents=True)
        if part in ("tokenizer", "scheduler"):
            (folder / part / f"{part}_config.json").write_text("{}")
            continue
        (folder / part / "config.json").write_text("{}")
        if part != without:
            stem = "model" if part == "text_encoder" else "diffusion_pytorch_model"
            (folder / part / f"{stem}{variant}.safetensors").write_bytes(b"0" * 1000)
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def make_cached(cache: Path, name: str, used: float, commit: str = COMMITS[0], **options) -> Path:
    """Put a pipeline into a cache as huggingface_hub lays it out; its main branch if the first."""
    repo = cache / f"models--{name.replace('/', '--')}"
    snapshot = make_pipeline_folder(repo / "snapshots" / commit, **options)
    blobs = repo / "blobs"
    blobs.mkdir(exist_ok=True)
    for path in [path for path in snapshot.rglob("*") if path.is_file()]:
        blob = blobs / f"{commit[0]}-{len(list(blobs.iterdir()))}"
        path.rename(blob)
        path.symlink_to(os.path.relpath(blob, path.parent))
        os.utime(blob, (used, used))
    (repo / "refs").mkdir(exist_ok=True)
    if commit == COMMITS[0]:
        (repo / "refs" / "main").write_text(commit)
    return snapshot
