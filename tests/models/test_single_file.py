"""One file makes the same picture as its folder, and what it predicts is read or measured."""

import json

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from sdlab.errors import ModelError
from sdlab.models import single_file
from sdlab.models.load import load
from sdlab.models.model import Model
from sdlab.models.single_file import CONFIGS, KNOWN, predicts_noise
from sdlab.shipped import FOLDER as EMBEDDED
from tests import flow
from tests.conftest import make_pipeline
from tests.tracing import pipelines

from . import ldm
from .conftest import latents

pytestmark = pytest.mark.slow

# The published sizes of the networks, in parameters: U-Net, VAE, text encoder.
PUBLISHED = {
    "sd1": (859_520_964, 83_653_863, 123_060_480),
    "sd2": (865_910_724, 83_653_863, 340_387_840),
    "sd2-v": (865_910_724, 83_653_863, 340_387_840),
}


def test_one_file_makes_the_same_picture_as_the_folder(checkpoint, embedded, no_network):
    model = load(checkpoint, device="cpu", config=EMBEDDED)
    assert model.name == str(checkpoint)
    assert model.hash == embedded.hash
    found, expected = latents(model, steps=2), latents(embedded, steps=2)
    assert torch.equal(found, expected)
    assert model.decode(found).tobytes() == embedded.decode(expected).tobytes()


def test_openclip_keys_make_the_same_picture(tmp_path, embedded, no_network):
    path = tmp_path / "openclip.safetensors"
    save_file(ldm.ldm_state(embedded.pipeline, ldm.openclip_state), path)
    model = load(str(path), device="cpu", config=str(EMBEDDED))
    assert torch.equal(latents(model, steps=1), latents(embedded, steps=1))


@pytest.mark.parametrize("name", PUBLISHED)
def test_configs_build_networks_of_the_published_size(name):
    folder = str(CONFIGS / name)
    with torch.device("meta"):
        networks = (
            UNet2DConditionModel.from_config(folder, subfolder="unet"),
            AutoencoderKL.from_config(folder, subfolder="vae"),
            CLIPTextModel(CLIPTextConfig.from_pretrained(folder, subfolder="text_encoder")),
        )
    assert tuple(sum(p.numel() for p in n.parameters()) for n in networks) == PUBLISHED[name]


@pytest.mark.parametrize(
    "name, prediction", [("sd1", "epsilon"), ("sd2", "epsilon"), ("sd2-v", "v_prediction")]
)
def test_configs_hold_the_noise_schedule(name, prediction):
    config = json.loads((CONFIGS / name / "scheduler" / "scheduler_config.json").read_text())
    assert config["prediction_type"] == prediction
    assert (config["beta_start"], config["beta_end"]) == (0.00085, 0.012)
    assert config["beta_schedule"] == "scaled_linear"


def test_noise_prediction_is_measured(embedded):
    assert predicts_noise(embedded.pipeline)


def test_velocity_prediction_is_measured(embedded):
    """At the last timestep v is 0.068 eps - 0.998 x0, whatever x0 the network sees there."""
    from copy import deepcopy

    pipeline = deepcopy(embedded.pipeline)
    x0 = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    pipeline.unet.register_forward_hook(
        lambda _module, args, out: type(out)(sample=0.068 * args[0] - 0.998 * x0)
    )
    assert not predicts_noise(pipeline)


@pytest.fixture
def own_size(monkeypatch):
    """The embedded model's size among those whose configs come with the package."""
    monkeypatch.setitem(KNOWN, 128, (str(EMBEDDED), "<|endoftext|>"))


@pytest.fixture
def changed(checkpoint, tmp_path):
    """Write the checkpoint again, with other keys, weights, metadata or suffix; return its path."""

    def write(change=dict, metadata=None, name="changed.safetensors"):
        save_file(change(load_file(checkpoint)), tmp_path / name, metadata)
        return tmp_path / name

    return write


