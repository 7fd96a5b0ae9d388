"""Each StableDiffusion* class of diffusers is traced right, held against a spy, or refused."""

import inspect
import math
from contextlib import contextmanager

import diffusers
import pytest
import torch

import sdlab
from sdlab.errors import ModelError
from tests.conftest import make_pipeline
from tests.tracing.every_pipeline import build, every_class
from tests.tracing.pipelines import xl_components

pytestmark = pytest.mark.slow

SCALE = 3.0
# What cannot be read, and why; every other class can be.
AT_ONCE = {
    "StableDiffusionControlNetXSPipeline": "cannot be traced",
    "StableDiffusionXLControlNetXSPipeline": "cannot be traced",
    "StableDiffusionInpaintPipelineLegacy": "after its last step",
    "StableDiffusionInstructPix2PixPipeline": "three rows",
    "StableDiffusionXLInstructPix2PixPipeline": "three rows",
}
IN_THE_CALL = {
    "StableDiffusionAttendAndExcitePipeline": "1 rows for 2 pictures",
    "StableDiffusionGLIGENTextImagePipeline": "again at timestep 501 before its scheduler",
    "StableDiffusionLatentUpscalePipeline": "tells its U-Net 0.67.* no timestep",
    "StableDiffusionPanoramaPipeline": "something else than uncond",  # its rows alternate
    "StableDiffusionParadigmsPipeline": "2 timesteps in one batch",
    "StableDiffusionPipelineSafe": "6 rows for 2 pictures",
    "StableDiffusionPix2PixZeroPipeline": r"timestep 501 \(evaluation 2\).* has ended by then",
    "StableDiffusionSAGPipeline": "again at timestep 501 before its scheduler",
}
CLASSES = every_class()


@pytest.fixture(scope="module")
def parts():
    return {"": make_pipeline().components, "XL": xl_components()}


def call(pipe, fields):
    """Call a pipeline for two pictures by two steps, or as many as it makes."""
    asked = inspect.signature(type(pipe).__call__).parameters
    if "StableDiffusionLDM3D" in type(pipe).__name__:
        fields = {**fields, "output_type": "np"}  # it knows no latents
    defaults = {
        "prompt": "a red car",
        "negative_prompt": "rain",
        "num_inference_steps": 2,
        "guidance_scale": SCALE,
        "num_images_per_prompt": 2,
        "output_type": "latent",
        "generator": torch.Generator().manual_seed(3),
    }
    chosen = {name: value for name, value in defaults.items() if name in asked}
    return torch.as_tensor(pipe(**{**chosen, **fields})[0])


@contextmanager
def spying(unet):
    """Yield (input, timestep, output) of each of a U-Net's calls, kept by replacing forward."""
    seen, plain = [], unet.forward

    def forward(sample, timestep, *args, **kwargs):
        out = plain(sample, timestep, *args, **kwargs)
        seen.append((sample, timestep, out[0] if isinstance(out, tuple) else out.sample))
        return out

    unet.forward = forward
    try:
        yield seen
    finally:
        del unet.forward


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_is_right_or_refused(name, parts):
    pipe, fields = build(CLASSES[name], parts["XL" if "XL" in name else ""])
    if name in AT_ONCE:
        with pytest.raises(ModelError, match=AT_ONCE[name]), sdlab.trace(pipe):
            pass
        return
    scheduler = type(pipe.scheduler)
    record = sdlab.Record(tensors=("x_t", "x0_pred"))
    expected = IN_THE_CALL.get(name, "6 rows for 2 pictures" if "PAG" in name else None)
    if expected is not None:
        with pytest.raises(ModelError, match=expected), sdlab.trace(pipe, record) as traced:
            call(pipe, fields)
        assert type(pipe.scheduler) is scheduler
        with pytest.raises(ModelError, match="Nothing of it was recorded"):
            _ = traced.steps
        return
    with spying(pipe.unet) as seen:
        plain = call(pipe, fields)
    with sdlab.trace(pipe, record) as traced:
        assert torch.equal(call(pipe, fields), plain)
    assert type(pipe.scheduler) is scheduler
    check(traced, seen, pipe.scheduler.alphas_cumprod.double())
    if "LDM3D" not in name:
        assert torch.equal(traced.latents, plain)


def check(traced, seen, alpha_bar):
    """Hold two pictures' record against what the network was given and said."""
    assert traced.call.images == 2
    for image in range(2):
        steps, kept = traced.steps.query("image == @image"), traced.trace(image)
        assert steps["timestep"].tolist() == [float(t) for _, t, _ in seen]
        for place, (sample, t, output) in enumerate(seen):
            bar = alpha_bar[int(t)]
            sigma = math.sqrt((1 - bar) / bar)
            assert steps["sigma"].iloc[place] == pytest.approx(sigma, rel=1e-5)
            x = sample[2 + image, :4]
            assert torch.equal(kept.x_t[place], x)
            uncond, cond = output[image], output[2 + image]
            assert not torch.equal(uncond, cond)
            eps = (uncond + SCALE * (cond - uncond)).double()
            x0 = (x.double() - (1 - bar).sqrt() * eps) / bar.sqrt()
            # Float32 rounding of x and sigma eps, which nearly cancel.
            atol = 1e-6 * float(x.abs().max() / bar.sqrt() + sigma * eps.abs().max())
            torch.testing.assert_close(kept.x0_pred[place].double(), x0, rtol=0, atol=atol)


