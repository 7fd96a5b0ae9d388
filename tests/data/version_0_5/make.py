"""Makes the store beside it; version 0.5.0 alone can run it, see README.md."""

import json
import os
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNS = HERE / "runs"
shutil.rmtree(RUNS, ignore_errors=True)
os.environ["SDLAB_RUNS"] = str(RUNS)

import sdlab  # noqa: E402
from sdlab.noise.exchange import NamedCurve  # noqa: E402
from sdlab.runs.curves import save_curve  # noqa: E402
from sdlab.runs.grids import save_grid  # noqa: E402
from sdlab.runs.marks import mark  # noqa: E402
from sdlab.runs.trash import delete_run  # noqa: E402

SMALL = {"width": 64, "height": 64, "num_steps": 2}
model = sdlab.load(device="cpu")
first = sdlab.Experiment(prompt="a red bird", seed=1, record={"every": 2}, **SMALL)
gone = first.with_(seed=2)
for experiment in (first, gone):
    sdlab.run(model, experiment).save(RUNS)
mark(RUNS, [first.id], star=True, add=["good"], note="of 0.5")
delete_run(RUNS, gone.id)
grid = sdlab.Grid(first, {"seed": "1, 3"})
save_grid(grid, RUNS)
sweep = sdlab.Sweep(first, {"solver": "ddim, euler"})
swept = sdlab.sweep(model, sweep, root=RUNS)
swept.save()
comparison = sdlab.Comparison(
    entrants=["euler", "ddim"], prompts=["a red bird"], seeds=[1], budget=2, reference_steps=4,
    width=64, height=64,
)  # fmt: skip
sdlab.compare(model, comparison, save=RUNS)
save_curve("slow start", NamedCurve("karras", {"rho": 3.0}, 12), model.schedule, RUNS)
ids = {
    "run": first.id, "deleted": gone.id, "grid": grid.id, "sweep": sweep.id,
    "comparison": comparison.id,
}  # fmt: skip
(HERE / "ids.json").write_text(json.dumps(ids, indent=1) + "\n")
shutil.rmtree(RUNS / ".cache", ignore_errors=True)
for lock in RUNS.rglob("lock"):
    lock.unlink()
