"""Whether comparisons tell the truth: on exact data, and against what was published of samplers.

    python benchmarks/compare_truth.py [--quick] [--json]
    python benchmarks/compare_truth.py --only slopes winners
    python benchmarks/compare_truth.py --only ranking --keep FILE [--part 1/2] [--minutes 8]

"slopes" and "winners" compare on data whose denoiser is exact, where the solver bench knows the
order and the winner by other means. "ranking" draws 200 held-out prompts of the embedded model's
world, each with a seed of its own, with four samplers at five budgets, and takes an hour and more;
--keep writes down every prompt, so that it can be cut off and go on, and two processes with --part
1/2 and --part 2/2 share the prompts; benchmarks/ranking.jsonl is kept so. "summary" times what
comes after the runs.
"""

import math
import statistics
import tempfile
from pathlib import Path

import torch
from compare_ranking import part, ranking
from report import Report, seconds

import sdlab
from sdlab import bench
from sdlab.bench.fit import HALF_WIDTH, line
from sdlab.comparing.columns import TABLES
from sdlab.comparing.exact import EXACT_MODEL, exact_runs
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.presets import of_number
from sdlab.comparing.result import open_result
from sdlab.comparing.summary import summarise

SOLVERS = ("euler", "ddim", "heun", "dpm_2", "dpmpp_2m", "deis", "unipc")
COUNTS = (16, 32, 64, 128, 256)
APART = 0.1  # so far apart the 95 % intervals of two fitted orders may lie; 0 where they overlap


def exact(names, data, **fields):
    """Return the result of samplers compared on data with an exact denoiser."""
    fields = {"seeds": range(32), "budget": 64, "reference_steps": 1000, **fields}
    spec = sdlab.Comparison([sdlab.Entrant(name) for name in names], ["data"], **fields)
    return summarise(spec, exact_runs(spec, data), EXACT_MODEL)


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
        said += f" {fitted['first']} to {fitted['last']} evaluations; bench {known.order:.2f}"
        said += f" ({known.low:.2f} to {known.high:.2f}) from the same,"
        said += f" from all: {bench.sentence(bench.fit(own))}"
        if max(fitted.high - fitted.low, known.high - known.low) > 2 * HALF_WIDTH:
            print(f"{name}: no straight line, not judged: {said}")
            continue
        apart = max(0.0, fitted.low - known.high, known.low - fitted.high)
        report.add(f"{name}: slope and the bench's", apart, goal=f"<= {APART}", note=said)


def winners(report):
    """Whom the verdict names first, against who ends nearest to the true ODE's end."""
    quick = report.arguments.quick
    data = bench.problem("mixture_image").denoiser
    for align in ("steps", "nfe"):
        for count in (16,) if quick else (8, 16, 32, 64):
            fields = {"seeds": range(4), "reference_steps": 200} if quick else {}
            result = exact(SOLVERS, data, budget=count, align=align, **fields)
            steps = result.entrants.set_index("entrant")["num_steps"].astype(int)
            table = bench.errors(
                SOLVERS,
                problem="mixture_image",
                steps=sorted(set(steps)),
                curve="karras",
                end="sigma_min",
                particles=32,
            )
            own = table[table["num_steps"] == table["solver"].map(steps)]
            truth = own.set_index("solver")["error"]
            named = result.verdict[0].partition(" comes nearest")[0].rpartition(", ")[2]
            report.add(
                f"{count} {'evaluations' if align == 'nfe' else 'steps'}: true winner named",
                float(named == truth.idxmin()),
                goal=">= 1",
                note=f"named {named}; true {', then '.join(truth.sort_values().index[:2])}",
            )
    # At sigma 0 the denoiser of single pictures returns one of them, whatever the sampler.
    result = exact(SOLVERS, bench.problem("pictures").denoiser, budget=32)
    tied = result.tables["ties"]["tied"]
    name = "share of pairs called tied where all samplers end in the same picture"
    report.add(name, float(tied.mean()), goal=">= 1", note=f"{len(tied)} pairs")


def summary(report):
    """What comes after the runs: tables, verdict, saving, opening."""
    quick = report.arguments.quick
    torch.set_num_threads(1)
    model = sdlab.load(device="cpu")
    spec = sdlab.Comparison(
        [sdlab.Entrant(name) for name in SOLVERS[:6]] if quick else of_number(24),
        ["a red car on a beach"],
        budget=5 if quick else 20,
        reference_steps=10 if quick else 100,
    )
    result = sdlab.compare(model, spec)
    about = ModelFacts.of(model)
    times = [seconds(lambda: summarise(spec, result.made, about)) for _ in range(5)]
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
            "--part": {"type": part, "default": (1, 1), "metavar": "I/N",
                       "help": "ranking makes every N-th prompt only, from the I-th on"},
            "--minutes": {"type": float, "default": math.inf, "help": "begin no prompt after"},
        },
    )  # fmt: skip
    report.head()
    if report.arguments.quick:
        torch.set_num_threads(1)  # so small, a second core only waits
    for name in report.arguments.only or GROUPS:
        GROUPS[name](report)
    report.close()


if __name__ == "__main__":
    main()
