"""A model as a single file and as a folder, and a network that must not be used."""

import shutil
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdlab.shipped import FOLDER as EMBEDDED

from . import ldm


@pytest.fixture(scope="session")
def checkpoint(embedded, tmp_path_factory):
    """The embedded model's real weights as one file in the original layout."""
    path = tmp_path_factory.mktemp("single") / "model.safetensors"
    state = ldm.ldm_state(embedded.pipeline)
    state["alphas_cumprod"] = torch.ones(1000)
    save_file(state, path)
    return path


@pytest.fixture
def folder(tmp_path):
    """A copy of the embedded model's folder, to break."""
    return Path(shutil.copytree(EMBEDDED, tmp_path / "pipeline"))


@pytest.fixture
def no_network(monkeypatch):
    """Refuse every connection, and fail the test if one was tried, even if the error was eaten."""
    tried = []

    def refuse(*args, **kwargs):
        tried.append(args)
        raise OSError("the test allows no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert not tried, f"it asked the network: {tried}"


def latents(model, steps=3, seed=7):
    """Final latents of diffusers' own pipeline, for comparing models."""
    generator = torch.Generator().manual_seed(seed)
    out = model.pipeline(
        "a parrot on a beach",
        num_inference_steps=steps,
        guidance_scale=4.0,
        generator=generator,
        output_type="latent",
    )
    return out.images
