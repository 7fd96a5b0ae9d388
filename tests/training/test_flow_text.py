"""What the second model is trained on is what diffusers' pipeline feeds it, in fewer tokens."""

import pytest
import torch
from diffusers import StableDiffusion3Pipeline
from diffusers.models.attention_processor import Attention, JointAttnProcessor2_0

from sdlab.embedded.captions import text_of
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.shipped import FLOW, LOADED_WITH
from sdlab.training.counted_attention import CountedJointAttention, count_bias
from sdlab.training.flow_export import export_flow
from sdlab.training.flow_text import KEPT, PIECES, T5_TOKENS, counts, shortened
from sdlab.training.nets import (
    load_tokenizer,
    make_second_text_encoder,
    make_text_encoder,
    make_transformer,
    make_vae,
)
from sdlab.training.stage_flow import SHIFT, FlowModel, FlowSettings, FlowStage, flow_times
from sdlab.training.vocabulary import Vocabulary

pytestmark = pytest.mark.slow

OBJECTS = ("cat", "parrot", "car", "heart")


def made(**settings):
    """The stage with random weights, the same each time."""
    torch.manual_seed(0)
    vocabulary = Vocabulary(load_tokenizer(), OBJECTS)
    model = FlowModel(make_transformer(), make_second_text_encoder(len(vocabulary)))
    text = make_text_encoder(len(vocabulary))
    settings = FlowSettings(seed=1, objects=OBJECTS, batch=4, block=8, **settings)
    return FlowStage(model, make_vae(), text, vocabulary, World(), settings)


@pytest.fixture(scope="module")
def stage():
    return made()


def test_a_counted_token_gives_what_so_many_give():
    torch.manual_seed(0)
    attn = Attention(
        query_dim=16, added_kv_proj_dim=16, heads=2, dim_head=8, out_dim=16, bias=True,
        context_pre_only=False, qk_norm="rms_norm",
    ).double().eval()  # fmt: skip
    picture, text = torch.randn(2, 4, 16).double(), torch.randn(2, 3, 16).double()
    many = torch.tensor([1, 5, 32])
    long = text.repeat_interleave(many, 1)
    with torch.no_grad():
        theirs, told = JointAttnProcessor2_0()(attn, picture, long)
        ours, short = CountedJointAttention()(attn, picture, text, count_bias(4, many))
        plain, _ = CountedJointAttention()(attn, picture, long)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)
    torch.testing.assert_close(plain, theirs, rtol=0, atol=1e-12)
    torch.testing.assert_close(short.repeat_interleave(many, 1), told, rtol=0, atol=1e-7)


def test_the_pieces_of_the_padding_make_up_all_tokens():
    hidden = torch.arange(77.0).view(1, 77, 1)
    short = shortened(hidden)
    assert counts(32).sum() == 77 + 32 and len(counts(32)) == short.shape[1] + 1
    assert short[0, :KEPT, 0].tolist() == list(range(KEPT))
    assert short[0, -1, 0] == torch.arange(PIECES[-2], 77.0).mean()


def test_times_are_shifted_towards_the_noise_and_cover_the_range():
    times = flow_times(4000, torch.Generator().manual_seed(0))
    assert 0 < times.min() and times.max() < 1
    assert times.median() == pytest.approx(SHIFT * 0.5 / (1 + (SHIFT - 1) * 0.5), abs=1e-3)


def test_the_pipeline_feeds_what_the_stage_was_trained_on(stage, tmp_path):
    captions = [words for _, words in SceneSampler(5, OBJECTS).batch(0, 3)]
    ids = torch.stack([stage.vocabulary.encode(words)[0] for words in captions])
    hidden, pooled = stage.conditions(ids)
    export_flow(
        tmp_path,
        vae=stage.vae,
        text=stage.text,
        flow=stage.module,
        vocabulary=stage.vocabulary,
        objects=OBJECTS,
    )
    pipe = StableDiffusion3Pipeline.from_pretrained(tmp_path, **LOADED_WITH[FLOW])
    told, _, pooled_told, _ = pipe.encode_prompt(
        [text_of(words) for words in captions], None, None,
        do_classifier_free_guidance=False, max_sequence_length=T5_TOKENS[0],
    )  # fmt: skip
    assert told.shape == (3, 77 + T5_TOKENS[0], pipe.transformer.config.joint_attention_dim)
    torch.testing.assert_close(told, hidden, rtol=0.03, atol=0.03)  # the stage is in bfloat16
    torch.testing.assert_close(pooled_told, pooled, rtol=0.03, atol=0.03)
    assert (told[:, 77:] == 0).all()


@pytest.mark.every
def test_compiled_the_loss_and_its_gradient_are_the_same():
    """Up to bfloat16, in which both compute."""

    def after(compiled):
        stage = made(compiled=compiled)
        loss, _ = stage.loss(0, torch.Generator().manual_seed(0))
        loss.backward()
        gradients = [p.grad.flatten() for p in stage.module.parameters() if p.grad is not None]
        return float(loss.detach()), torch.cat(gradients)

    (loss, gradient), (fused, gradient_fused) = after(False), after(True)
    assert fused == pytest.approx(loss, rel=0.02)
    assert torch.cosine_similarity(gradient, gradient_fused, 0) > 0.99
