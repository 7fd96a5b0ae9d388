"""Every pipeline of diffusers: a table of what runs and is read, what running many at once gains,
and what the engine costs over the plain call.

Run: python benchmarks/pipelines.py [--quick] [--json] [--device cuda] [--write]
     [--only table gain own overhead large]

The table is made with tiny pipelines of random weights, on the CPU; --write puts it into
docs/pipelines.md. --quick tries each sixteenth class and four runs together, times Stable
Diffusion 1.5's size at 64x64 only, and leaves out SDXL's. "own" is why Stable Diffusion 1 and 2
keep a loop of sdlab's own.
"""

import resource
import sys
import warnings
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from full_size import stable_diffusion, stable_diffusion_xl
from report import Report, interleaved, ratio, seconds

import sdlab
from sdlab.models.footprint import footprint
from sdlab.models.memory_plan import memory_plan
from sdlab.sampling.plan import plan

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/pipelines.md"
PARTS = ("table", "gain", "own", "overhead", "large")
HEAD = """# Pipelines

Every pipeline class of diffusers {version} that draws pictures from words, from a picture or inside
a mask, built tiny with random weights and run by the engine on the CPU. {counts}
`python benchmarks/pipelines.py --write` makes this page; `tests/sampling/test_every_pipeline.py`
and `test_every_pipeline_in_the_engine.py` hold it.

- **Path**: how the scheduler that the class was built with adds noise: vp (Stable Diffusion), flow
  (x_t = (1 - t) x0 + t n), or neither. It is of the kind that the class names first; Sana's,
  which can do both, has the released model's options. A model that you load goes by the config of
  its own scheduler: `model.path` tells.
- **Same**: the engine's picture is that of the pipeline called by hand, bit for bit.
- **Shared**: network calls of two runs made together, of all their calls.
- **Halves**: both halves of guidance are read; a pipeline that guides by an input of the network
  has one.
- **Attention**: maps of the words are recorded.

"""
COLUMNS = ("Pipeline", "Path", "Network", "Text encoders", "Same", "Shared", "Halves", "Attention")


def zoo():
    """Return the tiny pipelines that the tests use."""
    sys.path.insert(0, str(ROOT))
    import diffusers
    import transformers

    from tests.zoo import experiments, pipelines

    warnings.simplefilter("ignore")
    diffusers.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    return pipelines, experiments


def row(name, pipelines, experiments):
    """Return what is found of a class, by column, and the difference of a shared run."""
    pipe, arguments = pipelines.build(name)
    model = sdlab.load(pipe)
    texts = [type(part).__name__ for key, part in model.parts.items() if "text_encoder" in key]
    found = {
        "Pipeline": name,
        "Path": model.path or "neither",
        "Network": ", ".join(dict.fromkeys(type(n).__name__ for n in model.networks.values())),
        "Text encoders": ", ".join(dict.fromkeys(texts)),
    }
    try:
        asked = experiments.experiment(pipe, arguments)
    except experiments.NotAsked as reason:
        return {**found, "Same": f"by hand only: takes {reason}"}, 0.0
    run, found["Attention"] = with_attention(model, asked)
    call = plan(model, asked).call
    if call is None:
        found["Same"] = "yes"  # a path of its own, held by tests/sampling/test_parity.py
    else:
        picture, _ = experiments.by_hand(pipe, asked, call)
        found["Same"] = yes(np.array_equal(np.asarray(run.image), np.asarray(picture)))
    found["Halves"] = yes(run.steps["guidance_norm"].notna().any())
    together = sdlab.run_many(model, [asked, asked.with_(seed=1)])
    shared = together[0].manifest["shared_calls"]
    found["Shared"] = f"{shared} of {max(len(run.steps), shared)}"
    return found, apart(run, together[0])


def with_attention(model, asked):
    """Return a run that records attention, or one without, and what is recorded."""
    record = sdlab.Record(attention=sdlab.AttentionRecord())
    try:
        run = sdlab.run(model, asked.with_(record=record))
    except (ValueError, sdlab.SdlabError):
        return sdlab.run(model, asked), "no"
    try:
        _ = run.trace.attention
    except ValueError:
        return run, "no"
    return run, "yes"


