"""What a shared batch and fast mode save, what they change, and whether the memory estimate holds.

    python benchmarks/compare.py [--quick] [--json] [--device cuda]
    python benchmarks/compare.py --only time error

"time" draws one picture with 16 deterministic samplers (SAMPLERS below: eight of ours, eight of
diffusers), one run after another, in one batch, and in one batch in fast mode, in turn; a run is
timed whole, from its words to its tables. "error" holds fast pictures of held-out captions against
the exact ones; what the sampler itself is off by says how much that is. "call" looks inside one
network call: how far a layer's bfloat16 result is from the exact one over how far rounding that to
bfloat16 is (1 where the processor sums in float32), and how far the call's output is off. "memory"
(Linux) is the peak of the process over what sdlab.plan and the engine reckon with: every record,
and one call of all samples or one decoding; "summing" (Linux) is that of summing up stored runs of
four pictures over what the Compare page reckons with. "full" is Stable Diffusion 1.5's size with
random weights, at 512 x 512, only on CUDA. --quick makes fewer steps and pictures, and so other
figures.
"""

import sys
import tempfile
from functools import partial
from statistics import median

import numpy as np
import torch
from engine import PROMPT
from full_size import stable_diffusion
from memory import peak
from report import Report, interleaved, ratio

import sdlab
from sdlab.comparing.memory import summary_bytes
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.reference import stored
from sdlab.comparing.summary import summarise
from sdlab.denoisers.network import Sample, evaluate
from sdlab.latents.round_trip import likeness
from sdlab.models import memory
from sdlab.sampling.engine import most_samples
from sdlab.training.evaluate import held_out_captions

SAMPLERS = (
    *("ddim", "deis", "dpmpp_2m", "euler", "heun", "lms", "plms", "unipc"),
    *("DDIMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler"),
    *("EulerDiscreteScheduler", "HeunDiscreteScheduler", "LMSDiscreteScheduler"),
    *("PNDMScheduler", "UniPCMultistepScheduler"),
)
FEW = 4  # steps; PNDM takes no fewer


def experiments(num_steps, **fields):
    """One experiment a sampler: the same words, noise and number of steps."""
    return [
        sdlab.Experiment(prompt=PROMPT, seed=3, solver=name, num_steps=num_steps, **fields)
        for name in SAMPLERS
    ]


def relative_rmse(one, exact):
    """Root mean square of the difference over that of the exact one."""
    return float((one - exact).square().mean().sqrt() / exact.square().mean().sqrt())


def ways(model, alone, batches):
    """Run experiments one after another and as batches, keeping what each way made last."""
    made = {}

    def keep(name, function):
        made[name] = function()

    functions = {"alone": partial(keep, "alone", lambda: [sdlab.run(model, e) for e in alone])}
    for name, batch in batches.items():
        functions[name] = partial(keep, name, partial(sdlab.run_many, model, batch))
    return functions, made


def tell_apart(report, name, runs, exact):
    """Add rows on the largest difference of final latents over all runs."""
    pairs = [(a.latents, b.latents) for a, b in zip(runs, exact, strict=True)]
    apart = [float((a - b).abs().max()) for a, b in pairs]
    report.add(
        f"{name}: latents apart, at most",
        max(apart),
        goal="<= 1e-4",
        note=f"{SAMPLERS[int(np.argmax(apart))]}; median sampler {median(apart):.1e}",
    )
    scaled = [d / float(b.abs().max()) for d, (_, b) in zip(apart, pairs, strict=True)]
    report.add(f"{name}: the same, relative", max(scaled))


