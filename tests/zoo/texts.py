"""Tiny text and vision encoders of the real classes, with random weights, and their tokenizers."""

import transformers
from transformers import (
    CLIPImageProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen3VLProcessor,
)
from transformers.models.t5gemma import configuration_t5gemma, modeling_t5gemma

from tests.conftest import clip_tokenizer
from tests.zoo import tokenizers

WIDTH = 32
CLIP = {
    "hidden_size": WIDTH,
    "intermediate_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "projection_dim": WIDTH,
}
CLIP_TEXT = {**CLIP, "vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407}
CLIP_VISION = {**CLIP, "image_size": 32, "patch_size": 16}
T5 = {
    "vocab_size": tokenizers.SIZE,
    "d_model": WIDTH,
    "d_kv": 8,
    "d_ff": WIDTH,
    "num_layers": 1,
    "num_heads": 2,
}
CAUSAL = {
    "vocab_size": tokenizers.SIZE,
    "hidden_size": WIDTH,
    "intermediate_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
ROPE = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6}
QWEN_VISION = {
    "depth": 1,
    "hidden_size": WIDTH,
    "intermediate_size": WIDTH,
    "num_heads": 2,
    "out_hidden_size": WIDTH,
}
SEES = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
SEES_IDS = {
    "vision_start_token_id": 405,
    "vision_end_token_id": 406,
    "image_token_id": 407,
    "video_token_id": 408,
}
QWEN_25 = {
    **SEES_IDS,
    "text_config": {**CAUSAL, "rope_parameters": ROPE},
    "vision_config": {**QWEN_VISION, "fullatt_block_indexes": [0]},
}
QWEN_3_VL = {
    **SEES_IDS,
    "text_config": {**CAUSAL, "rope_parameters": ROPE},
    "vision_config": {
        **QWEN_VISION, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]
    },
}  # fmt: skip
MISTRAL = {
    "text_config": {**CAUSAL, "model_type": "mistral"},
    "vision_config": {
        "model_type": "pixtral", "hidden_size": WIDTH, "intermediate_size": WIDTH, "image_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8, "head_dim": 16,
    },
}  # fmt: skip
# What an encoder is built from: the class where the pipeline's annotation names a base, its
# config, and its tokenizer.
ENCODERS = {
    "CLIPTextModel": ("CLIPTextModel", CLIP_TEXT, "clip"),
    "CLIPTextModelWithProjection": ("CLIPTextModelWithProjection", CLIP_TEXT, "clip"),
    "T5EncoderModel": ("T5EncoderModel", T5, "t5"),
    "UMT5EncoderModel": ("UMT5EncoderModel", T5, "t5"),
    "BertModel": ("BertModel", {**CAUSAL, "max_position_embeddings": 512}, "t5"),
    "Gemma2PreTrainedModel": ("Gemma2Model", CAUSAL, "gemma"),
    "GemmaPreTrainedModel": ("GemmaModel", CAUSAL, "gemma"),
    "GlmModel": ("GlmModel", CAUSAL, "llama"),
    "LlamaModel": ("LlamaModel", CAUSAL, "llama"),
    "LlamaForCausalLM": ("LlamaForCausalLM", CAUSAL, "llama"),
    "SmolLM3ForCausalLM": ("SmolLM3ForCausalLM", CAUSAL, "llama"),
    "Mistral3ForConditionalGeneration": ("Mistral3ForConditionalGeneration", MISTRAL, "llama"),
    "Mistral3Model": ("Mistral3Model", MISTRAL, "llama"),
    "PreTrainedModel": ("Qwen3Model", CAUSAL, "qwen2"),
    "Qwen3Model": ("Qwen3Model", CAUSAL, "qwen2"),
    "Qwen3ForCausalLM": ("Qwen3ForCausalLM", CAUSAL, "qwen2"),
    "Qwen2_5_VLForConditionalGeneration": ("Qwen2_5_VLForConditionalGeneration", QWEN_25, "qwen2"),
    "Qwen3VLForConditionalGeneration": ("Qwen3VLForConditionalGeneration", QWEN_3_VL, "qwen2"),
    "Qwen3VLModel": ("Qwen3VLModel", QWEN_3_VL, "qwen2"),
    "Qwen2_5_VLTextModel": ("Qwen2_5_VLTextModel", {**CAUSAL, "rope_parameters": ROPE}, "qwen2"),
    "T5GemmaEncoder": ("T5GemmaEncoder", CAUSAL, "gemma"),
}
VISION = {
    "CLIPVisionModelWithProjection": CLIP_VISION,
    "CLIPVisionModel": CLIP_VISION,
    "SiglipVisionModel": CLIP_VISION,
}


class Qwen2Sees(Qwen2VLProcessor):
    """Qwen2-VL's processor without films, for which torchvision would be needed."""

    def check_argument_for_proper_class(self, name, argument):
        return type(argument)


class Qwen3Sees(Qwen3VLProcessor):
    """Qwen3-VL's processor without films."""

    def check_argument_for_proper_class(self, name, argument):
        return type(argument)


PROCESSORS = {
    "Qwen2VLProcessor": (Qwen2Sees, 14),
    "Qwen2_5_VLProcessor": (Qwen2Sees, 14),
    "Qwen3VLProcessor": (Qwen3Sees, 16),
}


def encoder(kind, **changes):
    """Return a text encoder for a class named in a pipeline's signature, and its tokenizer."""
    name, config, words = ENCODERS[kind]
    return model(name, {**config, **changes}), tokenizer(words)


def processor(kind):
    """Return what prepares words and pictures for a model that sees."""
    cls, patch = PROCESSORS[kind]
    images = Qwen2VLImageProcessor(patch_size=patch, min_pixels=1, max_pixels=64 * 64)
    words = tokenizer("qwen2")
    return cls(images, words, video_processor=None, chat_template=tokenizers.CHAT)


def model(name, config):
    """Return a model of transformers with random weights."""
    if name == "T5GemmaEncoder":
        own = {key: value for key, value in config.items() if not key.endswith("token_id")}
        own = configuration_t5gemma.T5GemmaModuleConfig(**own)
        own.dropout_rate = 0.0
        return modeling_t5gemma.T5GemmaEncoder(own).eval()
    if name == "Qwen2_5_VLTextModel":
        from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as module
    else:
        module = transformers
    cls = getattr(module, name)
    return cls(cls.config_class(**config)).eval()


def tokenizer(words):
    """Return a tokenizer: "clip", or one of ``tests.zoo.tokenizers``."""
    if words == "clip":
        return clip_tokenizer()
    made = getattr(tokenizers, words)()
    if words == "qwen2":
        made.add_special_tokens({"additional_special_tokens": list(SEES)})
    return made


def pictures():
    """Return what prepares a picture for the vision encoders."""
    return CLIPImageProcessor(size=32, crop_size=32)