@pytest.mark.parametrize("name", ["SAG", "GLIGEN", "Upscale", "ImageVariation"])
def test_attention_of_classes_that_take_their_scale_by_the_call(name, parts):
    full = f"StableDiffusion{name}Pipeline"
    pipe, fields = build(CLASSES[full], parts[""])
    fields |= {"sag_scale": 0.0} if name == "SAG" else {}
    plain = call(pipe, fields)
    with sdlab.trace(pipe) as traced:
        assert torch.equal(call(pipe, fields), plain)
    assert torch.equal(traced.latents, plain)
    assert traced.steps["guidance_norm"].gt(0).all()
    if name == "ImageVariation":  # it looks at a picture; there are no words
        with pytest.raises(ValueError, match="The words are not known"):
            traced.heatmap("car")
    else:
        assert traced.heatmap("car", image=1).max() > 0


def test_a_scheduler_of_other_timesteps_is_refused(parts):
    from diffusers import EDMEulerScheduler

    pipe, fields = build(CLASSES["StableDiffusionPipeline"], parts[""])
    pipe.scheduler = EDMEulerScheduler()
    with pytest.raises(ModelError, match="EDMEulerScheduler"):
        with sdlab.trace(pipe, sdlab.Record(tensors=("x_t",))):
            call(pipe, fields)


def test_guidance_of_another_kind_is_refused(parts):
    pipe, _ = build(CLASSES["StableDiffusionPipeline"], parts[""])

    class StableDiffusionWaningPipeline(type(pipe)):
        @torch.no_grad()
        def __call__(self, prompt, guidance_scale=SCALE, waning=0.9):
            text = torch.cat(self.encode_prompt(prompt, "cpu", 1, True)[::-1])
            self.scheduler.set_timesteps(2)
            latents = torch.ones(1, 4, 16, 16)
            self._guidance_scale = guidance_scale
            for t in self.scheduler.timesteps:
                uncond, cond = self.unet(torch.cat([latents] * 2), t, text)[0].chunk(2)
                guided = uncond + waning * guidance_scale * (cond - uncond)
                latents = self.scheduler.step(guided, t, latents)[0]
            return [latents]

    pipe.__class__ = StableDiffusionWaningPipeline
    record = sdlab.Record(tensors=())
    with sdlab.trace(pipe, record) as traced:
        pipe("a red car", waning=1.0)
    assert len(traced.steps) == 2
    with pytest.raises(
        ModelError, match=r"something else than uncond \+ s.*s = 3\) at timestep 501"
    ):
        with sdlab.trace(pipe, record):
            pipe("a red car")


def test_the_callback_of_old_is_called_as_ever(parts):
    pipe, fields = build(CLASSES["StableDiffusionUpscalePipeline"], parts[""])
    heard = {}

    def asked(name):
        told = heard.setdefault(name, [])
        keep = lambda step, timestep, latents: told.append((step, int(timestep), latents.sum()))  # noqa: E731
        return {"callback": keep, "callback_steps": 2, "num_inference_steps": 5}

    call(pipe, {**fields, **asked("plain")})
    with sdlab.trace(pipe, sdlab.Record(tensors=())):
        call(pipe, {**fields, **asked("traced")})
    assert len(heard["plain"]) == 3 and heard["plain"] == heard["traced"]


@pytest.mark.parametrize("name", ["PNDM", "DPMSolverMultistep", "HeunDiscrete", "own"])
def test_a_late_beginning_has_the_scheduler_s_own_sigmas(name, parts):
    pipe, fields = build(CLASSES["StableDiffusionImg2ImgPipeline"], parts[""])
    if name == "own":
        pipe.scheduler = sdlab.as_diffusers_scheduler("dpmpp_2m", curve="karras")
    else:
        cls = getattr(diffusers, f"{name}Scheduler")
        pipe.scheduler = cls.from_config(pipe.scheduler.config, use_karras_sigmas=True)
    with sdlab.trace(pipe, sdlab.Record(tensors=())) as traced:
        call(pipe, {**fields, "num_inference_steps": 6, "strength": 0.6})
    steps = traced.steps.query("image == 0")
    count, scheduler = len(steps), pipe.scheduler
    assert steps["timestep"].tolist() == scheduler.timesteps.tolist()[-count:]
    if name == "PNDM":  # it has no sigmas
        bar = scheduler.alphas_cumprod[scheduler.timesteps[-count:].long()].double()
        expected = ((1 - bar) / bar).sqrt()
    else:
        expected = scheduler.sigmas[-count - 1 : -1].double()
    torch.testing.assert_close(torch.tensor(steps["sigma"].to_numpy()), expected, rtol=1e-5, atol=0)
