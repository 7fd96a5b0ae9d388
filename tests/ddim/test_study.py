"""An inversion judged whole, and edits that hold the attention of shared words."""

import pytest
import torch

from sdlab.ddim.prompt_to_prompt import injected, regenerating_with_attention, shared_tokens
from sdlab.ddim.settings import DdimSettings
from sdlab.ddim.study import there_and_back
from sdlab.errors import ModelError
from sdlab.work import finish

CAPTION = "a red car on a beach"
SETTINGS = DdimSettings(CAPTION, method="edict", num_steps=4)


@pytest.fixture(scope="module")
def latents(small):
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.5


def processors(model):
    return list(model.pipeline.unet.attn_processors.values())


def test_the_outcome_says_what_was_lost(small, latents):
    seen = []
    work = there_and_back(small, latents, SETTINGS)
    outcome = finish(work, lambda done, total: seen.append((done, total)))
    assert seen == [(n, 16) for n in range(1, 17)] and SETTINGS.evaluations() == 16
    assert outcome.rmse < 1e-3
    assert outcome.likeness.psnr > 50 and outcome.before.size == outcome.after.size
    assert outcome.noise.shape == latents.shape
    assert len(outcome.errors) == 5


def test_the_evaluations_are_known_beforehand(small, latents):
    settings, seen = SETTINGS.with_(method="fixed_point", iterations=3), []
    work = there_and_back(small, latents, settings, start=1, by_step=True)
    finish(work, lambda done, total: seen.append((done, total)))
    assert settings.evaluations(1, by_step=True) == 3 * 4 + 3 + 4 == len(seen)
    assert seen[-1] == (19, 19)


def test_it_can_be_left_at_any_evaluation(small, latents):
    work = there_and_back(small, latents, SETTINGS)
    next(work)
    work.close()
    assert next(work, "ended") == "ended"


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_v_prediction_comes_back_as_well(latents, guidance):
    from sdlab.models.model import Model
    from tests.conftest import make_pipeline

    model = Model(make_pipeline("v_prediction"), "v")
    settings = SETTINGS.with_(guidance_scale=guidance)
    naive, fixed, exact = (
        finish(there_and_back(model, latents, settings.with_(method=method))).rmse
        for method in ("naive", "fixed_point", "edict")
    )
    assert fixed < 0.1 * naive and exact < 1e-3


@pytest.mark.parametrize(
    ("settings", "options", "match"),
    [
        (SETTINGS.with_(method="null"), {}, "null"),
        (SETTINGS, {"start": 4}, "from 0 to 3, got 4"),
        (SETTINGS, {"edit": "a cat", "inject": 2.0}, "share must be"),
    ],
)
def test_bad_settings_are_named(small, latents, settings, options, match):
    with pytest.raises(ValueError, match=match):
        finish(there_and_back(small, latents, settings, **options))


class TestPromptToPrompt:
    def test_shared_tokens_pair_the_same_words(self, small):
        pairs = dict(shared_tokens(small, CAPTION, "a big red car on a beach"))
        ids = [
            small.pipeline.tokenizer(text, padding="max_length", max_length=77)["input_ids"]
            for text in (CAPTION, "a big red car on a beach")
        ]
        assert all(ids[0][a] == ids[1][b] for a, b in pairs.items())
        assert pairs[0] == 0 and pairs[2] == 3  # start; "red" has moved one on
        assert 2 not in pairs.values()  # "big" has no partner

    @pytest.mark.parametrize("guidance", [1.0, 3.0])
    def test_the_same_caption_changes_nothing(self, small, latents, guidance):
        settings = SETTINGS.with_(guidance_scale=guidance, method="naive")
        plain = finish(there_and_back(small, latents, settings))
        held = finish(there_and_back(small, latents, settings, edit=CAPTION, inject=1.0))
        torch.testing.assert_close(held.returned, plain.returned, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("method", ["naive", "edict"])
    def test_without_a_share_it_is_the_plain_edit(self, small, latents, method):
        settings = SETTINGS.with_(method=method)
        there = finish(there_and_back(small, latents, settings)).inversion
        plain = finish(there_and_back(small, latents, settings, edit="a blue cat"))
        work = regenerating_with_attention(small, there, CAPTION, "a blue cat", share=0.0)
        torch.testing.assert_close(finish(work).latents, plain.returned, atol=1e-4, rtol=1e-4)

    def test_holding_attention_changes_the_edit(self, small, latents):
        plain, held = (
            finish(there_and_back(small, latents, SETTINGS, edit="a blue car", inject=share))
            for share in (0.0, 1.0)
        )
        gap = (plain.returned - held.returned).abs().max()
        assert gap > 1e-4

    def test_the_network_is_left_as_it_was_even_after_an_error(self, small):
        before = processors(small)
        with pytest.raises(RuntimeError, match="on purpose"):
            with injected(small.pipeline.unet, [(0, 0)], 0, 1):
                assert processors(small) != before
                raise RuntimeError("on purpose")
        assert processors(small) == before

    def test_between_network_calls_nothing_is_in_place(self, small, latents):
        before = processors(small)
        for _ in there_and_back(small, latents, SETTINGS, edit="a blue car", inject=1.0):
            assert processors(small) == before

    def test_a_strange_processor_is_refused(self, small):
        class Strange:
            pass

        layer = next(m for name, m in small.pipeline.unet.named_modules() if name.endswith("attn2"))
        own, layer.processor = layer.processor, Strange()
        try:
            with pytest.raises(ModelError, match="Strange"):
                with injected(small.pipeline.unet, [(0, 0)], 0, 1):
                    pass
            assert isinstance(layer.processor, Strange)
        finally:
            layer.processor = own


def test_each_step_by_itself(small, latents):
    """EDICT undoes each step; the naive scheme's first step down is the path's first error."""
    exact, naive = (
        finish(there_and_back(small, latents, SETTINGS.with_(method=method), by_step=True))
        for method in ("edict", "naive")
    )
    assert list(exact.step_errors["level"]) == [1, 2, 3, 4]
    assert exact.step_errors["relative"].max() < 1e-4
    assert naive.step_errors["rmse"][0] == pytest.approx(naive.errors["rmse"][1], rel=1e-3)
