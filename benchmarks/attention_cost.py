"""What recording attention costs, beside the plain pipeline and beside a peer, in one run.

Run: python benchmarks/attention_cost.py [--quick] [--json] [--device cuda]
     python benchmarks/attention_cost.py --only full      Stable Diffusion 1.5's size, minutes

--quick makes fewer steps and leaves the full size out. --only transformers measures tiny joint
transformers, Stable Diffusion 3's and Flux's, of 1024 places; plain and traced calls in turn.

The peer is attention-map-diffusers, a requirement of this script alone; without it its rows are
left out. It pins versions that this project does not, so install it without its requirements:

    pip install --no-deps -r benchmarks/requirements.txt

Every call makes latents (no picture is decoded, which would only dilute the ratios), with guidance,
all steps recorded, mean of the heads. Ours keeps the prompt's half and the prompt's tokens unless
a row says otherwise; the peer keeps both halves and all 77 tokens, so there is a row in which ours
does too. Ratios are medians of pairs timed in turn; at full
size memory is read in the timed calls themselves, which are few and long.
"""

import gc
import sys
from functools import partial
from pathlib import Path
from statistics import median

import torch
from engine import PROMPT, synchronized, to_latents
from full_size import stable_diffusion
from memory import peak
from report import Report, interleaved, ratio, seconds

import sdlab
from sdlab.models.memory import readable

try:
    from attention_map_diffusers import AttentionCapture
except ImportError:
    AttentionCapture = None

MEAN = sdlab.AttentionRecord()
ALIKE = sdlab.AttentionRecord(tokens="all", halves="both", dtype="float32")
EVERYTHING = sdlab.AttentionRecord(heads="all", tokens="all", halves="both", self_layers=("1/2",))
OURS = "sdlab.trace"
PEER = "attention-map-diffusers"


def plain(pipe, steps, width, height):
    """The diffusers pipeline by itself."""
    return pipe(
        PROMPT,
        num_inference_steps=steps,
        width=width,
        height=height,
        output_type="latent",
        generator=torch.Generator().manual_seed(0),
    ).images


def traced(pipe, record, *size):
    """The same call inside ``sdlab.trace``; returns the trace."""
    with sdlab.trace(pipe, record) as found:
        plain(pipe, *size)
    return found


def captured(pipe, *size):
    """The same call inside the peer's capture, and its maps computed; returns the maps."""
    with AttentionCapture(
        pipe, relations="image->text", layers="all", timesteps="all", heads="mean"
    ) as capture:
        plain(pipe, *size)
    return capture.compute().records


def ways(pipe, *size):
    """Return name -> function of every way to make the same latents."""
    only = partial(sdlab.Record, (), statistics=False)
    out = {
        "plain": partial(plain, pipe, *size),
        OURS: partial(traced, pipe, only(attention=MEAN), *size),
        f"{OURS}, with statistics": partial(traced, pipe, None, *size),
        f"{OURS}, both halves, 77 tokens, float32": partial(
            traced, pipe, only(attention=ALIKE), *size
        ),
    }
    if AttentionCapture is not None:
        out[PEER] = partial(captured, pipe, *size)
    return out


def measure_pipeline(report, model, name, goal, repeats, *size):
    """Time every way in turn; then what each keeps of one evaluation."""
    pipe = model.pipeline
    pipe.set_progress_bar_config(disable=True)
    found = ways(pipe, *size)
    functions = {way: synchronized(function, model.device) for way, function in found.items()}
    for function in functions.values():
        function()
    times = interleaved(functions, repeats)
    report.add(f"{name}: plain pipeline", median(times["plain"]), unit="s")
    for way in list(functions)[1:]:
        bound = goal if way == OURS else ""
        report.add(f"{name}: {way} / plain", ratio(times, way, "plain"), goal=bound, unit="x")
    return found


def measure_kept(report, found, name, steps):
    """What is kept of one evaluation: tensors, bytes, and whether it says which half it is of."""
    for way in list(found)[1:]:
        result = found[way]()
        if way == PEER:
            tensors = [record.data for record in result]
            note = "both halves in one tensor, one record a layer and call"
        else:
            maps = result.maps()
            tensors = list(maps.tensors.values())
            note = f"halves: {', '.join(maps.halves)}; by evaluation {maps.evaluations[:2]} ..."
        size = sum(t.numel() * t.element_size() for t in tensors) / steps
        count = len(tensors) / (steps if way == PEER else 1)
        report.add(
            f"{name}: {way}, maps kept an evaluation",
            count,
            note=f"{readable(size)} an evaluation; {note}",
        )


def extra_peak(device, function):
    """Return by how many bytes memory rises at most while a function runs."""
    if device.type != "cuda":
        return peak(function)
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    return torch.cuda.max_memory_allocated(device) - before


def add_memory(report, name, peaks):
    """Report the peak memory of every way over that of the plain pipeline."""
    bare = peaks.pop("plain")
    report.add(f"{name}: plain, peak memory of the call", bare / 2**20, unit="MiB")
    for way, most in peaks.items():
        extra = max(0, most - bare)
        report.add(f"{name}: {way}, peak over plain", extra / 2**20, unit="MiB")


def measure_embedded(report, model, quick):
    """Time and memory of every way on the embedded model."""
    steps, repeats = (4, 3) if quick else (25, 11)
    goal = "<= 1.08" if model.device.type == "cpu" else ""
    found = measure_pipeline(report, model, "embedded", goal, repeats, steps, *model.default_size)
    measure_kept(report, found, "embedded", steps)
    peaks = {way: extra_peak(model.device, function) for way, function in found.items()}
    add_memory(report, "embedded", peaks)


