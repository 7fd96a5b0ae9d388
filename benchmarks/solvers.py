"""Measures the solvers on data whose truth is known, and how fast the bench itself is.

    python benchmarks/solvers.py            about a minute on 2 quiet cores
    python benchmarks/solvers.py --quick    fewer repeats and shorter fits
    python benchmarks/solvers.py --json     the last line is one JSON object

Orders are slopes of error against steps over the karras curve on a tilted 2-D Gaussian, without the
last jump to sigma 0; in the note the 95 % interval and the step counts fitted. The goal of an order
is its distance from theory. Stochastic solvers show their weak order, of the mean and covariance.
Parity is with k-diffusion's ends as stored with the tests. Notes of times give the process's CPU
time as well, which a busy machine changes less.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from report import Report, seconds

from sdlab import bench
from sdlab.bench.truth import truth
from sdlab.solvers.catalogue import schedulers, valid_names
from sdlab.solvers.course import course
from sdlab.solvers.registry import solvers

ROOT = Path(__file__).parents[1]
THEORY = {"euler": 1, "ddim": 1, "heun": 2, "dpm_2": 2, "dpmpp_2m": 2}
WEAK = {"ddpm": 1, "dpm_2_ancestral": 2, "dpmpp_2s_ancestral": 2, "dpmpp_2m_sde": 2}
WEAK_STEPS = (64, 128, 256, 512)


def agreement(report: Report) -> None:
    """Adds the largest difference to k-diffusion's ends, over all curves and step counts."""
    sys.path.insert(0, str(ROOT))
    from tests.solvers import parity

    ends = json.loads((ROOT / "tests" / "data" / "k_diffusion.json").read_text())
    worst, where = 0.0, ""
    for key, theirs in ends.items():
        name, curve, num_steps = key.split()
        sigmas = parity.sigmas_of(curve, int(num_steps))
        x, options = parity.start() * sigmas[0], parity.K_DIFFUSION[name][1]
        end, _ = solvers()[name].solve(x, sigmas, parity.noise(), parity.mixture().denoise, options)
        off = float((end.flatten() - torch.tensor(theirs).double()).abs().max())
        worst, where = max((worst, where), (off, key))
    note = f"{len(ends)} ends of {len(parity.K_DIFFUSION)} solvers; worst: {where}"
    report.add("difference to k-diffusion x 1e9", 1e9 * worst, goal="<= 1000", note=note)


def orders(report: Report, quick: bool) -> None:
    """Adds the orders of theory, those of the other deterministic solvers, and weak ones."""
    problems = ["gaussian"] if quick else ["gaussian", "mixture_2d"]
    for problem in problems:
        for name, order in THEORY.items():
            found = bench.order(name, problem=problem)
            row = f"{name} on {problem}: order - {order}, absolute"
            off = abs(found.order - order)
            report.add(row, off, goal="<= 0.15", note=bench.sentence(found))
    others = [n for n, s in solvers().items() if s.order and s.deterministic and n not in THEORY]
    for name in others:
        table = bench.errors(name, curve="karras", end="sigma_min", steps=bench.ORDER_STEPS)
        found = bench.fit(table)
        note = f"declared {solvers()[name].order}; {bench.sentence(found)}"
        if found.note:
            coarse, fine = table["error"].iloc[-2:]
            report.add(f"{name}: slope from 256 to 512 steps", np.log2(coarse / fine), note=note)
        else:
            report.add(f"{name}: order", found.order, note=note)
    for name, order in list(WEAK.items())[:: 3 if quick else 1]:
        found = bench.order(name, steps=WEAK_STEPS)
        off = abs(found.order - order)
        note = bench.sentence(found)
        report.add(f"{name}: weak order - {order}, absolute", off, goal="<= 0.15", note=note)


def erratic(report: Report) -> None:
    """Adds diffusers' DDIM with linspace spacing, whose steps miss its own timesteps."""
    table = bench.errors("DDIMScheduler", curve="linspace")
    slopes = -np.diff(np.log2(table["error"]))
    note = "errors " + ", ".join(f"{e:.3f}" for e in table["error"]) + " at 8 to 256 steps"
    report.add("DDIMScheduler, linspace: steepest slope", slopes.max(), note=note)
    report.add("DDIMScheduler, linspace: its worst (below 0: diverges)", slopes.min())


def floors(report: Report) -> None:
    """Adds the error that the last jump leaves, and what heun and dpmpp_2m reach above it."""
    for problem in ("gaussian", "mixture_2d"):
        table = bench.errors(["heun", "dpmpp_2m"], problem=problem, curve="karras", steps=(512,))
        floor = table["floor"].iloc[0]
        report.add(f"floor of the last jump, {problem}, x 1000", 1000 * floor)
        for row in table.itertuples():
            report.add(f"{row.solver} at 512 steps / floor, {problem}", row.error / floor)


def reference(report: Report) -> None:
    """Adds the reference's own error: its estimate on the 2-D mixture."""
    found = bench.problem("mixture_2d")
    real = truth(found, 14.6, found.particles, 1)
    real.at(0.0)
    report.add("reference's own error, mixture_2d, x 1e9", 1e9 * real.error, goal="<= 10")


def speed(report: Report, quick: bool) -> None:
    """Adds the times: 12 solvers x 6 step counts, and every scheduler's course at 50 steps."""
    schedulers()  # the catalogue is made once in a process; what follows is an answer
    chosen = bench.curves_for(bench.TWELVE, "karras")
    names = valid_names()

    def twelve() -> None:
        truth.cache_clear()
        bench.errors(bench.TWELVE, problem="mixture_2d", curve=chosen)

    def courses() -> None:
        schedulers()
        for name in names:
            course(name, 50).table()

    timed(report, "12 solvers x 6 step counts in 2-D", twelve, 10, 1 if quick else 5)
    timed(report, f"all {len(names)} schedulers at 50 steps", courses, 1, 1 if quick else 5)


def timed(report: Report, name: str, function: Callable[[], None], goal: int, repeats: int) -> None:
    """Adds the median wall time of a function."""
    begin = time.process_time()
    times = [seconds(function) for _ in range(repeats)]
    note = f"{(time.process_time() - begin) / repeats:.2f} s of CPU time"
    report.add(name, median(times), goal=f"<= {goal}", unit="s", note=note)


def main() -> None:
    """Prints the table."""
    report = Report(__doc__.split("\n")[0])
    torch.set_num_threads(1)  # the tensors are small
    report.head()
    quick = report.arguments.quick
    agreement(report)
    orders(report, quick)
    erratic(report)
    floors(report)
    reference(report)
    speed(report, quick)
    report.close()


if __name__ == "__main__":
    main()
