"""The models of a cache and of folders are listed, and nothing outside of a folder is reached."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from sdlab.models.found import below, found_at, in_cache, in_folder
from sdlab.shipped import FOLDER
from tests.models.hub_cache import COMMITS, make_cached, make_pipeline_folder


def test_the_cache_lists_its_pipelines_the_last_used_first(tmp_path):
    old = make_cached(tmp_path, "acme/old", 1000.0)
    make_cached(tmp_path, "acme/new", 3000.0, cls="FluxPipeline", variant=".fp16")
    second = make_cached(tmp_path, "acme/old", 2000.0, COMMITS[1], without="vae")
    (second / "unet" / "config.json").write_text('{"cross_attention_dim": 1024}')
    (tmp_path / "models--acme--words" / "snapshots" / COMMITS[0]).mkdir(parents=True)
    (tmp_path / "datasets--acme--data" / "snapshots").mkdir(parents=True)
    (tmp_path / "models--acme--broken").mkdir()
    told = in_cache(tmp_path)
    assert [(one.source, one.revision, one.variant) for one in told.found] == [
        ("acme/new", None, "fp16"),
        ("acme/old", COMMITS[1], None),
        ("acme/old", None, None),
    ]
    new, later, first = told.found
    assert (new.family, new.pipeline) == ("flux", "FluxPipeline")
    assert first.family == "sd1" and later.family == "sd2"
    assert first.bytes > 3000 and first.used == 1000.0
    assert first.configs == old and first.commit == COMMITS[0] and not first.trouble
    assert later.trouble.startswith("vae has no weights")
    assert len(told.problems) == 1 and "broken" in told.problems[0]


def test_a_cache_that_is_not_there_or_no_folder_is_empty(tmp_path):
    assert in_cache(tmp_path / "absent").found == in_cache(tmp_path / "absent").problems == ()
    (tmp_path / "file").touch()
    assert not in_cache(tmp_path / "file").found
    assert "found a file" in in_cache(tmp_path / "file").problems[0]


@pytest.fixture
def root(tmp_path):
    """A folder of models, and beside it what must not be reached."""
    make_pipeline_folder(tmp_path / "secret" / "model")
    top = tmp_path / "models"
    make_pipeline_folder(top / "sd" / "whole", variant=".fp16")
    make_pipeline_folder(top / "sd" / "part", without="unet")
    leads_out = make_pipeline_folder(top / "leads_out")
    (leads_out / "vae" / "config.json").unlink()
    (leads_out / "vae" / "config.json").symlink_to(tmp_path / "secret" / "model" / "vae")
    (top / "out").symlink_to(tmp_path / "secret")
    (top / "ring").symlink_to(top / "ring")
    (top / "again").symlink_to(top / "sd")
    (top / ".hidden").mkdir()
    save_file({"unet.lora_down.weight": torch.zeros(2, 2)}, top / "more.safetensors")
    (top / "cut.safetensors").write_bytes(b"1234")
    return top


def test_a_folder_lists_what_it_holds(root):
    told = in_folder(root)
    assert told.folders == ("again", "sd")
    troubles = {os.path.basename(one.source): one.trouble for one in told.found}
    assert set(troubles) == {"leads_out", "more.safetensors", "cut.safetensors"}
    assert "lead out of" in troubles["leads_out"] and "LoRA" in troubles["more.safetensors"]
    assert "no whole safetensors" in troubles["cut.safetensors"]
    part, whole = in_folder(root, "sd").found
    assert "unet has no weights" in part.trouble and not whole.trouble
    assert whole.source == str(root / "sd" / "whole") and whole.bytes > 3000
    assert in_folder(root, "sd/whole").found[0] == whole == in_folder(root, "again").found[1]


@pytest.mark.parametrize(
    "inside", ["..", "../secret", "out", "out/model", "sd/../../secret", "/etc", "ring", "a\0b"]
)
def test_no_way_leads_out_of_the_root(root, inside):
    with pytest.raises(ValueError, match="There is no folder"):
        in_folder(root, inside)


def test_an_absolute_way_out_is_none(root):
    with pytest.raises(ValueError, match="There is no folder"):
        in_folder(root, str(root.parent / "secret" / "model"))


def test_a_part_of_a_pipeline_is_no_way_out(root):
    (root.parent / "secret" / "hidden.ckpt").touch()
    index = root / "sd" / "part" / "model_index.json"
    told = json.loads(index.read_text()) | {"../../../secret": ["diffusers", "AutoencoderKL"]}
    (root.parent / "secret" / "config.json").touch()
    index.write_text(json.dumps(told))
    assert "hidden" not in in_folder(root, "sd").found[0].trouble
    index.write_text("[" * 100_000)
    assert "cannot be read as JSON" in in_folder(root, "sd").found[0].trouble


def test_all_below_a_folder_is_found_once(root):
    names = [os.path.basename(one.source) for one in below(root)]
    assert sorted(names) == ["cut.safetensors", "leads_out", "more.safetensors", "part", "whole"]


def test_the_embedded_model_is_a_pipeline_and_nothing_is_none(tmp_path):
    found = found_at(FOLDER)
    assert found.pipeline == "StableDiffusionPipeline" and not found.trouble
    assert found_at(tmp_path) is None and found_at(tmp_path / "absent") is None
