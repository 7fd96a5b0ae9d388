"""Whether comparisons tell the truth: on exact data, and against what was published of samplers.

    python benchmarks/compare_truth.py [--quick] [--json]
    python benchmarks/compare_truth.py --only slopes winners
    python benchmarks/compare_truth.py --only ranking --keep FILE --minutes 8    until it is whole

"slopes" and "winners" compare on data whose denoiser is exact, where the solver bench knows the
order and the winner by other means. "ranking" draws 200 held-out prompts of the embedded model's
world, each with a seed of its own, with four samplers at six budgets, and takes over an hour on 2
cores; --keep writes down every prompt, so that it can be cut off and go on. "summary" times what
comes after the runs.
"""

import json
import math
import statistics
import tempfile
import time
from pathlib import Path

import torch
from report import Report, seconds

import sdlab
from sdlab import bench
from sdlab.bench.fit import line
from sdlab.comparing.columns import TABLES
from sdlab.comparing.costs import geometric
from sdlab.comparing.exact import FACTS, exact_runs
from sdlab.comparing.facts import Facts
from sdlab.comparing.luck import paired
from sdlab.comparing.presets import of_number
from sdlab.comparing.quality import ALL
from sdlab.comparing.result import open_result
from sdlab.comparing.summary import summarise
from sdlab.embedded.evaluate import KINDS, held_out_captions, share

SOLVERS = ("euler", "ddim", "heun", "dpm_2", "dpmpp_2m", "deis", "unipc")
COUNTS = (16, 32, 64, 128, 256)
APART = 0.2  # two fitted orders may differ by so much

RANKED = ("ddim", "dpmpp_2m", "heun", "unipc")
EVALUATIONS = (5, 8, 12, 20, 35, 50)
REFERENCED = 50  # prompts whose distance to a reference is measured too
WHATS = (ALL, "object", "colour", "background", "relation")


def exact(names, data, **fields):
    """Return the result of samplers compared on data with an exact denoiser."""
    fields = {"seeds": range(32), "budget": 64, "reference_steps": 1000, **fields}
    spec = sdlab.Comparison([sdlab.Entrant(name) for name in names], ["data"], **fields)
    return summarise(spec, exact_runs(spec, data), FACTS)


def slopes(report):
    """The orders that a comparison fits, against those of the solver bench."""
    quick = report.arguments.quick
    counts = COUNTS[:3] if quick else COUNTS
    truth = bench.errors(
        SOLVERS,
        problem="mixture_image",
        steps=counts,
        curve="karras",
        end="sigma_min",
        particles=32,
    )
    data = bench.problem("mixture_image").denoiser
    seeds = range(4 if quick else 32)
    steps = 400 if quick else 1000
    result = exact(SOLVERS, data, seeds=seeds, more_budgets=counts, reference_steps=steps)
    found = result.slopes.set_index("entrant")
    for name in SOLVERS:
        own, fitted = truth[truth["solver"] == name], found.loc[name]
        if math.isnan(fitted.slope):
            print(f"{name}: no slope ({fitted.note}); bench: {bench.sentence(bench.fit(own))}")
            continue
        # heun's last step is one evaluation in a comparison, which jumps to 0, and two in the bench
        same = own[own["nfe"].between(fitted["first"], fitted["last"] + 1)]
        known = line(same["nfe"].to_numpy(float), same["error"].to_numpy(float))
        said = f"slope {fitted.slope:.2f} ({fitted.low:.2f} to {fitted.high:.2f}), from"
        said += f" {fitted['first']} to {fitted['last']} evaluations; bench {known.order:.2f} from"
        said += f" the same, from all: {bench.sentence(bench.fit(own))}"
        apart = abs(float(fitted.slope) - float(known.order))
        report.add(f"{name}: slope against the bench's", apart, goal=f"<= {APART}", note=said)


def winners(report):
    """Whom the verdict names first, against who ends nearest to the true ODE's end."""
    quick = report.arguments.quick
    for problem in ("mixture_image",) if quick else ("mixture_image", "pictures"):
        data = bench.problem(problem).denoiser
        for count in (16,) if quick else (8, 16, 32, 64):
            truth = bench.errors(
                SOLVERS,
                problem=problem,
                steps=(count,),
                curve="karras",
                end="sigma_min",
                particles=32,
            ).set_index("solver")["error"]
            fields = {"seeds": range(4), "reference_steps": 200} if quick else {}
            verdict = exact(SOLVERS, data, budget=count, **fields).verdict[0]
            named = verdict.partition(" comes nearest")[0].rpartition(", ")[2]
            report.add(
                f"{problem}, {count} steps: the verdict names the true winner",
                float(named == truth.idxmin()),
                goal=">= 1",
                note=f"named {named}; true {', then '.join(truth.sort_values().index[:2])}",
            )


