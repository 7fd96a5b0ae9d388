"""Why two pictures differ: every cause provoked in every file that can say it; is it found first?

Run: python benchmarks/explain.py [--quick] [--json]

A file is changed in one thing, and ``sdlab.explain`` is given it and the file as it was: parameters
of AUTOMATIC1111, ComfyUI's graph as its API and as its interface save it, metadata of InvokeAI,
experiments and manifests of sdlab, scheduler configs. Counted is how often the thing that was
changed is found at all, and how often it is the first of what is found: one change may have
others behind it, as other levels have with more steps. Then every two changes of one file at once:
both must be found. A file beside itself must differ in nothing, however often it is asked.

``programs`` are pairs in which nothing was changed but the program: what each does unsaid.
"""

import itertools
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from report import Report  # noqa: E402

import sdlab  # noqa: E402
from sdlab.explaining.registry import all_causes  # noqa: E402
from tests.explaining import files  # noqa: E402

A1111 = {
    "seed": {"Seed": "8"},
    "noise-device": {"RNG": "CPU"},
    "variation": {"Variation_seed": "5", "Variation_seed_strength": "0.1"},
    "step-noise": {"ENSD": "31337"},
    "size": {"Size": "512x768"},
    "model": {"Model_hash": "ffff"},
    "vae": {"VAE": "vae-ft-mse"},
    "loras": {"text": "a (red:1.3) car on the beach<lora:fog:0.5>"},
    "patches": {"Token_merging_ratio": "0.5"},
    "prompt": {"text": "a cat"},
    "clip-skip": {"Clip_skip": "2"},
    "sampler": {"Sampler": "DPM++ 2M"},
    "churn": {"Sigma_churn": "2"},
    "eta": {"Eta": "0.5"},
    "steps": {"Steps": "25"},
    "spacing": {"Schedule_type": "Exponential"},
    "denoise": {"Denoising_strength": "0.5"},
    "guidance-scale": {"CFG_scale": "8"},
    "guidance-rescale": {"CFG_Rescale": "0.7"},
    "version": {"Version": "v1.6.0"},
    "setting": {"Hires_upscale": "2"},
}
COMFYUI = {
    "seed": {"seed": 8},
    "sampler": {"sampler_name": "dpmpp_2m"},
    "steps": {"steps": 25},
    "spacing": {"scheduler": "exponential"},
    "denoise": {"denoise": 0.5},
    "guidance-scale": {"cfg": 8.0},
    "prompt": {"text": "a cat"},
}
NODES = {
    "size": ("5", {"height": 768}),
    "batch-size": ("5", {"batch_size": 4}),
    "batch-place": ("5", {"batch_size": 4}),
    "negative-prompt": ("7", {"text": "snow"}),
    "model": ("4", {"ckpt_name": "sd15-other.safetensors"}),
}
INVOKEAI = {
    "seed": {"seed": 8},
    "noise-device": {"rand_device": "cuda"},
    "size": {"height": 768},
    "prompt": {"positive_prompt": "a cat"},
    "negative-prompt": {"negative_prompt": "snow"},
    "sampler": {"scheduler": "dpmpp_2m"},
    "steps": {"steps": 25},
    "guidance-scale": {"cfg_scale": 8.0},
    "guidance-rescale": {"cfg_rescale_multiplier": 0.5},
    "clip-skip": {"clip_skip": 1},
    "version": {"app_version": "5.5.0"},
}
EXPERIMENT = {
    "seed": {"seed": 8},
    "prompt": {"prompt": "a cat"},
    "negative-prompt": {"negative_prompt": "snow"},
    "sampler": {"solver": "heun"},
    "steps": {"num_steps": 31},
    "spacing": {"curve": "exponential"},
    "guidance-scale": {"guidance_scale": 8.0},
    "guidance-rescale": {"guidance_rescale": 0.5},
    "eta": {"eta": 0.5},
    "clip-skip": {"pipeline_options": {"clip_skip": 1}},
    "size": {"height": 192},
}
MANIFEST = {
    "dtype": ("model", {"computed_in": "bfloat16"}),
    "device": ("model", {"device": "cuda"}),
    "machine": ("machine", {"threads": 8}),
    "model": ("model", {"hash": "2"}),
    "version": ("versions", {"sdlab": "0.5"}),
}
CONFIG = {
    "config": {"timestep_spacing": "trailing"},
}


def experiments():
    """Return (cause, changed, as it was) of experiments and manifests of ours."""
    base = sdlab.Experiment("a (red:1.3) car", solver="ddim", seed=7, width=128, height=128)
    for cause, change in EXPERIMENT.items():
        yield cause, base.with_(**change), base
    facts = {
        "experiment": base.to_dict(),
        "model": {"name": "embedded", "hash": "1", "dtype": "float32", "computed_in": "float32",
                  "device": "cpu"},
        "versions": {"torch": "2.13", "sdlab": "0.6"},
        "machine": {"threads": 2},
        **{"width": 128, "height": 128},
    }  # fmt: skip
    for cause, (entry, change) in MANIFEST.items():
        yield cause, {**facts, entry: {**facts[entry], **change}}, facts


def graphs():
    """Return (cause, changed, as it was) of ComfyUI's graphs, as its API saves them."""
    for cause, change in COMFYUI.items():
        yield cause, files.comfyui(**change), files.comfyui()
    for cause, (node, change) in NODES.items():
        graph = files.comfyui()
        graph[node]["inputs"] |= change
        yield cause, graph, files.comfyui()
    one, other = (json.loads(json.dumps(files.IN_PARTS)) for _ in range(2))
    for graph in (one, other):
        graph["8"]["inputs"]["batch_size"] = 1
    other["3"]["inputs"]["guidance"] = 5.0
    yield "distilled-guidance", other, one


