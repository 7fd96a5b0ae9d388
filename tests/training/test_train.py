"""The whole training command, on the CPU, in its smallest form."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file
from typer.testing import CliRunner

from sdlab.cli import app
from sdlab.embedded.catalogue import CORE
from sdlab.embedded.checker import Checker
from sdlab.shipped import FOLDER
from sdlab.training import export
from sdlab.training import run as run_module
from sdlab.training.export import CHECKSUMS, checksums
from sdlab.training.nets import (
    load_tokenizer,
    make_text_encoder,
    make_unet,
    make_vae,
)
from sdlab.training.run import FIRST_MODEL, SHARES, TrainingRun
from sdlab.training.train import main, parser
from sdlab.training.vocabulary import Vocabulary

pytestmark = pytest.mark.slow


@pytest.mark.every
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


@pytest.mark.every
def test_training_goes_on_from_a_folder(tmp_path):
    """Only the stage that is asked for changes it."""
    again = ["--out", str(tmp_path / "more"), "--start", str(FOLDER), "--steps", "1"]
    more = tmp_path / "more-pipeline"
    rest = ["--stages", "unet", "--block", "16", "--batch", "4", "--export", str(more)]
    assert main([*again, *rest]) == 0
    for part in ("vae/diffusion_pytorch_model", "text_encoder/model"):
        a, b = (load_file(f / f"{part}.safetensors") for f in (FOLDER, more))
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=1e-4)


def test_the_shipped_folder_can_be_written_over(tmp_path, monkeypatch):
    folder = shutil.copytree(FOLDER, tmp_path / "shipped")
    monkeypatch.setattr(export, "FOLDER", folder)
    vocabulary = Vocabulary(load_tokenizer(), CORE)
    export.export(
        folder,
        vae=make_vae(),
        text=make_text_encoder(len(vocabulary)),
        unet=make_unet(),
        vocabulary=vocabulary,
        objects=CORE,
    )
    names = sorted(path.name for path in (folder / "tokenizer").iterdir())
    assert names == sorted(path.name for path in (FOLDER / "tokenizer").iterdir())
    for name in names:
        here, there = (root / "tokenizer" / name for root in (folder, FOLDER))
        assert here.read_bytes() == there.read_bytes()


def train(*arguments):
    return CliRunner().invoke(app, ["train", *arguments])


@pytest.mark.every
def test_stopped_by_minutes_the_command_ends_with_code_3(tmp_path):
    small = ["--out", str(tmp_path), "--stages", "vae", "--steps", "2"]
    stopped = train(*small, "--minutes", "0")
    assert stopped.exit_code == 3
    assert "goes on from here" in stopped.output
    assert train(*small).exit_code == 0


def test_a_stage_that_is_missing_is_named(tmp_path):
    done = train("--out", str(tmp_path), "--stages", "checker", "--steps", "2")
    assert done.exit_code == 1
    assert "train the stage 'vae' first" in done.output and done.output.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "gpu"], "Unknown device 'gpu'"),
        (["--steps", "0"], "--steps must be at least 1, got 0"),
        (["--budget-minutes", "0"], "--budget-minutes must be above 0, got 0"),
        (["--budget-minutes", "nan"], "--budget-minutes must be above 0, got nan"),
        (["--batch", "32", "--block", "16"], "--batch must be at most --block, 16, got 32"),
        (["--block", "16"], "--batch must be at most --block, 16, got 32"),
        (["--start", "nowhere"], "--start must be a pipeline folder"),
    ],
)
def test_wrong_arguments_are_one_line_and_code_2(tmp_path, arguments, message):
    done = train("--out", str(tmp_path / "run"), *arguments)
    assert done.exit_code == 2
    assert message in done.output and done.output.count("\n") == 1
    assert not (tmp_path / "run").exists()


def plan_of(monkeypatch, out, *arguments, stage="unet"):
    """The plan of a stage, when a step takes a second, without training it."""
    monkeypatch.setattr(run_module, "seconds_per_step", lambda _: 1.0)
    run = TrainingRun.__new__(TrainingRun)
    run.arguments = parser().parse_args(["--out", str(out), *arguments])
    run.out, run.device = run.arguments.out, torch.device("cpu")
    run._make_networks = lambda: None
    return run.plan(stage, SimpleNamespace)


def test_the_budget_is_for_the_stages_that_are_trained(tmp_path, monkeypatch):
    alone = ["--stages", "unet", "--budget-minutes", "10"]
    assert plan_of(monkeypatch, tmp_path / "one", *alone).steps == 600
    each = [
        plan_of(monkeypatch, tmp_path / "all", "--budget-minutes", "100", stage=name).steps
        for name in FIRST_MODEL
    ]
    assert each == [pytest.approx(6000 * SHARES[name], abs=1) for name in FIRST_MODEL]


def test_a_run_is_resumed_only_with_its_own_arguments(tmp_path, monkeypatch):
    begun = ["--steps", "70", "--batch", "16", "--start", str(FOLDER)]
    assert plan_of(monkeypatch, tmp_path, *begun).steps == 70
    assert plan_of(monkeypatch, tmp_path, *begun, "--minutes", "9").steps == 70
    for change, said in (
        (["--batch", "8"], "--batch is 8, but .*unet was begun with 16"),
        (["--grounding", "0"], "--grounding is 0.0, but .* begun with 0.1"),
        (["--objects", "all"], "--objects is all, but .* begun with core"),
        (["--start", str(tmp_path)], "--start is .* begun with"),
        (["--seed", "2"], "--seed is 2, but .* begun with 0"),
    ):
        with pytest.raises(ValueError, match=said):
            plan_of(monkeypatch, tmp_path, *begun, *change)
    elsewhere = ["--start", str(FOLDER.parent / "." / "embedded" / ".." / "embedded")]
    assert plan_of(monkeypatch, tmp_path, *begun, *elsewhere).steps == 70

    file = tmp_path / "unet" / "plan.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "steps": 90}))
    assert plan_of(monkeypatch, tmp_path, *begun).steps == 90
    file.write_text(json.dumps({"steps": 80, "seed": 0}))  # as they were at first
    assert plan_of(monkeypatch, tmp_path, *begun, "--batch", "8").steps == 80


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="runs wherever there is a CUDA device")
def test_every_stage_trains_on_cuda(tmp_path):
    folder = tmp_path / "pipeline"
    small = ["--steps", "2", "--block", "16", "--batch", "4", "--device", "cuda"]
    assert main(["--out", str(tmp_path / "run"), *small, "--export", str(folder)]) == 0
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    image = pipeline("a cat", num_inference_steps=1, output_type="pt").images
    assert image.isfinite().all()
