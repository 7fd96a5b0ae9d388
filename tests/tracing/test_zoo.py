"""``sdlab.trace`` around every pipeline that can be built tiny.

Which output is which half is told apart by changing the prompt alone: at the first evaluation the
conditional half changes and the other one stays what it was.
"""

import functools

import numpy as np
import pytest
import torch

import sdlab
from sdlab.runs.trace import Trace
from tests.zoo.chosen import KINDS, cases
from tests.zoo.pipelines import RUNS, build

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]

RECORD = sdlab.Record(tensors=("x_t", "x0_pred", "output_cond", "output_uncond"))
# What of a class is left out, in the words of its warning; of all others nothing is.
GUIDED_OTHERWISE = "is not guidance by one or two outputs"
NO_PICTURES = "not known to be laid out as pictures"
SEVERAL = "pictures in one"
LEFT_OUT = {
    "DreamLitePipeline": GUIDED_OTHERWISE,  # by two scales
    "Ideogram4Pipeline": NO_PICTURES,
    "JoyImageEdit": NO_PICTURES,
    "Kandinsky5I2IPipeline": "lays its final latents out otherwise",
    "LTXI2VLongMultiPromptPipeline": "lays its final latents out otherwise",
    "LTXImageToVideoPipeline": "draws nothing beside what it was given",
    "LuminaPipeline": GUIDED_OTHERWISE,  # of three channels alone
    "PRXPixelPipeline": GUIDED_OTHERWISE,  # of x0, from which it makes the velocity
    "QwenImageLayeredPipeline": SEVERAL,
    "SanaSprint": "runs by a SCMScheduler",
    "StableCascade": "runs by a DDPMWuerstchenScheduler",
    "StableDiffusionInpaintPipelineLegacy": "changes its latents after its steps",
    "StableDiffusionInstructPix2PixPipeline": GUIDED_OTHERWISE,
    "StableDiffusionLatentUpscalePipeline": GUIDED_OTHERWISE,
    "StableDiffusionParadigmsPipeline": "makes no steps by its DDIMParallelScheduler",
    "StableDiffusionPipelineSafe": GUIDED_OTHERWISE,
    "StableDiffusionPix2PixZeroPipeline": "changes its latents after its steps",
    "StableDiffusionSAGPipeline": GUIDED_OTHERWISE,
    "StableDiffusionXLInstructPix2PixPipeline": GUIDED_OTHERWISE,
}
# Whose negative half hears of the prompt too: by a ControlNet's answer, the prompts' length, or
# latents that were changed for its words.
SHARED = (
    "BriaFibo",
    "Kandinsky3",
    "QwenImageControlNet",
    "StableDiffusionAttendAndExcite",
)
# Whose words stand in a long template.
TEMPLATES = ("BriaFibo", "Flux2", "Krea2", "Lumina2", "Nucleus", "Ovis", "QwenImage")


def draw(pipe, fields):
    torch.manual_seed(11)  # some draw from torch's own numbers too
    out = pipe(**fields, generator=torch.Generator().manual_seed(3))
    return out[0] if isinstance(out, tuple) else next(iter(out.values()))


def stepping(pipe, fields):
    """Return what a call gives, and (given, x_t) of each step of its scheduler."""
    plain, seen = pipe.scheduler.step, []

    @functools.wraps(plain)
    def step(model_output, timestep, sample, *args, **kwargs):
        seen.append((model_output.clone(), sample.clone()))
        return plain(model_output, timestep, sample, *args, **kwargs)

    pipe.scheduler.step = step
    out = draw(pipe, fields)
    del pipe.scheduler.step
    return out, seen


def with_another_prompt(fields):
    """Return a call's arguments with as many other words."""
    changed = dict(fields)
    for name, value in fields.items():
        if name.startswith(("prompt", "pooled_prompt")) and isinstance(value, str):
            changed[name] = value.replace("car", "cup")
        elif name.startswith(("prompt_embeds", "pooled_prompt_embeds", "image_embeds")):
            changed[name] = value.flip(-1)
    return changed


@pytest.mark.parametrize("name", cases(RUNS, KINDS))
def test_every_pipeline_is_traced(name):
    pipe, fields = build(name)
    plain, seen = stepping(pipe, fields)
    with sdlab.trace(pipe, RECORD) as traced:
        drawn = draw(pipe, fields)
    assert np.array_equal(np.asarray(drawn[0]), np.asarray(plain[0]))
    assert "step" not in vars(pipe.scheduler)
    left_out = next((what for start, what in LEFT_OUT.items() if name.startswith(start)), "")
    assert bool(traced.warnings) == bool(left_out)
    assert left_out in " ".join(traced.warnings)
    if not seen:
        return
    steps, kept = traced.steps, traced.trace()
    assert len(steps) == len(seen) and (steps["ms"] > 0).all()
    if steps["sigma"].isna().all():
        assert kept.names() == [] and left_out
        return
    assert steps[["sigma", "x_t_std", "x0_pred_std"]].notna().all(axis=None)
    for place, (given, x) in enumerate(seen if kept.names() else ()):
        if "flow_time" in steps:
            same_numbers(kept.x_t[place], x)
            x0 = x - steps["flow_time"][place] * given.float()
            same_numbers(kept.x0_pred[place], x0, atol=1e-5)
    if "latents" not in left_out and left_out != NO_PICTURES:
        same = isinstance(plain, torch.Tensor) and plain.shape == traced.latents.shape
        if same and not name.startswith("Flux2"):  # that takes its latents' normalisation off
            assert torch.equal(traced.latents, plain)


def same_numbers(picture, packed, atol=0.0):
    """Packed latents have the same numbers in another order."""
    ours, theirs = (x.flatten().sort().values.float() for x in (picture, packed))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("name", cases(RUNS, KINDS))
def test_the_halves_are_those_of_their_prompts(name):
    pipe, fields = build(name)
    if name.startswith(TEMPLATES) and "max_sequence_length" in fields:
        fields["max_sequence_length"] = 256  # beyond the template
    changed, kept = with_another_prompt(fields), []
    if all(changed[key] is value for key, value in fields.items()):
        pytest.skip("it is told by a picture")
    for given in (fields, changed):
        with sdlab.trace(pipe, RECORD) as traced:
            draw(pipe, given)
        kept.append(traced.trace() if traced.call.images else Trace([], [], {}))
    if "output_cond" not in kept[0].names():
        return  # as its warning says
    assert not torch.equal(kept[0].output_cond[0], kept[1].output_cond[0])
    if "output_uncond" in kept[0].names():
        changes = [
            float((kept[0].tensor(half)[0] - kept[1].tensor(half)[0]).abs().max())
            for half in ("output_cond", "output_uncond")
        ]
        assert changes[1] < changes[0] if name.startswith(SHARED) else changes[1] == 0.0