def against_its_input(state):
    """Weights of a network that answers with the opposite of the noise it is given."""
    names = ("model.diffusion_model.out.2.weight", "model.diffusion_model.out.2.bias")
    return {key: -value if key in names else value for key, value in state.items()}


def marked(*keys):
    return lambda state: state | {key: torch.zeros(0) for key in keys}


@pytest.mark.parametrize(
    ("change", "metadata", "prediction"),
    [
        (dict, None, "epsilon"),
        (against_its_input, None, "v_prediction"),  # measured, at any width
        (against_its_input, {"modelspec.prediction_type": "epsilon"}, "epsilon"),
        pytest.param(marked("v_pred"), None, "v_prediction", marks=pytest.mark.every),
        (marked("v_pred"), {"modelspec.prediction_type": "epsilon"}, "v_prediction"),
        *(
            pytest.param(
                dict, {"modelspec.prediction_type": word}, "v_prediction", marks=pytest.mark.every
            )
            for word in ("v", "v_prediction", "velocity")
        ),
        (dict, {"modelspec.prediction_type": "V-Prediction"}, "v_prediction"),
        (dict, {"modelspec.prediction_type": "what the author likes"}, "epsilon"),
    ],
)
def test_what_a_file_predicts_is_read_or_measured(own_size, changed, change, metadata, prediction):
    config = load(changed(change, metadata), device="cpu").scheduler_config
    assert config["prediction_type"] == prediction
    assert not config["rescale_betas_zero_snr"]


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        (dict, ("v_pred", "ztsnr")),
        pytest.param(against_its_input, ("ztsnr",), marks=pytest.mark.every),
    ],
)
def test_zero_terminal_snr_is_taken_from_the_file(own_size, changed, change, keys):
    model = load(changed(lambda state: marked(*keys)(change(state))), device="cpu")
    config = model.scheduler_config
    assert (config["rescale_betas_zero_snr"], config["timestep_spacing"]) == (True, "trailing")
    assert config["prediction_type"] == "v_prediction"
    assert model.schedule.alpha_bar[-1] < 1e-6


def test_zero_terminal_snr_of_a_network_that_predicts_the_noise_is_refused(own_size, changed):
    with pytest.raises(ModelError, match=r"zero terminal SNR \(its key 'ztsnr'\).*config=FOLDER"):
        load(changed(marked("ztsnr")), device="cpu")


def test_measuring_goes_on_in_float32_where_half_precision_overflows():
    """2.x does in float16; NaN was read as velocity."""
    pipeline = make_pipeline().to(torch.float16)
    before = {key: value.clone() for key, value in pipeline.unet.state_dict().items()}

    def noise_or_overflow(_module, args, out):
        noise = args[0]
        return type(out)(sample=noise if noise.dtype == torch.float32 else noise * torch.inf)

    pipeline.unet.register_forward_hook(noise_or_overflow)
    assert predicts_noise(pipeline)
    after = pipeline.unet.state_dict()
    assert all(value.dtype == torch.float16 for value in after.values())
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_novelais_layout_and_any_case_of_the_suffix(changed, embedded, no_network):
    """The text encoder's keys lack "text_model."; what ends in .SAFETENSORS is no pickle."""

    def flat(state):
        long, short = "cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."
        return {key.replace(long, short): value for key, value in state.items()}

    model = load(changed(flat, name="novel.SAFETENSORS"), device="cpu", config=EMBEDDED)
    assert model.hash == embedded.hash
    assert torch.equal(latents(model, steps=1), latents(embedded, steps=1))


def test_an_inpainting_file_loads_as_its_own_pipeline(own_size, changed):
    def with_mask_and_picture(state):
        key = "model.diffusion_model.input_blocks.0.0.weight"
        nine = torch.zeros(len(state[key]), 9, 3, 3)
        nine[:, :4] = state[key]
        return state | {key: nine}

    model = load(changed(with_mask_and_picture, {"modelspec.prediction_type": "eps"}), device="cpu")
    assert type(model.pipeline).__name__ == "StableDiffusionInpaintPipeline"
    assert model.pipeline.unet.config.in_channels == 9 and not model.plain