class Kept:
    """What is known of each prompt already, in a file of JSON lines, or only in memory."""

    def __init__(self, path, model_hash, evaluations):
        self.path, self.about = path, {"model": model_hash, "evaluations": list(evaluations)}
        self.known = {}
        if path is not None and path.exists():
            rows = map(json.loads, path.read_text().splitlines())
            self.known = {row["number"]: row for row in rows if self.about.items() <= row.items()}

    def add(self, row):
        """Keep one prompt's figures."""
        row |= self.about
        self.known[row["number"]] = row
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def prompts(count):
    """Return the first held-out captions, a third of each kind."""
    each = [held_out_captions(kind, -(-count // len(KINDS))) for kind in KINDS]
    return [caption for triple in zip(*each, strict=True) for caption in triple][:count]


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
    result = summarise(spec, {run.id: run for run in runs}, Facts.of(model))
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
    for number, prompt in enumerate(asked):
        if number in kept.known:
            continue
        if time.monotonic() > deadline:
            break
        referenced = number < (0 if quick else REFERENCED)
        kept.add(one_prompt(model, number, prompt, evaluations, referenced))
    rows = [kept.known[number] for number in range(len(asked)) if number in kept.known]
    print(f"{len(rows)} of {len(asked)} prompts, model {model.hash}")
    told = {}
    for name in RANKED:
        for budget in evaluations:
            told[name, budget] = tell(report, rows, name, budget)
    for budget in evaluations:
        rank(rows, told, budget)


def tell(report, rows, name, budget):
    """Add the rows of one sampler at one budget; return share, interval and log distances."""
    nfe = next(n for row in rows for e, b, n in row["runs"] if (e, b) == (name, budget))
    figures = {}
    for what in WHATS:
        own = [q for row in rows for q in row["quality"] if q[:3] == [name, budget, what]]
        hits, of = round(sum(q[3] for q in own)), sum(q[4] for q in own)
        if of:
            figures[what] = share([True] * hits + [False] * (of - hits))
    everything = figures[ALL]
    parts = ", ".join(f"{what} {figures[what].value:.3f}" for what in WHATS[1:] if what in figures)
    report.add(
        f"{name}, {nfe} evaluations: statements fulfilled",
        everything.value,
        note=f"95 % {everything.low:.3f} to {everything.high:.3f} of {everything.samples}; {parts}",
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


def summary(report):
    """What comes after the runs: tables, verdict, saving, opening."""
    quick = report.arguments.quick
    torch.set_num_threads(1)
    model = sdlab.load(device="cpu")
    spec = sdlab.Comparison(
        of_number(6 if quick else 24),
        ["a red car on a beach"],
        budget=5 if quick else 20,
        reference_steps=10 if quick else 100,
    )
    result = sdlab.compare(model, spec)
    facts = Facts.of(model)
    times = [seconds(lambda: summarise(spec, result.made, facts)) for _ in range(5)]
    name = f"{len(spec.entrants)} runs of {spec.budget} steps: tables and verdict, one core"
    report.add(name, statistics.median(times), unit="s", goal="<= 1.0")
    with tempfile.TemporaryDirectory() as place:
        result.save(place)
        opening = [seconds(lambda: open_result(place, result.id)) for _ in range(5)]
    name = f"the same: opening the stored result, {len(TABLES)} tables"
    report.add(name, statistics.median(opening), unit="s", goal="<= 0.3")


GROUPS = {"slopes": slopes, "winners": winners, "ranking": ranking, "summary": summary}


def main():
    """Measure and print."""
    report = Report(
        __doc__.splitlines()[0],
        {
            "--only": {"nargs": "+", "choices": tuple(GROUPS), "metavar": "GROUP",
                       "help": f"of {', '.join(GROUPS)}"},
            "--keep": {"type": Path, "metavar": "FILE", "help": "where ranking is to go on from"},
            "--minutes": {"type": float, "default": math.inf, "help": "begin no prompt after"},
        },
    )  # fmt: skip
    report.head()
    for name in report.arguments.only or GROUPS:
        GROUPS[name](report)
    report.close()


if __name__ == "__main__":
    main()