def provoked():
    """Yield (program, cause, changed, as it was) of everything that is changed alone."""
    for cause, change in A1111.items():
        yield "AUTOMATIC1111", cause, files.a1111(**change), files.a1111()
    for cause, changed, base in graphs():
        yield "ComfyUI", cause, changed, base
        yield "ComfyUI's interface", cause, files.as_interface(changed), files.as_interface(base)
    for cause, change in INVOKEAI.items():
        yield "InvokeAI", cause, {**files.INVOKEAI, **change}, files.INVOKEAI
    for cause, changed, base in experiments():
        yield "sdlab", cause, changed, base
    config = {"_class_name": "EulerDiscreteScheduler", "beta_schedule": "scaled_linear"}
    for cause, change in CONFIG.items():
        yield "diffusers", cause, {**config, **change}, config


def twofold(quick):
    """Yield (first cause, second, changed in both, as it was) of every two that go together."""
    pairs = list(itertools.combinations(A1111.items(), 2))
    for (one, change), (two, more) in pairs[:: 6 if quick else 1]:
        if not change.keys() & more.keys():
            yield one, two, files.a1111(**change, **more), files.a1111()
    pairs = list(itertools.combinations(INVOKEAI.items(), 2))
    for (one, change), (two, more) in pairs[:: 6 if quick else 1]:
        yield one, two, {**files.INVOKEAI, **change, **more}, files.INVOKEAI


def programs():
    """Return (first, second) by name: the same settings in two programs."""
    comfyui, long = files.comfyui(), "car, " * 40
    return {
        "AUTOMATIC1111, ComfyUI": (files.a1111(), comfyui),
        "ComfyUI, InvokeAI": (comfyui, files.INVOKEAI),
        "AUTOMATIC1111, InvokeAI": (files.a1111(), files.INVOKEAI),
        "AUTOMATIC1111, ComfyUI with BREAK": (
            files.a1111("a car BREAK a beach"),
            files.comfyui("a car BREAK a beach"),
        ),
        "AUTOMATIC1111, sdlab, long": (files.a1111(long), sdlab.Experiment(prompt=long)),
        "AUTOMATIC1111 with Hires, ComfyUI": (files.a1111(Hires_upscale="2"), comfyui),
        "ComfyUI, Heun here": (files.comfyui(sampler_name="heun"), comfyui),
    }


def place(cause, a, b):
    """Return at which place a cause is found, from 1; 0 if it is not."""
    ids = [one.cause.id for one in sdlab.explain(a, b).differences]
    return ids.index(cause) + 1 if cause in ids else 0


def add_single(report):
    """Add the rows of one change at a time; return the causes that were found."""
    places, found = {}, set()
    for program, cause, changed, base in provoked():
        at = place(cause, base, changed)
        places.setdefault(program, []).append(at)
        found |= {cause} if at else set()
        if at != 1:
            report.add(f"not first: {cause}, {program}", at, unit="place")
    every = [at for some in places.values() for at in some]
    report.add("found, of one thing changed", sum(map(bool, every)) / len(every), goal=">= 1",
               note=f"{len(every)} changes")  # fmt: skip
    report.add("found first", sum(at == 1 for at in every) / len(every), goal=">= 0.9")
    for program, some in places.items():
        first = sum(at == 1 for at in some)
        report.add(f"found first: {program}", first / len(some), note=f"{first} of {len(some)}")
    return found


def add_programs(report):
    """Add what differs between programs at the same settings; return the causes."""
    found = set()
    for name, (a, b) in programs().items():
        ids = [one.cause.id for one in sdlab.explain(a, b).differences]
        report.add(f"programs: {name}", len(ids), note=", ".join(ids))
        found |= set(ids)
    return found


def add_twofold(report):
    """Add the rows of two changes at once."""
    pairs = list(twofold(report.arguments.quick))
    missed = [
        f"{one} with {two}"
        for one, two, changed, base in pairs
        if not (place(one, base, changed) and place(two, base, changed))
    ]
    report.add("both found, of two things changed", 1 - len(missed) / len(pairs), goal=">= 0.95",
               note=f"{len(pairs)} pairs; not: {', '.join(missed)}")  # fmt: skip


def add_same(report):
    """Add how many differences are told of files beside themselves, and how long one takes."""
    bases = [files.a1111(), files.comfyui(), files.INVOKEAI, sdlab.Experiment(prompt="a cat")]
    report.add("differences of a file and itself",
               sum(len(sdlab.explain(a, a).differences) for a in bases), goal="<= 0")  # fmt: skip
    began = time.process_time()
    for _ in range(20):
        sdlab.explain(files.a1111(), files.comfyui())
    report.add("processor time of one explanation", (time.process_time() - began) / 20, unit="s")


def main():
    """Measure and print the rows."""
    report = Report(__doc__.splitlines()[0])
    report.head()
    found = add_single(report) | add_programs(report)
    add_twofold(report)
    add_same(report)
    missing = sorted(set(all_causes()) - found)
    report.add("causes found at least once", len(set(all_causes()) & found),
               goal=f">= {len(all_causes())}", note=" ".join(missing))  # fmt: skip
    report.close()


if __name__ == "__main__":
    main()
