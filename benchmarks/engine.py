"""What tracing and the engine cost: a traced run over the bare network and over diffusers.

Run: python benchmarks/engine.py [--quick] [--json] [--device cuda]
"""

from functools import partial
from statistics import median

import torch
from full_size import stable_diffusion
from report import Report, interleaved, ratio

import sdlab

PROMPT = "a parrot on a beach"


def synchronized(function, device):
    """Return the function, waiting for the device at its end."""

    def call():
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return call


def bare(model, nfe, width, height):
    """The network alone: as many calls of one CFG pair as the run makes, nothing else."""
    cond, uncond = model.encode_prompt(PROMPT, "")
    texts = torch.cat([uncond, cond])
    factor = model.vae_factor
    shape = (2, model.latent_channels, height // factor, width // factor)
    x = torch.randn(shape, device=model.device, dtype=model.dtype)
    times = torch.linspace(900, 1, nfe, device=model.device)
    with torch.no_grad():
        for t in times:
            model.pipeline.unet(x, t, encoder_hidden_states=texts, return_dict=False)


def cold_words(model, function):
    """Call a function with no prompt encoded yet, as diffusers encodes them every time."""
    model._prompts.clear()
    function()


def to_latents(model, experiment):
    """A traced run up to its final latents."""
    engine = sdlab.Engine(model, mix=False)
    job = engine.submit(experiment)
    while job.state != "decoding":
        engine.round()


def exactly(model, experiments):
    """Runs at once, each with the bits of the run alone, as the dashboard makes them."""
    engine = sdlab.Engine(model, join=True)
    for experiment in experiments:
        engine.submit(experiment)
    while engine.round():
        pass


def diffusers_pipeline(model, experiment):
    """Diffusers' own loop, from the prompt to the picture."""
    pipeline = model.pipeline
    pipeline.set_progress_bar_config(disable=True)
    pipeline(
        experiment.prompt,
        num_inference_steps=experiment.num_steps,
        guidance_scale=experiment.guidance_scale,
        width=experiment.width,
        height=experiment.height,
        generator=torch.Generator().manual_seed(experiment.seed),
    )


def measure_embedded(report, device, repeats, steps):
    """Traced run over the bare network, over diffusers, and eight runs in one batch."""
    model = sdlab.load(device=device)
    width, height = model.default_size
    one = sdlab.Experiment(
        prompt=PROMPT, solver="DDIMScheduler", num_steps=steps, width=width, height=height
    )
    eight = [one.with_(seed=seed) for seed in range(8)]
    dev = model.device
    functions = {
        "bare": synchronized(partial(bare, model, steps, width, height), dev),
        "latents": synchronized(partial(to_latents, model, one), dev),
        "traced": synchronized(partial(cold_words, model, partial(sdlab.run, model, one)), dev),
        "diffusers": synchronized(partial(diffusers_pipeline, model, one), dev),
        "eight": synchronized(
            partial(cold_words, model, partial(sdlab.run_many, model, eight)), dev
        ),
        "exact": synchronized(partial(cold_words, model, partial(exactly, model, eight)), dev),
    }
    for function in functions.values():
        function()
    times = interleaved(functions, repeats)
    report.add(f"embedded: bare network, {steps} calls", median(times["bare"]), unit="s")
    report.add("embedded: traced run / bare", ratio(times, "traced", "bare"), goal="<= 1.10")
    report.add("embedded: traced run to latents / bare", ratio(times, "latents", "bare"))
    report.add(
        "embedded: traced run / diffusers pipeline",
        ratio(times, "traced", "diffusers"),
        goal="<= 1.05",
    )
    report.add(
        "embedded: 8 runs in one batch / 8 runs alone",
        ratio(times, "eight", "traced") / 8,
        note="below 1 is a gain",
    )
    report.add(
        "embedded: 8 exact runs at once / 8 runs alone",
        ratio(times, "exact", "traced") / 8,
        note="with the bits of each alone",
    )
    report.add(
        "embedded: 8 exact runs at once / 8 runs in one batch",
        ratio(times, "exact", "eight"),
        note="what exactness costs",
    )


def measure_full_size(report, device, repeats, side):
    """The same at Stable Diffusion 1.5's size, two steps, up to the latents."""
    model = stable_diffusion(device)
    one = sdlab.Experiment(
        prompt=PROMPT, solver="DDIMScheduler", num_steps=2, width=side, height=side
    )
    functions = {
        "bare": synchronized(partial(bare, model, 2, side, side), model.device),
        "latents": synchronized(partial(to_latents, model, one), model.device),
    }
    functions["bare"]()
    times = interleaved(functions, repeats)
    name = f"SD 1.5 size, {side}x{side}"
    report.add(f"{name}: bare network, 2 calls", median(times["bare"]), unit="s")
    report.add(
        f"{name}: traced run to latents / bare", ratio(times, "latents", "bare"), goal="<= 1.03"
    )


def main():
    """Measure and print."""
    report = Report(__doc__)
    report.head()
    quick, device = report.arguments.quick, report.arguments.device
    measure_embedded(report, device, repeats=2 if quick else 9, steps=12 if quick else 25)
    measure_full_size(report, device, repeats=1 if quick else 3, side=64 if quick else 512)
    report.close()


if __name__ == "__main__":
    main()