def measure_time(report):
    """One batch, and a fast one, against the same exact runs one after another."""
    quick, device = report.arguments.quick, report.arguments.device
    model = sdlab.load(device=device, dtype="float32")
    exact = experiments(FEW if quick else 20)
    name = f"embedded, {len(exact)} samplers x {exact[0].num_steps} steps"
    fast = [e.with_(fast=True) for e in exact]
    functions, made = ways(model, exact, {"batch": exact, "fast": fast})
    for batch in (exact, fast):
        sdlab.run_many(model, [e.with_(num_steps=FEW) for e in (batch[:2] if quick else batch)])
    times = interleaved(functions, 1 if quick else 7)
    cuda = model.device.type == "cuda"
    report.add(f"{name}: one after another", median(times["alone"]), unit="s")
    report.add(
        f"{name}: batch / one after another",
        ratio(times, "batch", "alone"),
        goal="<= 0.25" if cuda else "<= 0.85",
        note=f"{made['batch'][0].manifest['largest_call']} samples in the largest call",
    )
    tell_apart(report, name, made["batch"], made["alone"])
    report.add(
        f"{name}: fast batch / one after another",
        ratio(times, "fast", "alone"),
        goal="" if cuda else "<= 0.6",
    )


def measure_error(report):
    """How far a fast picture is from the exact one, and how far that one is from convergence."""
    quick = report.arguments.quick
    model = sdlab.load(device=report.arguments.device, dtype="float32")
    steps, count = (4, 2) if quick else (20, 32)
    exact = [
        sdlab.Experiment(prompt=prompt, seed=n, solver="dpmpp_2m", curve="karras", num_steps=steps)
        for n, prompt in enumerate(held_out_captions("single", count))
    ]
    runs = sdlab.run_many(model, exact)
    fine = sdlab.run_many(model, [e.with_(num_steps=5 * steps) for e in exact])
    fast = sdlab.run_many(model, [e.with_(fast=True) for e in exact])
    name = f"{count} pictures, dpmpp_2m, {steps} steps"
    for what, others, truth in (("fast to exact", fast, runs), ("exact to 5x steps", runs, fine)):
        pairs = list(zip(others, truth, strict=True))
        off = [relative_rmse(a.latents, b.latents) for a, b in pairs]
        alike = [likeness(a.image, b.image).psnr for a, b in pairs]
        report.add(f"{name}: {what}, rel. RMSE", median(off), note=f"worst {max(off):.3f}")
        report.add(
            f"{name}: {what}, PSNR", median(alike), unit="dB", note=f"worst {min(alike):.1f}"
        )


def measure_call(report):
    """How far one fast call is off, layer by layer and whole."""
    model = sdlab.load(device=report.arguments.device, dtype="float32")
    unet = model.pipeline.unet
    texts = model.encode_prompt("a red car", "")
    noise = torch.randn(
        4, model.latent_channels, 16, 16, generator=torch.Generator().manual_seed(0)
    )
    losses = []

    def hold(module, arguments, out):
        with torch.autocast(model.device.type, enabled=False):
            given = [t.bfloat16().double() for t in (arguments[0], module.weight)]
            bias = None if module.bias is None else module.bias.bfloat16().double()
            linear = isinstance(module, torch.nn.Linear)
            apply = torch.nn.functional.linear if linear else module._conv_forward
            exact = apply(*given, bias)
        if rounding := relative_rmse(exact.bfloat16(), exact):  # 0 where all inputs are 0
            losses.append(relative_rmse(out, exact) / rounding)

    layers = [m for m in unet.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)]
    for timestep in (999.0, 750.0, 500.0, 250.0):
        samples = [Sample(x[None], timestep, *texts, 4.0, 0.0, fast=True) for x in noise]
        exact = evaluate(model, [sample._replace(fast=False) for sample in samples])
        handles = [layer.register_forward_hook(hold) for layer in layers]
        try:
            fast = evaluate(model, samples)
        finally:
            for handle in handles:
                handle.remove()
        for part in ("cond", "guided"):
            pairs = [(getattr(a, part), getattr(b, part)) for a, b in zip(fast, exact, strict=True)]
            off = median(relative_rmse(a, b) for a, b in pairs)
            report.add(f"one call at t = {timestep:.0f}: {part}, rel. RMSE", off)
    name = f"{len(layers)} layers: error over bfloat16's rounding"
    report.add(f"{name}, at most", max(losses), goal="<= 1.1", note=f"median {median(losses):.3f}")


