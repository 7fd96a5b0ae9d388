"""Models that all tests share, what is slow, and which worker runs which file."""

import gc
import os
import shutil
from functools import cache

# Small tensors gain nothing from more threads, and the test workers share the cores: read by
# torch when it is imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from hypothesis import HealthCheck, settings
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
from xdist.scheduler import LoadScopeScheduling

import sdlab
from sdlab.models.model import Model
from sdlab.shipped import FOLDER as EMBEDDED
from tests.rewriting import rewrite_all

torch.set_num_threads(1)

# What the tests import stays until they end, a million objects: garbage is looked for once they are
# collected (see pytest_collection), and not among those.
gc.disable()

# How long an example takes says how busy the machine is; a test that minds sets its own deadline.
settings.register_profile("sdlab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sdlab")

BROWSER = "tests/e2e/"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
"""Of the browser."""
# Who asks for one of these opens a page, starts a worker or drives a browser.
SLOW_FIXTURES = {"open_page", "runs_folder", "make_worker", "server", "browser"}


def pytest_configure(config):
    if getattr(config.option, "numprocesses", None) and hasattr(os, "fork"):  # has workers
        rewrite_all(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


def pytest_collection_modifyitems(items):
    """Mark what is slow; let the browser tests, the largest part for one worker, come first."""
    for item in items:
        if SLOW_FIXTURES & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not item.nodeid.startswith(BROWSER))


class ByFile(LoadScopeScheduling):
    """Keeps a file's tests on one worker, whose fixtures they share, and all browser tests too.

    These share one server and one Chromium. (``--dist loadgroup`` would do, but xdist 3.8 sets
    the names of groups where pytest 9.2 no longer reads them.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


SD_SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


@cache
def clip_tokenizer(number=1, **options):
    """The embedded model's tokenizer, one for all small models: it takes 0.08 s to read.

    A pipeline of two has number 1 and number 2. A test that changes it takes ``own_tokenizer``.
    """
    return own_tokenizer(**options)


def own_tokenizer(**options):
    """The embedded model's tokenizer, for one test alone."""
    return CLIPTokenizer.from_pretrained(EMBEDDED / "tokenizer", **options)


def learning(pipe):
    """Give a pipeline a tokenizer of its own, which may learn words; return the pipeline."""
    pipe.tokenizer = own_tokenizer()
    return pipe


def make_pipeline(prediction_type="epsilon", unet=None, **scheduler):
    """A true Stable Diffusion pipeline, small and with random weights: 16x16 latents, fast."""
    torch.manual_seed(0)
    text = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=49406,
        eos_token_id=49407,
    )
    network = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=32,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **(unet or {}),
    )
    vae = AutoencoderKL(
        block_out_channels=(4, 8, 8, 8),
        norm_num_groups=2,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=128,
    )
    pipeline = StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=CLIPTextModel(text).eval(),
        tokenizer=clip_tokenizer(),
        unet=network.eval(),
        scheduler=DDIMScheduler(**SD_SCHEDULER, prediction_type=prediction_type, **scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="session")
def small():
    """A model of the true architecture with random weights, for what needs many fast runs."""
    return Model(make_pipeline(), "small")


@pytest.fixture(scope="session")
def embedded():
    """The embedded model."""
    return sdlab.load(device="cpu")


@pytest.fixture(scope="session")
def browser():
    """The one browser of a worker: Playwright can run only once in a process."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs a chromium on the PATH (apt-get install chromium)")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=FLAGS)
