"""How the tests call a pipeline, and all that can be recorded of it."""

import torch

import sdlab

WORDS = {"prompt": ["a red car", "a parrot on a beach"], "negative_prompt": ["rain", "snow, ice"]}


EVERYTHING = sdlab.Record(
    tensors=("x_t",),
    attention=sdlab.AttentionRecord(
        self_layers=("all",), heads="all", tokens="all", halves="both", dtype="float32"
    ),
)


def call(pipe, seeds=4, **fields):
    defaults = {**WORDS, "num_inference_steps": 2, "num_images_per_prompt": 2}
    generators = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    return pipe(**{**defaults, "output_type": "latent", **fields}, generator=generators).images
