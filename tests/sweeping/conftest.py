"""A model that workers can load, and a small sweep of it."""

import pytest

import sdlab
from tests.conftest import make_pipeline


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model that workers can load: it lies in a folder."""
    folder = tmp_path_factory.mktemp("model")
    make_pipeline().save_pretrained(folder)
    return sdlab.load(str(folder), device="cpu")


@pytest.fixture(scope="module")
def spec(model):
    base = sdlab.Experiment(prompt="a red car", width=64, height=64, num_steps=2, model=model.name)
    return sdlab.Sweep(base, {"solver": ["ddim", "heun"], "seed": range(3)})
