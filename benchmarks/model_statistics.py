"""What DPM-Solver-v3 with the statistics of a model is worth, beside dpmpp_2m and unipc.

The statistics are measured on some seeds; on others each solver's latents are held against Heun of
many steps, over karras, in standard deviations of these.

    python benchmarks/model_statistics.py [--guidance-scale 4] [--quick] [--json]
"""

import importlib.util
import tempfile
from pathlib import Path

from report import Report

import sdlab
from sdlab.comparing.costs import geometric
from sdlab.experiment.record import Record
from sdlab.fitting.plugin import write_plugin
from sdlab.fitting.statistics import model_statistics

NAME = "dpm_solver_v3"
SOLVERS = (NAME, "dpmpp_2m", "unipc")
UNRECORDED = Record(tensors=(), statistics=False)


def measured(model, spec, seeds, levels):
    """Measure the statistics and register the solver made of them."""
    found = model_statistics(model, spec, seeds, levels)
    with tempfile.TemporaryDirectory() as folder:
        _, plugin = write_plugin(Path(folder), NAME, found)
        module = importlib.util.spec_from_file_location(NAME, plugin)
        module.loader.exec_module(importlib.util.module_from_spec(module))


def distances(model, spec, seeds, ways, steps):
    """Return each way's distances to Heun of so many steps, a seed each."""
    heun = spec.with_(solver="heun", num_steps=steps)
    wanted = [way.with_(seed=seed) for seed in seeds for way in (heun, *ways)]
    ends = [run.latents.double() for run in sdlab.run_many(model, wanted)]
    found = []
    for start in range(0, len(ends), len(ways) + 1):
        end, *others = ends[start : start + len(ways) + 1]
        unit = end.std(correction=0)
        found.append([float((x - end).square().mean().sqrt() / unit) for x in others])
    return list(zip(*found, strict=True))


def main():
    """Measure and print."""
    report = Report(
        __doc__.splitlines()[0],
        {
            "--guidance-scale": {"type": float, "default": 4.0},
            "--size": {"type": int, "default": 128, "help": "pixels"},
            "--seeds": {"type": int, "default": 16, "help": "pictures of the statistics"},
            "--levels": {"type": int, "default": 120},
        },
    )
    report.head()
    given, model = report.arguments, sdlab.load(device=report.arguments.device)
    size, seeds, levels, held_out, many = given.size, given.seeds, given.levels, 8, 60
    if given.quick:
        size, seeds, levels, held_out, many = 64, 2, 60, 4, 40
    spec = sdlab.Experiment(
        prompt="a red car on the beach", guidance_scale=given.guidance_scale, curve="karras",
        width=size, height=size, record=UNRECORDED,
    )  # fmt: skip
    measured(model, spec, range(seeds), levels)
    counts = (5, 8) if given.quick else (5, 8, 12)
    ways = [spec.with_(solver=name, num_steps=steps) for steps in counts for name in SOLVERS]
    found = distances(model, spec, range(100, 100 + held_out), ways, many)
    for way, errors in zip(ways, found, strict=True):
        middle, low, high = geometric(errors)
        note = f"95 % {low:.3g} to {high:.3g}, {held_out} seeds"
        report.add(f"{way.num_steps} steps: {way.solver}", middle, unit="std", note=note)
    report.close()


if __name__ == "__main__":
    main()
