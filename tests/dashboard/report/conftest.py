"""A store with runs, a comparison, a sweep and a grid of a network of random weights."""

import pytest

import sdlab
from sdlab.runs.grids import save_grid

HOSTILE = "a red car </script><script>alert(1)</script><img src=https://example.org/x> <!--"


@pytest.fixture(scope="session")
def store(small, tmp_path_factory):
    """Return the folder of all runs and what is in it by name."""
    root = tmp_path_factory.mktemp("reports") / "runs"
    record = sdlab.Record(attention=sdlab.AttentionRecord())
    first = sdlab.Experiment(prompt=HOSTILE, solver="heun", num_steps=3, record=record)
    run = sdlab.run(small, first).save(root).name
    found = sdlab.compare(
        small, entrants=["heun", "ddim"], prompts=["<b>a</b>"], seeds=(0, 1, 2), budget=2,
        reference_steps=4,
    )  # fmt: skip
    found.save(root)
    for made in found.made.values():
        made.save(root)
    base = sdlab.Experiment(prompt="a car", num_steps=1, model="small")
    axes = {"solver": "ddim, heun", "seed": "0, 1"}
    sweep = sdlab.sweep(small, sdlab.Sweep(base, axes), root=root, measures=["brightness"])
    grid = sdlab.Grid(base, {"solver": "ddim, heun"})
    save_grid(grid, root)
    return root, {"run": run, "comparison": found.id, "sweep": sweep.id, "grid": grid.id}
