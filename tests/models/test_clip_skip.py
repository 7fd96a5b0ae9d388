"""``clip_skip``, which fails in diffusers with transformers 5.6 and later, in the engine."""

import numpy as np
import pytest
import torch
from transformers import CLIPTextModel

import sdlab
from sdlab.models.clip_skip import check_clip_skip, lending_level
from tests import flow

ASKED = {"prompt": "a red car", "negative_prompt": "rain", "num_steps": 2, "guidance_scale": 3.0}
DDIM = "DDIMScheduler"


def drawn(model, skipped):
    options = {"clip_skip": skipped}
    asked = sdlab.Experiment(**ASKED, solver=DDIM, width=64, height=64, pipeline_options=options)
    return sdlab.run(model, asked)


def by_hand(pipe, skipped):
    """Return the plain call's picture of the words that ``clip_skip`` reads."""
    encoder = pipe.text_encoder

    def read(words, layers):
        ids = pipe.tokenizer(words, padding="max_length", max_length=77, return_tensors="pt")
        states = encoder(ids.input_ids, output_hidden_states=True).hidden_states
        return encoder.final_layer_norm(states[-1 - layers])

    with torch.no_grad():
        words = read(ASKED["prompt"], skipped), read(ASKED["negative_prompt"], 0)
    made = pipe(
        prompt_embeds=words[0],
        negative_prompt_embeds=words[1],
        num_inference_steps=2,
        guidance_scale=3.0,
        width=64,
        height=64,
        generator=torch.Generator().manual_seed(0),
    )
    return np.asarray(made.images[0])


@pytest.mark.parametrize("skipped", [0, 1])
def test_it_draws_what_the_layer_s_words_draw(small, skipped):
    run = drawn(small, skipped)
    assert np.array_equal(np.asarray(run.image), by_hand(small.pipeline, skipped))


def test_the_encoder_is_as_before_afterwards(small):
    encoder = small.pipeline.text_encoder
    before = set(vars(encoder)), len(list(encoder.modules()))
    with pytest.raises(KeyError), lending_level(small.pipeline):
        assert encoder.text_model.final_layer_norm is encoder.final_layer_norm
        assert len(list(encoder.modules())) == before[1]
        raise KeyError
    drawn(small, 1)
    assert (set(vars(encoder)), len(list(encoder.modules()))) == before


@pytest.mark.parametrize("value", [3, -1, 1.5, True, "2"])
def test_a_layer_that_is_not_there_is_refused_before_the_run(small, value):
    with pytest.raises(ValueError, match=rf"clip_skip must be .* from 0 to 2, .* got {value!r}"):
        sdlab.plan(small, sdlab.Experiment(**ASKED, pipeline_options={"clip_skip": value}))


def test_with_two_encoders_the_last_layer_is_never_read():
    pipe = flow.sd3()
    layers = pipe.text_encoder.config.num_hidden_layers
    check_clip_skip(pipe, layers - 1)
    check_clip_skip(pipe, None)
    with pytest.raises(ValueError, match=f"from 0 to {layers - 1}"):
        check_clip_skip(pipe, layers)
    with lending_level(pipe):  # whose class has the level
        assert not isinstance(pipe.text_encoder, CLIPTextModel)
