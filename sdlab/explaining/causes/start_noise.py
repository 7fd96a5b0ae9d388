"""Causes in the noise that the picture is made from: its seed, its generator, its place."""

from collections.abc import Iterator

from sdlab.explaining.making import Making
from sdlab.explaining.registry import UNRELATED, Found, cause

SEED_MAX = 2**64 - 1
_STAND_IN = "measured with another seed, whose noise has as little in common"


def other_seed(made: Making) -> dict[str, int]:
    """Return the change that stands in for other noise: the seed after this one."""
    seed = int(made.facts.get("seed", 0))
    return {"seed": seed + 1 if seed < SEED_MAX else 0}


@cause(
    "seed",
    "Seed",
    UNRELATED,
    needs="seed",
    explanation="Another seed is other start noise, with nothing in common.",
    fix="Set the same seed in both.",
    source="torch.Generator.manual_seed",
)
def seed(a: Making, b: Making) -> Iterator[Found]:
    """Compare the seeds as they are shown."""
    if a["seed"] != b["seed"]:
        yield Found(f"The seed is {a['seed']} and {b['seed']}.", {"seed": b["seed"]})


@cause(
    "noise-device",
    "Noise of CPU or GPU",
    UNRELATED,
    needs="noise",
    explanation="PyTorch draws other numbers from the same seed on the CPU (Mersenne Twister) than "
    "on a GPU (Philox), so the same seed is other start noise.",
    fix='In AUTOMATIC1111 and Forge set "Random number generator source" to CPU; in diffusers use '
    'torch.Generator("cpu"). "NV" there is the GPU\'s numbers made on the CPU.',
    source="AUTOMATIC1111 modules/rng.py; ComfyUI comfy/sample.py prepare_noise; "
    "Comfy-Org/ComfyUI#11825",
)
def noise_device(a: Making, b: Making) -> Iterator[Found]:
    """Compare what the start noise is drawn by."""
    if a["noise"] != b["noise"]:
        yield Found(
            f"{a.title} draws its start noise by {a['noise']}, {b.title} by {b['noise']}: the same"
            " seed has other numbers.",
            other_seed(a),
            _STAND_IN,
        )


@cause(
    "batch-place",
    "Place in the batch",
    UNRELATED,
    needs="noise_place batch_size",
    explanation="Where one generator draws the noise of a whole batch, only its first picture can "
    "be made again alone; AUTOMATIC1111 and InvokeAI give each picture a seed of its own.",
    fix="Make the batch as large again, or give each picture a generator: diffusers takes a list.",
    source="ComfyUI comfy/sample.py prepare_noise; huggingface/diffusers#6233",
)
def batch_place(a: Making, b: Making) -> Iterator[Found]:
    """Say that a picture of a batch may not be its first."""
    for one in (a, b):
        if one["batch_size"] > 1 and one.program in ("ComfyUI", "diffusers"):
            yield Found(
                f"{one.title} made {one['batch_size']} pictures from one generator: if this is not"
                " the first of them, its noise is not that of the seed alone.",
                other_seed(a),
                _STAND_IN,
            )


@cause(
    "variation",
    "Variation seed",
    UNRELATED,
    needs="variation",
    explanation="A second seed's noise is blended into the first's by spherical interpolation.",
    fix="Set the variation strength to 0 in both, or the same second seed.",
    source="AUTOMATIC1111 modules/rng.py slerp",
)
def variation(a: Making, b: Making) -> Iterator[Found]:
    """Compare the second seeds."""
    if a["variation"] != b["variation"]:
        yield Found(
            f"The variation seed is {a['variation']} and {b['variation']}.",
            other_seed(a),
            _STAND_IN,
        )


@cause(
    "size",
    "Size",
    UNRELATED,
    needs="width height",
    explanation="Noise of another shape holds the same numbers at other places, so even a few "
    "pixels more are another picture.",
    fix="Set the same width and height.",
    source="torch.randn fills its shape row by row",
)
def size(a: Making, b: Making) -> Iterator[Found]:
    """Compare width and height."""
    sides = [(one["width"], one["height"]) for one in (a, b)]
    if sides[0] != sides[1]:
        said = " and ".join(f"{width} x {height}" for width, height in sides)
        yield Found(f"The pictures are {said} pixels.", stand_in="two shapes have no distance")