def measure_memory(report):
    """The peak of the process over the estimate for a whole batch."""
    if not sys.platform.startswith("linux") or report.arguments.device != "cpu":
        print("memory: needs Linux's /proc and the CPU")
        return
    model = sdlab.load(device="cpu")
    for e in experiments(FEW)[:2]:  # what is imported late
        sdlab.run_many(model, [e, e.with_(fast=True)])
    for side in (128,) if report.arguments.quick else (128, 256, 512):
        for fast in (False,) if report.arguments.quick else (False, True):
            batch = experiments(FEW, width=side, height=side, fast=fast)
            plans = [sdlab.plan(model, e) for e in batch]
            rows = sum(2 if plan.guided else 1 for plan in plans)
            network = min(rows, most_samples(model)) * memory.sample_bytes(model, plans[0].shape)
            computing = max(network, memory.decode_bytes(model, plans[0].shape))
            estimate = memory.BASE_BYTES + computing + sum(p.record_bytes for p in plans)
            risen = peak(partial(sdlab.run_many, model, batch))
            report.add(
                f"memory of 16 runs, {side}x{side}{', fast' * fast}: measured / est.",
                risen / estimate,
                goal="<= 1.0",
                note=f"{memory.readable(risen)} measured",
            )


def measure_summing(report):
    """The peak of the process over the estimate for summing up stored runs."""
    if not sys.platform.startswith("linux") or report.arguments.device != "cpu":
        print("summing: needs Linux's /proc and the CPU")
        return
    side, pictures, steps = (128, 1, FEW) if report.arguments.quick else (256, 4, 20)
    model = sdlab.load(device="cpu")
    about = ModelFacts.of(model)
    spec = sdlab.Comparison(
        [sdlab.Entrant(name) for name in SAMPLERS[:8]],
        [PROMPT],
        range(pictures),
        steps,
        width=side,
        height=side,
        reference_steps=2 * steps,
    )
    with tempfile.TemporaryDirectory() as root:
        sdlab.compare(model, spec, save=root)
        wanted = [cell.experiment for cell in spec.cells(about.config)]
        wanted += [x for reference in spec.references() for x in reference[2:]]
        runs = [(x, len(stored(x, root, about.hash).trace.sigmas)) for x in wanted]

        def summing():
            read = {experiment.id: stored(experiment, root, about.hash) for experiment, _ in runs}
            return summarise(spec, read, about)

        risen = peak(summing)
    report.add(
        f"memory of summing up {len(runs)} runs, {side}x{side}: measured / est.",
        risen / summary_bytes(model, runs, pictures),
        goal="<= 1.0",
        note=f"{memory.readable(risen)} measured",
    )


def measure_full(report):
    """The batch against single runs at Stable Diffusion 1.5's size."""
    if report.arguments.device != "cuda":
        print("full: only with --device cuda")
        return
    model = stable_diffusion("cuda")
    exact = experiments(FEW if report.arguments.quick else 20, width=512, height=512)
    functions, _ = ways(model, exact, {"batch": exact})
    sdlab.run_many(model, [e.with_(num_steps=FEW) for e in exact])
    times = interleaved(functions, 1 if report.arguments.quick else 3)
    name = f"SD 1.5 size, 512x512, bf16, {len(exact)} samplers"
    report.add(f"{name}: one after another", median(times["alone"]), unit="s")
    report.add(f"{name}: batch / that", ratio(times, "batch", "alone"), goal="<= 0.6")


GROUPS = {
    "time": measure_time,
    "error": measure_error,
    "call": measure_call,
    "memory": measure_memory,
    "summing": measure_summing,
    "full": measure_full,
}


def main():
    """Measure and print."""
    report = Report(
        __doc__.splitlines()[0],
        {
            "--only": {"nargs": "+", "choices": tuple(GROUPS), "metavar": "GROUP",
                       "help": f"of {', '.join(GROUPS)}"},
        },
    )  # fmt: skip
    report.head()
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    for name in report.arguments.only or GROUPS:
        GROUPS[name](report)
    report.close()


if __name__ == "__main__":
    main()
