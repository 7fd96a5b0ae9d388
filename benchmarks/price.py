"""The price of speed-ups on the embedded model, in steps of the plain sampler.

`pip install "sdlab[speed]"` first for token merging and int8. On a machine that does other things
too the seconds mean little; what the pictures cost does not depend on it.
"""

from report import Report

import sdlab

PROMPT = "a red car on the beach"


def main():
    """Measure and print."""
    report = Report(
        __doc__.splitlines()[0],
        {
            "--solver": {"default": "dpmpp_2m"},
            "--steps": {"type": int, "default": 20},
            "--pictures": {"type": int, "default": 8, "help": "a seed each"},
            "--speedups": {"nargs": "+", "metavar": "NAME", "help": "else all but compile"},
        },
    )
    report.head()
    given = report.arguments
    steps, pictures = (4, 2) if given.quick else (given.steps, given.pictures)
    model = sdlab.load(device=given.device)
    spec = sdlab.Experiment(prompt=PROMPT, solver=given.solver, curve="karras", num_steps=steps)
    alone = sdlab.run(model, spec).latents
    priced = sdlab.price(model, spec, given.speedups, range(pictures))
    same = bool((sdlab.run(model, spec).latents == alone).all())
    report.add("the model as it was, bit for bit", float(same), goal=">= 1")
    report.add(f"{given.solver}, {steps} steps: own error", priced.own_error, unit="std")
    for row in priced.table.to_dict("records"):
        name = row["speedup"]
        for what, unit in (("share", "own error"), ("good_as", "steps"), ("quick_as", "steps")):
            note = f"95 % {row[f'{what}_low']:.3g} to {row[f'{what}_high']:.3g}"
            report.add(f"{name}: {what.replace('_', ' ')}", row[what], unit=unit, note=note)
        print(f"{name}: {row['verdict']}")
    for row in priced.left_out.itertuples():
        print(f"{row.speedup} was left out: {row.reason}")
    report.close()


if __name__ == "__main__":
    main()
