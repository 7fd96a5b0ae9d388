"""A pipeline of each kind, saved, loads again from its folder: class, parts and weights."""

import json

import pytest
import torch
from diffusers import MultiControlNetModel, StableDiffusionControlNetPipeline
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5EncoderModel

from sdlab.errors import ModelError
from sdlab.models.load import check, load
from sdlab.models.model import Model
from tests import flow
from tests.conftest import clip_tokenizer
from tests.tracing import pipelines

pytestmark = pytest.mark.slow


def t5():
    torch.manual_seed(0)
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 4}
    return T5EncoderModel(T5Config(vocab_size=64, **sizes)).eval()


def sd3_with_t5():
    """Its T5 saves the words' table once, under one of its two names."""
    parts = {**flow.sd3_parts(), "text_encoder_3": t5(), "tokenizer_3": clip_tokenizer()}
    return flow.StableDiffusion3Pipeline(**parts)


def two_controlnets():
    first, second = (pipelines.controlnet()[0] for _ in range(2))
    torch.nn.init.normal_(second.controlnet.conv_in.weight)
    nets = MultiControlNetModel([first.controlnet, second.controlnet])
    parts = {**first.components, "controlnet": nets}
    return StableDiffusionControlNetPipeline(**parts, requires_safety_checker=False)


KINDS = {
    "words": lambda: pipelines.text2img()[0],
    "img2img": lambda: pipelines.img2img()[0],
    "inpaint": lambda: pipelines.inpaint_nine()[0],
    "controlnet": lambda: pipelines.controlnet()[0],
    "two controlnets": two_controlnets,
    "xl": lambda: pipelines.xl()[0],
    "xl img2img": lambda: pipelines.xl_img2img()[0],
    "xl inpaint": lambda: pipelines.xl_inpaint()[0],
    "xl controlnet": lambda: pipelines.xl_controlnet()[0],
    "sd3": flow.sd3,
    "sd3 with T5": sd3_with_t5,
    "sd3 img2img": flow.sd3_img2img,
    "sd3 inpaint": flow.sd3_inpaint,
    "flux": flow.flux,
}


ONE_OF_EACH = ("inpaint", "two controlnets", "xl img2img", "sd3 with T5", "flux")


@pytest.mark.parametrize(
    "kind",
    [
        kind if kind in ONE_OF_EACH else pytest.param(kind, marks=pytest.mark.every)
        for kind in KINDS
    ],
)
def test_a_folder_loads_again(kind, tmp_path, no_network):
    pipe = KINDS[kind]()
    pipe.save_pretrained(tmp_path)
    check(str(tmp_path))
    model = load(tmp_path, device="cpu")
    assert type(model.pipeline) is type(pipe)
    assert model.hash == Model(pipe, "in memory").hash
    assert list(model.networks) == list(Model(pipe, "in memory").networks)
    before, after = (
        {name: part and type(part) for name, part in one.components.items()}
        for one in (pipe, model.pipeline)
    )
    assert before == after


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_variants_of_every_part_are_read(variant, tmp_path):
    pipe = flow.sd3()
    pipe.save_pretrained(tmp_path, variant="fp16")
    assert load(tmp_path, device="cpu", variant=variant).hash == Model(pipe, "").hash


@pytest.mark.parametrize(
    "part", ["transformer", pytest.param("text_encoder_2", marks=pytest.mark.every)]
)
def test_a_weight_that_no_file_has_is_told(part, tmp_path):
    flow.sd3().save_pretrained(tmp_path)
    (path,) = (tmp_path / part).glob("*.safetensors")
    state = load_file(path)
    gone = max(state)
    del state[gone]
    save_file(state, path, {"format": "pt"})
    with pytest.raises(ModelError, match=f"{part} lacks 1 of .* weights, for example"):
        load(tmp_path)


def test_a_part_that_is_only_pickled_is_refused(tmp_path):
    pipe = flow.flux()
    pipe.save_pretrained(tmp_path)
    (path,) = (tmp_path / "transformer").glob("*.safetensors")
    path.rename(path.with_suffix(".bin"))
    with pytest.raises(ModelError, match=r"transformer has its weights only pickled"):
        check(str(tmp_path))


def test_code_beside_any_part_is_never_run(tmp_path):
    flow.flux().save_pretrained(tmp_path)
    (tmp_path / "transformer" / "evil.py").write_text("raise SystemExit('ran')")
    index = json.loads((tmp_path / "model_index.json").read_text())
    index["transformer"] = ["evil", "FluxTransformer2DModel"]
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="takes its transformer from 'evil'.*never code"):
        load(tmp_path)


@pytest.mark.parametrize(
    "make",
    [
        KINDS["xl"],
        flow.flux,
        pytest.param(flow.sd3, marks=pytest.mark.every),
    ],
)
def test_our_schedulers_are_saved_and_loaded(make, tmp_path):
    import sdlab

    pipe = make()
    pipe.scheduler = sdlab.as_diffusers_scheduler("heun", config=pipe.scheduler.config)
    pipe.save_pretrained(tmp_path)
    model = load(tmp_path, device="cpu")
    assert type(model.pipeline.scheduler) is type(pipe.scheduler)