def apart(one, other):
    """Return the largest difference of two runs' latents, as a share of the largest value."""
    if "latents" not in one.tensors or "latents" not in other.tensors:
        return 0.0
    a, b = one.tensors["latents"].float(), other.tensors["latents"].float()
    return float((a - b).abs().max() / a.abs().max())


def yes(true):
    """Return "yes" or "no"."""
    return "yes" if true else "no"


def measure_table(report, quick, write):
    """Run every class; say how many run, are the same, and how far shared ones part."""
    pipelines, experiments = zoo()
    names = pipelines.RUNS[::16] if quick else pipelines.RUNS
    rows, parts, failed = [], [], []
    for name in names:
        try:
            found, difference = row(name, pipelines, experiments)
        except Exception as error:
            failed.append(f"{name}: {type(error).__name__}: {error}"[:200])
            continue
        rows.append(found)
        parts.append(difference)
    for line in failed:
        print(line)
    ran = [found for found in rows if found["Same"] in ("yes", "no")]
    report.add("classes of diffusers", len(pipelines.CLASSES))
    report.add("classes tried", len(names))
    report.add("of them run by the engine", len(ran), goal="" if quick else ">= 40")
    report.add("of them that fail", len(failed), goal="<= 0")
    report.add("of them not the plain call's picture", count(ran, "Same", "no"), goal="<= 0")
    report.add("of them whose two runs share calls", sum(f["Shared"][0] != "0" for f in ran))
    report.add("of them whose halves are read", count(ran, "Halves", "yes"))
    report.add("of them whose attention is recorded", count(ran, "Attention", "yes"))
    report.add("largest difference of a shared run", max(parts), goal="<= 1e-3")
    report.add("median difference of a shared run", median(parts), goal="<= 1e-4")
    if write:
        PAGE.write_text(page(rows, pipelines.WHY_NOT))


def count(rows, column, word):
    """Return how many rows say a word."""
    return sum(found.get(column) == word for found in rows)


def page(rows, why_not):
    """Return the page of the manual."""
    import diffusers

    ran = sum(found["Same"] == "yes" for found in rows)
    left = {name: why for name, why in why_not.items() if why}
    counts = f"{ran} run; {len(rows) - ran} more take what an experiment does not hold."
    lines = [HEAD.format(version=diffusers.__version__, counts=counts) + line(COLUMNS)]
    lines += [line(["---"] * len(COLUMNS))]
    lines += [line([found.get(column, "") for column in COLUMNS]) for found in rows]
    lines += ["", f"## Left out\n\n{len(left)} classes of diffusers are not tried.\n"]
    lines += [line(["Pipelines", "Why"]), line(["---", "---"])]
    for why in sorted(set(left.values())):
        lines.append(line([", ".join(n for n in left if left[n] == why), why]))
    return "\n".join(lines) + "\n"


def line(cells):
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def measure_gain(report, quick):
    """16 runs together against one by one, tiny SDXL and Stable Diffusion 3."""
    pipelines, experiments = zoo()
    count = 4 if quick else 16
    for title, name in (("SDXL", "StableDiffusionXLPipeline"), ("SD3", "StableDiffusion3Pipeline")):
        pipe, arguments = pipelines.build(name)
        model = sdlab.load(pipe)
        asked = experiments.experiment(pipe, {**arguments, "num_inference_steps": 8})
        many = [asked.with_(seed=seed) for seed in range(count)]
        functions = {
            "together": partial(sdlab.run_many, model, many),
            "one by one": partial(sdlab.run_many, model, many, mix=False),
        }
        functions["together"]()
        times = interleaved(functions, 1 if quick else 5)
        gain = ratio(times, "one by one", "together")
        name = f"tiny {title}: {count} runs one by one / together"
        report.add(name, gain, goal="" if quick else ">= 1")


def by_pipeline(asked):
    """Return a plain Stable Diffusion experiment that is run by its pipeline's own call."""
    return asked.with_(pipeline_options={"clip_skip": None})


