"""What recording attention costs, and how well the maps find the objects of the small world.

Run: python benchmarks/attention.py [--quick] [--json] [--device cuda]

Truth is measured on held-out scenes, whose objects' masks are known: their latents are noised to
several levels and passed once. Note that the embedded model's cross-attention was taught: a loss
held each word's map to its object's mask in training (sdlab.embedded.attention_loss). So these
figures say how well that was learned and is read, not what a model does by itself.
"""

from functools import partial
from statistics import fmean, median

import torch.nn.functional as F
from engine import PROMPT, full_size, synchronized, to_latents
from memory import peak
from report import Report, interleaved, ratio

import sdlab
from sdlab.embedded.captions import text_of
from sdlab.embedded.catalogue import SIZES
from sdlab.embedded.checker import Checker
from sdlab.embedded.evaluate import trained_objects
from sdlab.embedded.latent_scenes import encode_pictures
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World, word_mask
from sdlab.sampling.memory import readable
from sdlab.tracing.attention import of_image, views

TIMESTEPS = (100, 250, 400, 550, 700)
RECORDS = {
    "mean of heads, prompt": sdlab.AttentionRecord(),
    "all heads, all tokens, both halves": sdlab.AttentionRecord(
        heads="all", tokens="all", halves="both"
    ),
    "and self-attention at 1/2": sdlab.AttentionRecord(self_layers=("1/2",)),
}


def experiment(attention=None, **fields):
    """Twenty-five DDIM steps with guidance, with or without attention."""
    record = sdlab.Record(tensors=(), attention=attention)
    return sdlab.Experiment(prompt=PROMPT, solver="DDIMScheduler", record=record, **fields)


def measure_cost(report, model, repeats, name, **fields):
    """Runs with attention over the same run without, side by side, up to the latents."""
    runs = {"plain": experiment(**fields)}
    runs |= {what: experiment(record, **fields) for what, record in RECORDS.items()}
    functions = {
        what: synchronized(partial(to_latents, model, run), model.device)
        for what, run in runs.items()
    }
    for function in functions.values():
        function()
    times = interleaved(functions, repeats)
    report.add(f"{name}: plain run", median(times["plain"]), unit="s")
    for what in RECORDS:
        goal = ("<= 1.08" if name == "embedded" else "<= 1.03") if "mean" in what else ""
        planned = sdlab.plan(model, runs[what]).attention.bytes
        report.add(
            f"{name}: {what}",
            ratio(times, what, "plain"),
            goal=goal,
            unit="x",
            note=f"keeps {readable(planned)}",
        )


def measure_pipeline(report, model, repeats):
    """A diffusers pipeline inside ``sdlab.trace``, and inside a peer's, over the bare call."""
    pipe = model.pipeline
    pipe.set_progress_bar_config(disable=True)
    width, height = model.default_size

    def plain():
        pipe(PROMPT, num_inference_steps=10, width=width, height=height)

    def traced():
        with sdlab.trace(pipe, sdlab.Record((), statistics=False, attention=record)):
            plain()

    def peer():
        with AttentionCapture(pipe, relations=["image->text"], heads="mean") as capture:
            plain()
        capture.compute()

    record = sdlab.AttentionRecord()
    functions = {"plain": plain, "traced": traced}
    try:
        from attention_map_diffusers import AttentionCapture

        functions["peer"] = peer
    except ImportError:
        print("(pip install --no-deps attention-map-diffusers==1.0.0 adds a peer to compare with)")
    for function in functions.values():
        function()
    times = interleaved(functions, repeats)
    for what, name in (("traced", "sdlab.trace(pipe)"), ("peer", "attention-map-diffusers")):
        if what in functions:
            report.add(f"embedded: {name} / plain", ratio(times, what, "plain"), unit="x")


def measure_memory(report, model):
    """Peak memory of a run with attention over that of the run without."""
    size = {"width": 512, "height": 512, "num_steps": 4}
    plain = peak(partial(to_latents, model, experiment(**size)))
    record = sdlab.AttentionRecord(heads="all", halves="both")
    run = experiment(record, **size)
    planned = sdlab.plan(model, run)
    extra = peak(partial(to_latents, model, run)) - plain
    bound = planned.attention.bytes + 96 * 2**20
    report.add(
        "embedded, 512x512: extra peak memory / planned",
        max(0, extra) / bound,
        goal="<= 1.0",
        note=f"{readable(max(0, extra))} of which kept {readable(planned.attention.bytes)}",
    )


def scenes(model, count):
    """Held-out scenes: latents, caption, and each object's word, occurrence and mask."""
    samples = SceneSampler(79, trained_objects(), split="test").batch(0, count)
    out = []
    for first in range(0, count, 32):
        part = samples[first : first + 32]
        pictures, cover = World().render([scene for scene, _ in part])
        latents = encode_pictures(model.pipeline.vae, pictures)
        for b, (scene, words) in enumerate(part):
            named = []
            for place, word in enumerate(words):
                if any(word.text == scene.items[s].name for s in word.slots if s >= 0):
                    mask = F.avg_pool2d(word_mask(word, cover[b])[None].float(), 8)[0] > 0.5
                    if mask.any():
                        before = sum(w.text == word.text for w in words[:place])
                        named.append((word.text, before, mask.numpy()))
            out.append((latents[b : b + 1], text_of(words), named))
    return out


