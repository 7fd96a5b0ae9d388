"""A published ranking on our model: the part "ranking" of compare_truth.py.

Quality and distance against evaluations, for DDIM, DPM++ 2M, Heun and UniPC. What the papers say of
them is put into sentences below, and each is held against paired differences over the prompts.
"""

import json
import math
import statistics
import time
from itertools import combinations, zip_longest

import numpy as np
import torch

import sdlab
from sdlab.comparing.costs import geometric
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.quality import ALL
from sdlab.comparing.significance import PICTURES, paired
from sdlab.comparing.summary import summarise
from sdlab.intervals import half_width
from sdlab.training.evaluate import KINDS, held_out_captions, share

RANKED = ("ddim", "dpmpp_2m", "heun", "unipc")
EVALUATIONS = (5, 8, 12, 20, 50)
REFERENCED = 50  # prompts whose distance to a reference is measured too
WHATS = (ALL, "object", "colour", "background", "relation")

# (ahead, behind, evaluations): DPM-Solver++ (2211.01095) shows the first, UniPC (2302.04867) the
# next two, most of all where evaluations are few; Heun pays twice a step and is behind there
# (Karras et al. 2022 take 18 and more). The papers step over other curves; here all follow karras.
AHEAD = (
    *(("dpmpp_2m", "ddim", n) for n in (12, 20)),
    *(("unipc", "ddim", n) for n in (5, 8, 12, 20)),
    *(("unipc", "dpmpp_2m", n) for n in (5, 8, 12)),
    *((other, "heun", n) for other in ("ddim", "dpmpp_2m", "unipc") for n in (5, 8)),
)
ALIKE = tuple((a, b, 50) for a, b in combinations(RANKED, 2))


def part(text):
    """Return (which, of how many) of a text such as "1/2"."""
    which, _, of = text.partition("/")
    found = int(which), int(of)
    if not 1 <= found[0] <= found[1]:
        raise ValueError(f"--part must be such as 1/2 or 2/2, got {text!r}.")
    return found


class Kept:
    """What is known of each prompt already, in a file of JSON lines, or only in memory."""

    def __init__(self, path, model_hash, evaluations):
        self.path, self.about = path, {"model": model_hash, "evaluations": list(evaluations)}
        self.known = {}
        self.read()

    def read(self):
        """Take what is in the file, also what another process has added."""
        lines = self.path.read_text().splitlines() if self.path and self.path.exists() else []
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # cut off in the middle
                continue
            if self.about.items() <= row.items():
                self.known[row["number"]] = row

    def add(self, row):
        """Keep one prompt's figures."""
        row |= self.about
        self.known[row["number"]] = row
        if self.path is not None:
            with self.path.open("ab", buffering=0) as file:  # one write, whole beside another's
                file.write(b"\n" + json.dumps(row).encode() + b"\n")