def measure_own(report, quick):
    """The embedded model's runs by its pipeline's call over sdlab's own loop, alone and eight."""
    model = sdlab.load()
    asked = sdlab.Experiment(
        prompt="a red car on grass",
        solver="DDIMScheduler",
        num_steps=5 if quick else 20,
        guidance_scale=4.0,
    )
    for count in (1, 8):
        many = [asked.with_(seed=seed) for seed in range(count)]
        turned = [by_pipeline(one) for one in many]
        assert plan(model, turned[0]).call is not None
        functions = {
            "own": partial(sdlab.run_many, model, many),
            "pipeline": partial(sdlab.run_many, model, turned),
        }
        pairs = zip(*(make() for make in functions.values()), strict=True)
        apart = sum(not np.array_equal(np.asarray(a.image), np.asarray(b.image)) for a, b in pairs)
        times = interleaved(functions, 1 if quick else 7)
        name = f"embedded model, {count} at once"
        report.add(f"{name}: pipeline's call / own loop", ratio(times, "pipeline", "own"))
        report.add(f"{name}: pictures that differ", apart, goal="<= 0")


def plain(model, asked):
    """Call a model's pipeline as people do."""
    pipe = model.pipeline
    pipe.set_progress_bar_config(disable=True)
    return pipe(
        asked.prompt,
        width=asked.width,
        height=asked.height,
        num_inference_steps=asked.num_steps,
        guidance_scale=asked.guidance_scale,
        generator=torch.Generator().manual_seed(asked.seed),
    )


def measure_overhead(report, device, quick):
    """A run through the engine over the plain call, at Stable Diffusion 1.5's size."""
    model, side = stable_diffusion(device), 64 if quick else 512
    asked = sdlab.Experiment(
        prompt="a parrot on a beach",
        solver="DDIMScheduler",
        num_steps=1 if quick else 2,
        width=side,
        height=side,
    )
    turned = by_pipeline(asked)
    assert plan(model, turned).call is not None
    functions = {
        "plain": partial(plain, model, asked),
        "engine": partial(sdlab.run, model, turned),
    }
    functions["plain"]()
    times = interleaved(functions, 1 if quick else 7)
    name = f"SD 1.5 size, {side}x{side}: engine / plain call"
    # At 64x64 a step is a tenth as long, and what the engine adds is not.
    report.add(name, ratio(times, "engine", "plain"), goal="" if quick else "<= 1.02")


def measure_large(report, device):
    """SDXL's real size in bfloat16: one step at 512x512, its time and its memory."""
    before = peak()
    model = stable_diffusion_xl(device)
    asked = sdlab.Experiment(
        prompt="a parrot on a beach",
        solver="EulerDiscreteScheduler",
        num_steps=1,
        width=512,
        height=512,
    )
    found = footprint(model.pipeline)
    report.add("SDXL size: parameters", model.parameters / 1e9, unit="1e9")
    report.add("SDXL size: first run", seconds(partial(sdlab.run, model, asked)), unit="s")
    planned = memory_plan(found, 512, 512, offload=False).ways[0].bytes
    taken = peak() - before
    report.add("SDXL size: memory taken / planned", taken / planned, goal="<= 1")
    functions = {
        "plain": partial(plain, model, asked),
        "traced": partial(sdlab.run, model, asked),
    }
    times = interleaved(functions, 3)
    report.add("SDXL size: plain call", median(times["plain"]), unit="s")
    report.add("SDXL size: traced / plain", ratio(times, "traced", "plain"), goal="<= 1.03")


def peak():
    """Return the most memory that this process has held, bytes."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    """Measure and print."""
    options = {
        "--write": {"action": "store_true", "help": "write docs/pipelines.md"},
        "--only": {"nargs": "+", "choices": PARTS, "help": "only these parts"},
    }
    report = Report(__doc__, options)
    report.head()
    given = report.arguments
    parts = given.only or (PARTS[:-1] if given.quick else PARTS)
    if "large" in parts:  # first, so that its peak is its own
        measure_large(report, given.device)
    if "table" in parts:
        measure_table(report, given.quick, given.write)
    if "gain" in parts:
        measure_gain(report, given.quick)
    if "own" in parts:
        measure_own(report, given.quick)
    if "overhead" in parts:
        measure_overhead(report, given.device, given.quick)
    report.close()


if __name__ == "__main__":
    main()