def timed(function, times):
    """Call a function and append the seconds that it took."""
    times.append(seconds(function))


def measure_full(report, device):
    """Time and memory at Stable Diffusion 1.5's size, from the same few calls."""
    model = stable_diffusion(device)
    model.pipeline.set_progress_bar_config(disable=True)
    name, steps, rounds = "SD 1.5 size, 512x512", 2, 3
    found = ways(model.pipeline, steps, 512, 512)
    found = {way: found[way] for way in ("plain", OURS, PEER) if way in found}
    plain(model.pipeline, 1, 512, 512)
    times, peaks = {way: [] for way in found}, {}
    for _ in range(rounds):
        for way, function in found.items():
            call = partial(timed, synchronized(function, model.device), times[way])
            most = extra_peak(model.device, call)
            peaks[way] = max(most, peaks.get(way, 0))
    report.add(f"{name}: plain pipeline, {steps} steps", median(times["plain"]), unit="s")
    for way in list(found)[1:]:
        goal = "<= 1.03" if way == OURS else ""
        report.add(f"{name}: {way} / plain", ratio(times, way, "plain"), goal=goal, unit="x")
    add_memory(report, name, peaks)


def measure_runs(report, model, quick):
    """The engine's own runs with attention over the same run without."""
    steps, repeats = (4, 3) if quick else (25, 11)
    records = {"mean of heads, the prompt": MEAN, "all heads, self-attention at 1/2": EVERYTHING}
    runs = {
        what: sdlab.Experiment(
            prompt=PROMPT,
            solver="DDIMScheduler",
            num_steps=steps,
            record=sdlab.Record((), attention=record),
        )
        for what, record in {"plain": None, **records}.items()
    }
    functions = {
        what: synchronized(partial(to_latents, model, run), model.device)
        for what, run in runs.items()
    }
    for function in functions.values():
        function()
    times = interleaved(functions, repeats)
    for what in records:
        goal = "<= 1.08" if "mean" in what else ""
        kept = sdlab.plan(model, runs[what]).attention.bytes
        value = ratio(times, what, "plain")
        note = f"keeps {readable(kept)}"
        report.add(f"sdlab.run, {what} / without", value, goal=goal, unit="x", note=note)


def measure_estimate(report, model, quick):
    """Peak memory that a large record adds, over what was planned for it."""
    num_steps = 1 if quick else 4

    def run(attention):
        record = sdlab.Record((), attention=attention)
        return sdlab.Experiment(
            prompt=PROMPT, num_steps=num_steps, width=512, height=512, record=record
        )

    bare = peak(partial(to_latents, model, run(None)))
    large = run(sdlab.AttentionRecord(heads="all", halves="both"))
    planned = sdlab.plan(model, large).attention
    extra = max(0, peak(partial(to_latents, model, large)) - bare)
    report.add(
        "sdlab.run, 512x512, all heads: extra peak / planned",
        extra / (planned.bytes + planned.working_bytes),
        goal="<= 1.0",
        note=f"{readable(extra)}, of which kept {readable(planned.bytes)}",
    )


def measure_transformers(report, quick):
    """Traced calls of tiny joint transformers over plain ones."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.flow import FLUX_WORDS, flux, sd3

    steps, repeats = (6, 3) if quick else (28, 9)
    made = {
        "tiny SD3": (sd3(), {"prompt": PROMPT, "guidance_scale": 4.0, "height": 64, "width": 64}),
        "tiny Flux": (flux(), {**FLUX_WORDS, "height": 128, "width": 128}),
    }
    for name, (pipe, words) in made.items():
        call = partial(pipe, num_inference_steps=steps, output_type="latent", **words)
        whole = partial(inside, pipe, sdlab.Record((), statistics=False), call)
        attended = sdlab.Record((), statistics=False, attention=MEAN)
        functions = {"plain": call, "steps": whole, OURS: partial(inside, pipe, attended, call)}
        for function in functions.values():
            function()
        times = interleaved(functions, repeats)
        report.add(f"{name}: plain pipeline, {steps} steps", median(times["plain"]), unit="s")
        report.add(
            f"{name}: {OURS}, attention / plain",
            ratio(times, OURS, "plain"),
            goal="<= 1.05",
            unit="x",
            note=f"without attention {ratio(times, 'steps', 'plain'):.3f}",
        )


def inside(pipe, record, call):
    """Make a call inside ``sdlab.trace``; return the trace."""
    with sdlab.trace(pipe, record) as found:
        call()
    return found


GROUPS = ("embedded", "runs", "estimate", "transformers", "full")


def main():
    """Measure and print."""
    what = {"nargs": "+", "choices": GROUPS, "metavar": "GROUP"}
    report = Report(__doc__, {"--only": what})
    report.head()
    if AttentionCapture is None:
        print("(pip install --no-deps -r benchmarks/requirements.txt adds the peer's rows)")
    quick, device = report.arguments.quick, report.arguments.device
    wanted = report.arguments.only or (GROUPS[:-1] if quick else GROUPS)
    model = sdlab.load(device=device)
    if "embedded" in wanted:
        measure_embedded(report, model, quick)
    if "runs" in wanted:
        measure_runs(report, model, quick)
    if "estimate" in wanted and device == "cpu":
        measure_estimate(report, model, quick)
    if "transformers" in wanted and device == "cpu":
        measure_transformers(report, quick)
    if "full" in wanted:
        measure_full(report, device)
    report.close()


if __name__ == "__main__":
    main()