def score(maps, named, layer):
    """Return (hit, IoU) of each object's word in the maps of the chosen layers."""
    found = []
    for word, occurrence, mask in named:
        heat = maps.heatmap(word, occurrence=occurrence, layer=layer, size=mask.shape)
        bright = heat > (heat.min() + heat.max()) / 2
        hit = bool(mask.reshape(-1)[heat.argmax()])
        found.append((hit, (bright & mask).sum() / (bright | mask).sum()))
    return found


def measure_truth(report, model, count):
    """Pointing and IoU of nouns by layers and noise level, and the best choice."""
    examples = scenes(model, count)
    results = {}
    for timestep in TIMESTEPS:
        for number, (latents, caption, named) in enumerate(examples):
            maps = of_image(model, latents, caption, timestep=timestep, seed=number)
            for layer in (None, *maps.resolutions, *maps.names):
                found = results.setdefault((layer, timestep), [])
                found += score(maps, named, layer)
    means = {
        key: (fmean(hit for hit, _ in found), fmean(iou for _, iou in found))
        for key, found in results.items()
    }
    by_layer = {
        layer: fmean(means[layer, t][1] for t in TIMESTEPS) for layer, t in means if t == 400
    }
    for layer in sorted(by_layer, key=lambda name: -by_layer[name]):
        pointing, iou = means[layer, 400]
        name = (layer or "all layers").replace(".transformer_blocks.0.attn2", "")
        note = f"IoU {iou:.3f}, over all noise levels {by_layer[layer]:.3f}"
        report.add(f"t=400, {name}: pointing", pointing, note=note)
    best = max(by_layer, key=lambda name: by_layer[name])
    for timestep in TIMESTEPS:
        pointing, iou = means[best, timestep]
        sigma = float(model.schedule.timestep_to_sigma(timestep))
        name = (best or "all layers").replace(".transformer_blocks.0.attn2", "")
        report.add(f"{name}, sigma {sigma:.2f}: pointing", pointing, note=f"IoU {iou:.3f}")
    report.add("nouns", len(results[best, 400]), note=f"of {count} scenes")


def boxes(image, words):
    """Return word -> (left, top, right, bottom) of what the checker finds once in a picture."""
    seen = Checker.load().look([image])[0].objects
    out = {}
    for found in seen:
        alike = [other for other in seen if other.name == found.name]
        if len(alike) == 1 and words.count(found.name) == 1:
            half = SIZES[found.size] / 256  # SIZES are pixels of 128
            out[found.name] = (found.x - half, found.y - half, found.x + half, found.y + half)
    return out


def measure_generated(report, model, count):
    """Pointing in generated pictures: is a noun's hottest cell on the object that came out?

    There is no true mask, so the checker says where each object lies, as a box.
    """
    spans = {"all steps": (0, 25), "first 10": (0, 10), "10 to 17": (10, 18), "last 7": (18, 25)}
    hits = {}
    samples = SceneSampler(80, trained_objects(), split="test").batch(0, count)
    record = sdlab.Record((), statistics=False, attention=sdlab.AttentionRecord())
    for number, (_, words) in enumerate(samples):
        run = sdlab.run(model, sdlab.Experiment(prompt=text_of(words), seed=number, record=record))
        maps = run.trace.attention
        for word, (left, top, right, bottom) in boxes(run.image, maps.words).items():
            for layer in (None, *maps.resolutions):
                _, heats = views.frames(maps, word, "evaluation", layer=layer, size=(16, 16))
                for span, (first, last) in spans.items():
                    heat = heats[first:last].mean(0)
                    row, column = divmod(int(heat.argmax()), 16)
                    x, y = (column + 0.5) / 16, (row + 0.5) / 16
                    hit = left <= x <= right and top <= y <= bottom
                    hits.setdefault((layer or "all layers", span), []).append(hit)
    for (layer, span), found in sorted(hits.items(), key=lambda item: -fmean(item[1])):
        report.add(f"generated, {layer}, {span}: pointing", fmean(found), note=f"n {len(found)}")


def main():
    """Measure and print."""
    report = Report(__doc__)
    report.head()
    quick, device = report.arguments.quick, report.arguments.device
    model = sdlab.load(device=device)
    measure_cost(report, model, 3 if quick else 9, "embedded", num_steps=10 if quick else 25)
    measure_pipeline(report, model, 3 if quick else 9)
    if device == "cpu":
        measure_memory(report, model)
    measure_truth(report, sdlab.load(device="cpu"), 12 if quick else 500)
    measure_generated(report, sdlab.load(device="cpu"), 4 if quick else 150)
    if not quick:
        measure_cost(
            report, full_size(device), 3, "SD 1.5 size, 512x512", num_steps=2, width=512, height=512
        )
    report.close()


if __name__ == "__main__":
    main()
