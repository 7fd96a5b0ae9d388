"""The whole training command, on the CPU, in its smallest form."""

import json

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from sdlab.embedded.checker import Checker
from sdlab.embedded.export import CHECKSUMS, checksums
from sdlab.embedded.train import main


def test_train_makes_a_pipeline_that_diffusers_loads(tmp_path, capsys):
    out, folder = tmp_path / "run", tmp_path / "pipeline"
    arguments = ["--out", str(out), "--steps", "2", "--block", "16", "--batch", "4"]
    assert main([*arguments, "--stages", "vae", "text", "--minutes", "0"]) == 3
    assert "goes on from here" in capsys.readouterr().out
    assert main([*arguments, "--export", str(folder), "--shard", "16MB"]) == 0
    assert json.loads((out / "unet" / "plan.json").read_text())["steps"] == 2
    assert (out / "unet" / "grid-000002.png").exists()
    assert (out / "vae" / "log.csv").read_text().startswith("2,seconds,")

    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    assert pipeline.text_encoder.config.vocab_size == len(pipeline.tokenizer) == 49408
    assert pipeline.scheduler.config.prediction_type == "epsilon"
    assert pipeline.vae.config.scaling_factor != 1
    image = pipeline("a parrot on a beach", num_inference_steps=2, width=128, height=128).images[0]
    assert image.size == (128, 128)
    assert max(p.stat().st_size for p in folder.rglob("*.safetensors")) < 16 * 2**20
    assert (folder / CHECKSUMS).read_text() == checksums(folder)
    assert len(Checker.load(folder / "checker.safetensors").objects) == 20

    again = ["--out", str(tmp_path / "more"), "--start", str(folder), "--steps", "1"]
    more = tmp_path / "more-pipeline"
    rest = ["--stages", "unet", "--block", "16", "--batch", "4", "--export", str(more)]
    assert main([*again, *rest]) == 0
    for part in ("vae/diffusion_pytorch_model", "text_encoder/model"):
        a, b = (load_file(f / f"{part}.safetensors") for f in (folder, more))
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=1e-4)
