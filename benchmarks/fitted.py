"""Fitted schedules against karras and Align Your Steps, on seeds that were held out."""

from report import Report

import sdlab

PROMPT = "a red car on the beach"


def main():
    """Measure and print."""
    report = Report(
        __doc__.splitlines()[0],
        {
            "--solvers": {"nargs": "+", "default": ["ddim", "dpmpp_2m"]},
            "--steps": {"nargs": "+", "type": int, "default": [5, 8]},
            "--seeds": {"type": int, "default": 4, "help": "pictures of the fit"},
            "--held-out": {"type": int, "default": 16, "help": "pictures that judge it"},
        },
    )
    report.head()
    given, model = report.arguments, sdlab.load(device=report.arguments.device)
    seeds, held_out, teacher = range(given.seeds), range(100, 100 + given.held_out), 60
    solvers, steps = given.solvers, given.steps
    if given.quick:
        seeds, held_out, teacher, solvers, steps = range(1), range(100, 102), 16, ["ddim"], [5]
    for solver in solvers:
        for count in steps:
            spec = sdlab.Experiment(prompt=PROMPT, solver=solver, num_steps=count)
            fitted = sdlab.fit_schedule(model, spec, seeds, held_out, teacher_steps=teacher)
            levels = ", ".join(f"{sigma:.3g}" for sigma in fitted.sigmas)
            print(f"{solver}, {count} steps: {levels}")
            for row in fitted.table.iloc[1:].itertuples():
                note = f"95 % {row.ratio_low:.2f} to {row.ratio_high:.2f}: {row.verdict}"
                name = f"{solver}, {count} steps: distance, fitted / {row.curve}"
                report.add(name, row.ratio, note=note)
    report.close()


if __name__ == "__main__":
    main()
