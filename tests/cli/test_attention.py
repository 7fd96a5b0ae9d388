"""Attention on the command line: what `sdlab run` keeps, and what `sdlab export` makes of it."""

import json

import numpy as np
import pytest

import sdlab
from sdlab.runs.attention import open_attention
from tests.cli.test_commands import SMALL, call

CHOICES = ["--attention-layers", "1/2", "--attention-layers", "mid_block"]
CHOICES += ["--attention-self", "1/4", "--attention-heads", "all", "--attention-tokens", "all"]
CHOICES += ["--attention-steps", "2", "--attention-halves", "both", "--attention-limit", "7"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("attention") / "runs"


@pytest.fixture(scope="module")
def folder(root):
    done = call("run", "a red car", *CHOICES, *SMALL, "--root", str(root))
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def test_every_option_is_kept(folder):
    run = sdlab.open_run(folder)
    assert run.experiment.record.attention == sdlab.AttentionRecord(
        layers=("1/2", "mid_block"),
        self_layers=("1/4",),
        heads="all",
        tokens="all",
        steps=2,
        halves="both",
        max_bytes=7 * 2**20,
    )
    maps = run.trace.attention
    assert maps.halves == ["cond", "uncond"] and maps.kept_tokens() == 77
    assert {layer.share for layer in maps.cross_layers} == {2, 4}
    assert {layer.share for layer in maps.self_layers} == {4}


def test_the_flag_alone_keeps_the_default(tmp_path):
    done = call("run", "a cat", "--attention", *SMALL, "--root", str(tmp_path))
    assert done.exit_code == 0, done.output
    kept = sdlab.open_run(done.stdout.strip()).experiment.record.attention
    assert kept == sdlab.AttentionRecord()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attention-heads", "median"], "Unknown attention heads 'median'"),
        (["--attention-steps", "some"], "attention steps must be 'all', 'last'"),
        (["--attention-layers", "1/3"], "Unknown attention layer '1/3'"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_one_line(options, message, tmp_path):
    done = call("run", "a cat", *options, *SMALL, "--root", str(tmp_path))
    assert done.exit_code == 2 and message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_maps_are_exported(folder, root, tmp_path):
    out = tmp_path / "out"
    name = folder[-16:]
    kinds = ["--npz", str(out), "--safetensors", str(out)]
    done = call("export", name[:8], *kinds, "--root", str(root))
    assert done.exit_code == 0, done.stderr
    npz, safetensors = (out / f"{name}-attention.{kind}" for kind in ("npz", "safetensors"))
    assert done.stdout.splitlines() == [str(npz), str(safetensors)]
    maps = sdlab.open_run(folder).trace.attention
    again = open_attention(safetensors)
    assert again.facts == maps.facts
    with np.load(npz) as arrays:
        assert json.loads(str(arrays["about"]))["facts"]["size"] == [8, 8]
        assert set(arrays.files) == {"about", *maps.tensors}
        for key, tensor in maps.tensors.items():
            np.testing.assert_array_equal(arrays[key], tensor.numpy())
            np.testing.assert_array_equal(again.tensors[key].numpy(), tensor.numpy())
