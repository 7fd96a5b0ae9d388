"""Causes in the network: its weights, its VAE, its format, what is patched into it."""

from collections.abc import Iterator

from sdlab.explaining.making import Making
from sdlab.explaining.registry import ANOTHER, SLIGHT, VISIBLE, Found, cause


@cause(
    "model",
    "Model",
    ANOTHER,
    needs="model",
    explanation="Other weights are another picture, however alike the names are.",
    fix="Load the same file in both; compare its sha256.",
    source="the files' own entries",
)
def model(a: Making, b: Making) -> Iterator[Found]:
    """Compare hashes where both have one, else names, which programs write each in its own way."""
    if a.program == b.program and a.knows("model_hash") and b.knows("model_hash"):
        if a["model_hash"] != b["model_hash"]:
            yield Found(f"The weights are {_named(a)} and {_named(b)}.")
    elif _plain(a["model"]) != _plain(b["model"]):
        yield Found(
            f"The model is called {a['model']} and {b['model']}: names differ between programs, so"
            " look whether they are the same file."
        )


@cause(
    "vae",
    "VAE",
    VISIBLE,
    needs="vae",
    explanation="The VAE turns latents into pixels: another one shifts colours and fine detail, "
    "and leaves the composition.",
    fix="Load the same VAE in both, or neither.",
    source="stabilityai/sd-vae-ft-mse, model card",
)
def vae(a: Making, b: Making) -> Iterator[Found]:
    """Compare the VAEs by name."""
    if _plain(a["vae"]) != _plain(b["vae"]):
        yield Found(f"The VAE is {a['vae']} and {b['vae']}.")


@cause(
    "loras",
    "LoRAs",
    ANOTHER,
    needs="loras",
    explanation="A LoRA changes the weights; its strength is the same number in these programs.",
    fix="Load the same LoRAs with the same strengths.",
    source="the files' own entries",
)
def loras(a: Making, b: Making) -> Iterator[Found]:
    """Compare what is loaded on top of the weights."""
    if a["loras"] != b["loras"]:
        yield Found(f"The LoRAs are {a['loras'] or 'none'} and {b['loras'] or 'none'}.")


@cause(
    "patches",
    "Changes of the network",
    VISIBLE,
    needs="patches",
    explanation="Token merging, FreeU, caches and guidance left out for some steps change what the "
    "network predicts.",
    fix="Switch them off in both.",
    source="the files' own entries",
)
def patches(a: Making, b: Making) -> Iterator[Found]:
    """Compare what changes the network while it runs."""
    if a["patches"] != b["patches"]:
        yield Found(f"Changed are {a['patches'] or 'nothing'} and {b['patches'] or 'nothing'}.")


@cause(
    "dtype",
    "Number format",
    SLIGHT,
    needs="dtype",
    explanation="A half-precision network rounds every prediction; the difference grows from step "
    "to step but seldom changes what is drawn.",
    fix="Load both in the same format.",
    source="PyTorch, notes on numerical accuracy",
)
def dtype(a: Making, b: Making) -> Iterator[Found]:
    """Compare the number formats; the loaded model's own is changed for the U-Net alone."""
    if a["dtype"] != b["dtype"]:
        pair = {a["dtype"], b["dtype"]}
        change = {"fast": b["dtype"] == "bfloat16"} if pair == {"float32", "bfloat16"} else {}
        yield Found(f"The network computes in {a['dtype']} and {b['dtype']}.", change)


@cause(
    "device",
    "Device",
    SLIGHT,
    needs="device",
    explanation="Kernels of another device add in another order; the same start noise gives "
    "nearly the same picture.",
    fix="Nothing, unless bits must agree: then run on the same device and versions.",
    source="PyTorch, notes on reproducibility",
)
def device(a: Making, b: Making) -> Iterator[Found]:
    """Compare where the network ran."""
    if a["device"] != b["device"]:
        yield Found(f"The network runs on {a['device']} and {b['device']}.")


def _named(made: Making) -> str:
    return f"{made.facts.get('model', '')} ({made['model_hash'][:10]})".strip()


def _plain(name: object) -> str:
    """Return a model's name without folder, ending and case."""
    last = str(name).replace("\\", "/").rpartition("/")[2].lower()
    return last.removesuffix(".safetensors").removesuffix(".ckpt")
