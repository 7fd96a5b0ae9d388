"""Why a published ranking of samplers differs here: guidance, and the papers' own curves.

Guidance: UniPC was behind DDIM at 5 and 8 evaluations with guidance 4 (compare_truth.py, ranking).
Its first author later found that the corrector's extra step is misaligned, the more the stronger
the guidance (DC-Solver, Zhao et al. 2024, arXiv 2409.03755). So: the same at guidance 1, 2, 4
and 7.5, also against DPM-Solver++ 2M, which is UniPC's predictor of order 2 without the corrector.

Curves: each sampler on the curve on which its order was published (diff-sampler, Zhou et al.: rho 7
for Euler and iPNDM, even in log-SNR for DPM-Solver++ and UniPC, even in time for DEIS; CIFAR-10
without guidance), and Kendall's tau of our order with theirs; all on karras beside it. There the
last evaluation is one above sigma_min, here it is at sigma_min.
"""

import math
import time

import numpy as np
from compare_ranking import prompts
from report import Report
from scipy import stats

import sdlab
from sdlab.comparing.costs import geometric
from sdlab.experiment.record import Record
from sdlab.intervals import half_width
from sdlab.solvers.registry import solvers

GUIDED = ("ddim", "dpmpp_2m", "unipc")
PAIRS = (("unipc", "ddim"), ("unipc", "dpmpp_2m"))
SCALES = (1.0, 2.0, 4.0, 7.5)
AT = (5, 8, 10)
REFERENCE, QUICK = 50, 16  # steps of Heun: 99 evaluations, 31
UNRECORDED = Record(tensors=(), statistics=False)
THREE = {"solver": "dpmpp_3m_sde", "eta": 0.0}
# FID on CIFAR-10 at 5 and 10 evaluations, the curve of its paper, and what it is called here
PUBLISHED = {
    "ipndm": ((13.6, 2.8), "karras", {"solver": "ipndm"}),
    "deis": ((14.4, 4.1), "linspace", {"solver": "deis"}),
    "unipc": ((24.0, 2.9), "exponential", {"solver": "unipc"}),
    "dpmpp_3m": ((25.0, 3.0), "exponential", THREE),
    "euler": ((49.7, 15.7), "karras", {"solver": "euler"}),
}


def distances(model, base, entrants, many):
    """Return how far each entrant's end is from Heun's with many steps, over its spread."""
    reference = base.with_(solver="heun", curve="karras", num_steps=many)
    wanted = [reference, *(base.with_(**changes) for changes in entrants)]
    ends = [run.latents.double() for run in sdlab.run_many(model, wanted)]
    unit = ends[0].std(correction=0)
    return [float((end - ends[0]).square().mean().sqrt() / unit) for end in ends[1:]]


def interval(logs):
    """Return a ratio with its 95 % interval, of logs."""
    middle, half = float(np.mean(logs)), half_width(logs)
    return tuple(math.exp(end) for end in (middle, middle - half, middle + half))


def measured(report, model, asked, scale, entrants):
    """Return distances [prompts, entrants] of as many prompts as there is time for."""
    rows, until = [], time.monotonic() + 60 * report.arguments.minutes
    many = QUICK if report.arguments.quick else REFERENCE
    for seed, prompt in enumerate(asked):
        if len(rows) > 1 and time.monotonic() > until:
            break
        base = sdlab.Experiment(prompt=prompt, seed=seed, guidance_scale=scale, record=UNRECORDED)
        rows.append(distances(model, base, entrants, many))
    return np.array(rows)


def guidance(report, model, asked):
    """UniPC against DDIM, its own predictor and DPM++ 2M at every guidance."""
    quick = report.arguments.quick
    at = AT[:1] if quick else AT
    cells = [(name, n) for name in GUIDED for n in at]
    entrants = [{"solver": name, "num_steps": n, "curve": "karras"} for name, n in cells]
    for scale in (SCALES[0], SCALES[-1]) if quick else SCALES:
        found = measured(report, model, asked, scale, entrants)
        for (name, n), column in zip(cells, found.T, strict=True):
            error, low, high = geometric(column.tolist())
            note = f"95 % {low:.3g} to {high:.3g}, {len(column)} prompts"
            report.add(f"guidance {scale:g}, {n} evaluations: {name}", error, unit="std", note=note)
        for n in at:
            for a, b in PAIRS:
                logs = np.log(found[:, cells.index((a, n))] / found[:, cells.index((b, n))])
                ratio, low, high = interval(logs)
                name = f"guidance {scale:g}, {n} evaluations: {a} / {b}"
                report.add(name, ratio, note=f"95 % {low:.2f} to {high:.2f}")


def curves(report, model, asked):
    """Kendall's tau with the published order, on the papers' own curves and all on karras."""
    known = {name: about for name, about in PUBLISHED.items() if about[2]["solver"] in solvers()}
    for name in PUBLISHED.keys() - known.keys():
        print(f"{name} is left out: there is no such solver here")
    for which in ("own", "karras"):
        entrants = [
            {**options, "num_steps": n, "curve": own if which == "own" else "karras"}
            for _, own, options in known.values()
            for n in (5, 10)
        ]
        found = measured(report, model, asked, 1.0, entrants).reshape(-1, len(known), 2)
        for place, n in enumerate((5, 10)):
            published = [about[0][place] for about in known.values()]
            logs = np.log(found[:, :, place])
            for name, column in zip(known, logs.T, strict=True):
                error, low, high = interval(column)
                note = f"95 % {low:.3g} to {high:.3g}; FID {known[name][0][place]}"
                report.add(f"{which} curve, {n} evaluations: {name}", error, unit="std", note=note)
            tau, p = stats.kendalltau(logs.mean(0), published)
            low, high = resampled(logs, published)
            name = f"{which} curve, {n} evaluations: Kendall's tau"
            report.add(name, float(tau), note=f"p {p:.2g}; over prompts {low:.2f} to {high:.2f}")


def resampled(logs, published, times=1000):
    """Return the 95 % interval of Kendall's tau over the prompts, by the bootstrap."""
    drawn = np.random.default_rng(0).integers(0, len(logs), (times, len(logs)))
    taus = [stats.kendalltau(logs[rows].mean(0), published)[0] for rows in drawn]
    return np.quantile(taus, (0.025, 0.975))


PARTS = {"guidance": guidance, "curves": curves}


def main():
    """Measure and print."""
    report = Report(
        __doc__.splitlines()[0],
        {
            "--only": {"nargs": "+", "choices": tuple(PARTS), "metavar": "PART"},
            "--prompts": {"type": int, "default": 24, "help": "held-out prompts, a seed each"},
            "--minutes": {"type": float, "default": math.inf, "help": "for each guidance"},
        },
    )
    report.head()
    model = sdlab.load(device=report.arguments.device)
    asked = prompts(2 if report.arguments.quick else report.arguments.prompts)
    for name in report.arguments.only or PARTS:
        PARTS[name](report, model, asked)
    report.close()


if __name__ == "__main__":
    main()