def prompts(count):
    """Return the first held-out captions, mixed: a quarter of one thing, of which there are few."""
    few, more = -(-count // 4), -(-count * 3 // 8)
    each = [held_out_captions(kind, few if kind == "single" else more) for kind in KINDS]
    mixed = [caption for some in zip_longest(*each) for caption in some if caption]
    return mixed[:count]


def one_prompt(model, number, prompt, evaluations, referenced):
    """Return the figures of one prompt: hits and statements, and distances, of every run."""
    spec = sdlab.Comparison(
        [sdlab.Entrant(name) for name in RANKED],
        [prompt],
        seeds=[number],
        budget=evaluations[-1],
        more_budgets=evaluations,
        align="nfe",
    )
    wanted = [cell.experiment for cell in spec.cells(model.scheduler_config)]
    if referenced:
        wanted += [experiment for reference in spec.references() for experiment in reference[2:]]
    runs = sdlab.run_many(model, wanted)
    result = summarise(spec, {run.id: run for run in runs}, ModelFacts.of(model))
    quality = result.quality.assign(hits=(result.quality["share"] * result.quality["statements"]))
    hits = quality.astype({"hits": float}).round({"hits": 0})
    return {
        "number": number,
        "prompt": prompt,
        "quality": hits[["entrant", "budget", "what", "hits", "statements"]].values.tolist(),
        "runs": result.runs[["entrant", "budget", "nfe"]].values.tolist(),
        "distance": result.runs["distance"].tolist() if referenced else [],
        "reference": result.references["error"].tolist(),
    }


def ranking(report):
    """Quality and distance against evaluations, as the papers of these samplers show them."""
    quick, minutes = report.arguments.quick, report.arguments.minutes
    deadline = time.monotonic() + 60 * minutes
    evaluations = (5, 8) if quick else EVALUATIONS
    asked = prompts(2 if quick else 200)
    model = sdlab.load(device=report.arguments.device)
    kept = Kept(report.arguments.keep, model.hash, evaluations)
    which, of = report.arguments.part
    for number, prompt in enumerate(asked):
        if number in kept.known or number % of != which - 1:
            continue
        if time.monotonic() > deadline:
            break
        referenced = number < (0 if quick else REFERENCED)
        kept.add(one_prompt(model, number, prompt, evaluations, referenced))
    kept.read()
    rows = [kept.known[number] for number in range(len(asked)) if number in kept.known]
    print(f"{len(rows)} of {len(asked)} prompts, model {model.hash}")
    if not rows:
        return
    told = {}
    for name in RANKED:
        for budget in evaluations:
            told[name, budget] = tell(report, rows, name, budget)
    for budget in evaluations:
        rank(rows, told, budget)
    hold_against_papers(rows, evaluations)


def tell(report, rows, name, budget):
    """Add the rows of one sampler at one budget; return share, interval and log distances."""
    nfe = next(n for row in rows for e, b, n in row["runs"] if (e, b) == (name, budget))
    figures = {}
    for what in WHATS:
        own = [q for row in rows for q in row["quality"] if q[:3] == [name, budget, what]]
        hits, of = round(sum(q[3] for q in own)), sum(q[4] for q in own)
        if of:  # the statements of one picture hang together, so pictures make the interval
            figures[what] = share([True] * hits + [False] * (of - hits), len(own))
    everything = figures[ALL]
    parts = ", ".join(f"{what} {figures[what].value:.3f}" for what in WHATS[1:] if what in figures)
    report.add(
        f"{name}, {nfe} evaluations: statements fulfilled",
        everything.value,
        note=f"95 % {everything.low:.3f} to {everything.high:.3f}; {parts}",
    )
    distances = distances_of(rows, name, budget)
    if distances:
        error, low, high = geometric(distances)
        note = f"95 % {low:.3g} to {high:.3g}, {len(distances)} prompts"
        report.add(f"{name}, {nfe} evaluations: distance", error, unit="std", note=note)
    return everything, distances


def distances_of(rows, name, budget):
    """Return the distances to the reference of one sampler at one budget, prompt by prompt."""
    return [
        distance
        for row in rows
        for (entrant, b, _), distance in zip(row["runs"], row["distance"], strict=False)
        if (entrant, b) == (name, budget)
    ]


def rank(rows, told, budget):
    """Print the order of the samplers at a budget, by fidelity and by distance."""
    by_share = sorted(RANKED, key=lambda name: -told[name, budget][0].value)
    print(f"{budget} evaluations, by fidelity: {' > '.join(by_share)}")
    if not told[RANKED[0], budget][1]:
        return
    means = {name: statistics.fmean(map(math.log, told[name, budget][1])) for name in RANKED}
    nearest = sorted(RANKED, key=means.__getitem__)
    said = [nearest[0]]
    for a, b in zip(nearest, nearest[1:], strict=False):
        logs = torch.tensor(told[b, budget][1]).log() - torch.tensor(told[a, budget][1]).log()
        p = paired(logs.double().numpy())
        said.append(f"{'<' if p < 0.05 else '~'} {b} ({math.exp(means[b] - means[a]):.2f}x)")
    floor = [error for row in rows for error in row["reference"]]
    note = f" (reference's own error {geometric(floor)[0]:.2g})" if floor else ""
    print(f"{budget} evaluations, by distance, ~ where p >= 0.05: {' '.join(said)}{note}")


def hold_against_papers(rows, evaluations):
    """Print what the papers say, and whether the paired differences agree."""
    print("what the papers say, and the paired differences over the prompts with 95 % intervals:")
    for a, b, budget in (claim for claim in AHEAD if claim[2] in evaluations):
        found = paired_of(rows, a, b, budget)
        told = [f"{said}: {_ahead(*interval)}" for said, interval in found]
        print(f"{a} ahead of {b} at {budget}: {'; '.join(told)}")
    for a, b, budget in (claim for claim in ALIKE if claim[2] in evaluations):
        said, interval = paired_of(rows, a, b, budget)[0]  # they say so of pictures' quality
        print(f"{a} and {b} alike at {budget}: {said}: {_alike(*interval)}")


def paired_of(rows, a, b, budget):
    """Return (words, interval of how far a is ahead of b) by fidelity, and by distance if known."""
    gains = np.array([fulfilled(row, a, budget) - fulfilled(row, b, budget) for row in rows])
    middle, half = gains.mean(), half_width(gains)
    interval = (middle - half, middle + half)
    said = f"fidelity {middle:+.3f} ({interval[0]:+.3f} to {interval[1]:+.3f}, {len(gains)})"
    found = [(said, interval if len(gains) >= PICTURES else (math.nan, math.nan))]
    near, far = (np.log(distances_of(rows, name, budget)) for name in (a, b))
    if len(near):
        middle, half = (far - near).mean(), half_width(far - near)
        interval = (middle - half, middle + half)
        ends = sorted(math.exp(-end) for end in interval)
        said = f"distance {math.exp(-middle):.2f}x ({ends[0]:.2f} to {ends[1]:.2f}, {len(near)})"
        found.append((said, interval))
    return found


def fulfilled(row, name, budget):
    """Return the share of one prompt's statements that a sampler's picture fulfils."""
    return next(q[3] / q[4] for q in row["quality"] if q[:3] == [name, budget, ALL])


def _ahead(low, high):
    if math.isnan(low):
        return "too few prompts"
    return "agrees" if low > 0 else "DISAGREES" if high < 0 else "not told apart"


def _alike(low, high):
    if math.isnan(low):
        return "too few prompts"
    return "agrees, not told apart" if low <= 0 <= high else "DISAGREES"