@pytest.fixture(scope="module")
def xl_file(tmp_path_factory):
    """A tiny Stable Diffusion XL: (the file, a folder of its configs alone, the pipeline)."""
    place = tmp_path_factory.mktemp("xl")
    parts = pipelines.xl_components()  # two widths, as diffusers tells the two encoders by them
    parts["text_encoder"] = flow.text_encoder(CLIPTextModel, 24)
    parts["text_encoder_2"] = flow.text_encoder(CLIPTextModelWithProjection)
    pipe = StableDiffusionXLPipeline(**parts)
    save_file(ldm.xl_state(pipe), place / "xl.safetensors")
    pipe.save_pretrained(place / "folder")
    for weights in (place / "folder").glob("*/*.safetensors"):
        weights.unlink()
    return place / "xl.safetensors", place / "folder", pipe


def test_an_xl_file_loads_with_its_configs(xl_file, no_network, tmp_path):
    path, folder, pipe = xl_file
    loud = tmp_path / "XL.SAFETENSORS"
    loud.write_bytes(path.read_bytes())
    model = load(loud, device="cpu", config=folder)
    assert model.family == "sdxl" and model.hash == Model(pipe, "xl").hash


@pytest.mark.parametrize(
    "keys, kind",
    [
        pytest.param((), "epsilon", marks=pytest.mark.every),
        (("v_pred", "ztsnr"), "v_prediction"),
    ],
)
def test_an_xl_file_loads_with_the_shipped_configs(xl_file, keys, kind, monkeypatch, tmp_path):
    path, folder, pipe = xl_file
    monkeypatch.setattr(single_file, "CONFIGS", tmp_path)
    (tmp_path / "sdxl").symlink_to(folder)
    (tmp_path / "sd2-v").symlink_to(CONFIGS / "sd2-v")
    marks = {key: torch.zeros(0) for key in keys}
    save_file(load_file(path) | marks, tmp_path / "marked.safetensors")
    model = load(tmp_path / "marked.safetensors", device="cpu")
    assert model.hash == Model(pipe, "xl").hash
    assert model.scheduler_config["prediction_type"] == kind
    assert model.pipeline.tokenizer_2.pad_token == "!"


def test_the_configs_of_xl_build_networks_of_the_published_size():
    folder = str(CONFIGS / "sdxl")
    with torch.device("meta"):
        networks = (
            UNet2DConditionModel.from_config(folder, subfolder="unet"),
            AutoencoderKL.from_config(folder, subfolder="vae"),
            CLIPTextModel(CLIPTextConfig.from_pretrained(folder, subfolder="text_encoder")),
            CLIPTextModelWithProjection(
                CLIPTextConfig.from_pretrained(folder, subfolder="text_encoder_2")
            ),
        )
    sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert sizes == [2_567_463_684, 83_653_863, 123_060_480, 694_659_840]


def test_a_networks_own_file_loads_with_a_folder_of_the_rest(tmp_path, no_network):
    """As fine-tuned transformers are shared: the other parts' weights come from the folder."""
    pipe = flow.flux()
    pipe.save_pretrained(tmp_path / "flux")
    weights = tmp_path / "flux" / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = weights.rename(tmp_path / "tuned.safetensors")
    model = load(weights, device="cpu", config=tmp_path / "flux")
    assert model.hash == Model(pipe, "flux").hash
    (encoder,) = (tmp_path / "flux" / "text_encoder").glob("*.safetensors")
    encoder.rename(encoder.with_suffix(".bin"))
    with pytest.raises(ModelError, match="text_encoder has its weights only pickled"):
        load(weights, device="cpu", config=tmp_path / "flux")


def test_a_class_that_diffusers_reads_no_file_of_is_told(xl_file, tmp_path):
    path, _, _ = xl_file
    pipelines.controlnet()[0].save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    index |= {"_class_name": "StableDiffusionDiffEditPipeline", "inverse_scheduler": None}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="diffusers reads no single file of a StableDiffusionDiff"):
        load(path, config=tmp_path)
