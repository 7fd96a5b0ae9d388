"""A load tells its stages, and ends at any of them without a trace."""

import pytest
import torch

import sdlab
from sdlab.models.loading_stages import LoadingCancelled
from sdlab.shipped import FOLDER


def test_stages_come_in_order_with_the_bytes_read_before():
    told = []
    sdlab.load(on_progress=told.append)
    assert [stage.name for stage in told if stage.name != "reading"] == ["checking", "moving"]
    read = [stage for stage in told if stage.name == "reading"]
    parts = {stage.what for stage in read}
    assert {"unet", "vae", "text_encoder", "tokenizer", "scheduler"} <= parts
    weights = sum(p.stat().st_size for p in FOLDER.glob("*/*.safetensors"))
    assert {stage.total for stage in read} == {weights}
    done = [stage.done for stage in read]
    assert done == sorted(done) and done[0] == 0 and 0 < done[-1] <= weights


@pytest.mark.parametrize("at", ["checking", "unet", "vae", "moving"])
def test_a_load_ends_where_it_is_told_to(at):
    def tell(stage):
        if at in (stage.name, stage.what):
            raise LoadingCancelled

    with pytest.raises(LoadingCancelled):
        sdlab.load(on_progress=tell)
    assert torch.nn.Linear(2, 2).weight.device.type == "cpu"  # the libraries build on "meta"
    assert torch.get_default_dtype() == torch.float32
