"""Causes in the words: what they are, how weights act, where they are cut, which layer is read."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from sdlab.explaining.making import Making
from sdlab.explaining.registry import ANOTHER, VISIBLE, Found, cause
from sdlab.shipped import FOLDER
from sdlab.text.notes import unparsed

CHUNK = 75
"""Tokens of a prompt that CLIP reads at once, beside its two of begin and end."""
_CHUNKED = ("AUTOMATIC1111", "Forge", "ComfyUI", "InvokeAI")
_LORA = re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>")
WEIGHTED = ("weights", "emphasis")


@cause(
    "prompt",
    "Prompt",
    ANOTHER,
    needs="prompt",
    explanation="Other words are another picture.",
    fix="Copy the prompt.",
    source="the files' own entries",
)
def prompt(a: Making, b: Making) -> Iterator[Found]:
    """Compare the prompts, but for the LoRAs that are written into them."""
    if _words(a["prompt"]) != _words(b["prompt"]):
        said = f"The prompts differ: {_short(a['prompt'])} and {_short(b['prompt'])}."
        yield Found(said, {"prompt": b["prompt"]})


@cause(
    "negative-prompt",
    "Negative prompt",
    ANOTHER,
    needs="negative_prompt",
    explanation="It takes the empty prompt's place in guidance.",
    fix="Copy the negative prompt; an empty one is not the same as none in every program.",
    source="Ho and Salimans 2022 (arXiv 2207.12598)",
)
def negative_prompt(a: Making, b: Making) -> Iterator[Found]:
    """Compare the negative prompts."""
    one, other = a["negative_prompt"], b["negative_prompt"]
    if _words(one) != _words(other):
        said = f"The negative prompts differ: {_short(one)} and {_short(other)}."
        yield Found(said, {"negative_prompt": other})


@cause(
    "prompt-weights",
    "Weights in the prompt",
    VISIBLE,
    needs="prompt weights",
    explanation="AUTOMATIC1111 multiplies a weighted word's embedding and restores the mean of "
    "all; ComfyUI moves it away from the empty prompt's, which acts more strongly; InvokeAI has "
    "compel's syntax (word++); diffusers reads brackets as words.",
    fix="Take the weights out of both prompts and compare again; for diffusers the package compel "
    "makes embeddings of them.",
    source="AUTOMATIC1111 modules/sd_emphasis.py; ComfyUI comfy/sd1_clip.py; "
    "Comfy-Org/ComfyUI#1895",
)
def prompt_weights(a: Making, b: Making) -> Iterator[Found]:
    """Look for weights where two programs read them in two ways."""
    if a["weights"] == b["weights"]:
        return
    texts = [str(one.facts.get(name, "")) for one in (a, b) for name in _TEXTS]
    kinds = dict.fromkeys(kind for text in texts for kind in unparsed(_LORA.sub("", text)))
    weighted = [kind for kind in kinds if kind.startswith(WEIGHTED)]
    if weighted:
        yield Found(
            f"There are {weighted[0]}: in {a.title} they act as {a['weights']}; in {b.title} as"
            f" {b['weights']}."
        )


@cause(
    "long-prompt",
    "Long prompt",
    ANOTHER,
    needs="prompt weights",
    explanation="CLIP reads 75 tokens. AUTOMATIC1111, Forge, ComfyUI and InvokeAI read a longer "
    "prompt in chunks, each cut by its own rule; diffusers and sdlab leave out what is past the "
    "first.",
    fix="Shorten the prompt to 75 tokens; `sdlab tokens` counts them.",
    source="AUTOMATIC1111 modules/sd_hijack_clip.py (chunks end at a comma within 20 tokens); "
    "diffusers StableDiffusionPipeline.encode_prompt",
)
def long_prompt(a: Making, b: Making) -> Iterator[Found]:
    """Count the tokens where two programs cut in two ways."""
    if a.program == b.program or not {a.program, b.program} & set(_CHUNKED):
        return
    for name in _TEXTS:
        text = _LORA.sub("", str(a.facts.get(name, "")))
        count = tokens_in(text)
        if count > CHUNK:
            called = name.replace("_", " ")
            kept = [_cut(one, count) for one in (a, b)]
            yield Found(f"The {called} has {count} tokens: {kept[0]}, {kept[1]}.")


@cause(
    "break",
    "BREAK",
    ANOTHER,
    needs="prompt weights",
    explanation="BREAK ends a chunk of 75 tokens in AUTOMATIC1111 and Forge; elsewhere it is a "
    "word like others.",
    fix="Take BREAK out, or in ComfyUI join two encoded prompts with ConditioningConcat.",
    source="AUTOMATIC1111 modules/sd_hijack_clip.py",
)
def break_word(a: Making, b: Making) -> Iterator[Found]:
    """Look for BREAK where only one program knows it."""
    known = [one.program in ("AUTOMATIC1111", "Forge") for one in (a, b)]
    words = f"{a['prompt']} {b['prompt']}"
    if known[0] != known[1] and re.search(r"\bBREAK\b", words):
        other = b if known[0] else a
        yield Found(f"BREAK in the prompt is a word like others in {other.title}.")


@cause(
    "clip-skip",
    "Clip skip",
    VISIBLE,
    needs="clip_skip",
    explanation='Words are read off before the text encoder\'s last layers. "Clip skip 2" of '
    "AUTOMATIC1111 is CLIPSetLastLayer -2 of ComfyUI and clip_skip=1 of diffusers and InvokeAI.",
    fix="Count the layers that are left out: diffusers' number is AUTOMATIC1111's less 1.",
    source="AUTOMATIC1111 modules/sd_hijack_clip.py; diffusers "
    "StableDiffusionPipeline.encode_prompt; daniandtheweb/sd.cpp-webui#5",
)
def clip_skip(a: Making, b: Making) -> Iterator[Found]:
    """Compare how many layers are left out, counted alike."""
    if a["clip_skip"] != b["clip_skip"]:
        yield Found(
            f"Left out are {_layers(a)} and {_layers(b)} of the text encoder: in each program's own"
            f" count {_own_count(a)} and {_own_count(b)}.",
            {"pipeline_options": {"clip_skip": b["clip_skip"]}},
        )


_TEXTS = ("prompt", "negative_prompt")
_COUNTS = {
    "AUTOMATIC1111": lambda n: f"Clip skip {n + 1}",
    "Forge": lambda n: f"Clip skip {n + 1}",
    "ComfyUI": lambda n: f"stop_at_clip_layer {-1 - n}",
}


def tokens_in(text: str) -> int:
    """Return how many tokens CLIP makes of a text, beside begin and end."""
    if len(text) <= CHUNK:  # a token has a letter at least
        return 0
    return len(_tokenizer()(text, add_special_tokens=False, verbose=False)["input_ids"])


@cache
def _tokenizer() -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(FOLDER / "tokenizer")


def _words(text: str) -> str:
    return " ".join(_LORA.sub("", text).split())


def _short(text: str) -> str:
    plain = " ".join(str(text).split())
    return f'"{plain[:60]}…"' if len(plain) > 60 else f'"{plain}"'


def _cut(made: Making, count: int) -> str:
    if made.program in _CHUNKED:
        return f"{made.title} reads them in {-(-count // CHUNK)} chunks"
    return f"{made.title} reads the first {CHUNK}"


def _layers(made: Making) -> str:
    count = made["clip_skip"]
    return "no layer" if not count else "1 layer" if count == 1 else f"{count} layers"


def _own_count(made: Making) -> str:
    named = _COUNTS.get(made.program)
    return named(made["clip_skip"]) if named else f"clip_skip={made['clip_skip']}"
