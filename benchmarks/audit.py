"""The audit of every known sampler: which it equals, its orders, and how long that takes.

    python benchmarks/audit.py [--quick] [--json] [--out docs/audit.csv] [--k-diffusion FOLDER]

Every solver of sdlab's and every scheduler of diffusers that can sample is audited by
``sdlab.audit``, in two processes. --quick takes those of sdlab alone. --out writes the table.
--k-diffusion names a folder with an unpacked wheel of k-diffusion, whose functions are audited too:
pip download --no-deps k-diffusion==0.1.1.post1 && unzip k_diffusion*.whl
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402
import torch  # noqa: E402
from report import Report  # noqa: E402

from sdlab.auditing.audit import audit  # noqa: E402
from sdlab.auditing.draws import NoDraws  # noqa: E402
from sdlab.auditing.fingerprint import Known, knowns  # noqa: E402
from sdlab.auditing.functions import has_shape  # noqa: E402
from sdlab.auditing.known import row_of  # noqa: E402
from sdlab.solvers import from_diffusers as adapter  # noqa: E402
from sdlab.solvers.flow_course import flow_classes  # noqa: E402
from sdlab.solvers.registry import solvers  # noqa: E402

SECONDS = 60.0


def names(quick: bool) -> list[str]:
    """Return the known samplers; without diffusers' for a quick look."""
    own = sorted(solvers())
    return own if quick else [*own, *sorted({*adapter.compatible_classes(), *flow_classes()})]


def one(name: str) -> dict:
    """Return a sampler's row, or the error."""
    torch.set_num_threads(1)
    begin = time.process_time()
    found = audit(name)
    return row_of(found) | {"cpu": time.process_time() - begin}


def audited(work: Callable[[str], dict], chosen: list[str]) -> tuple[list[dict], float]:
    """Return a row for each sampler, and the wall time of all."""
    begin = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        rows = pool.map(work, chosen, chunksize=1)
    return rows, time.perf_counter() - begin


def k_diffusions(folder: str) -> dict[str, Callable]:
    """Return k-diffusion's functions by name."""
    from tests.solvers.make_k_diffusion import load

    found = vars(load(folder))
    return {n: f for n, f in found.items() if n.startswith("sample_") and has_shape(f)}


def one_of_k_diffusion(name: str, folder: str) -> dict:
    """Return the row of a function of k-diffusion's."""
    torch.set_num_threads(1)
    return row_of(audit(k_diffusions(folder)[name])) | {"source": "k-diffusion 0.1.1.post1"}


def engine_rows() -> list[dict]:
    """Return what is known of ComfyUI's samplers without their noise: who has their ends."""
    ends = json.loads((ROOT / "tests" / "data" / "comfyui_ends.json").read_text())["rows"]
    rows = []
    for name in dict.fromkeys(row["sampler"] for row in ends):
        of_name = [row for row in ends if row["sampler"] == name]
        equal = [k.name for k in knowns() if k.subject.over and all(ends_at(k, r) for r in of_name)]
        first = of_name[0]
        made = {"sampler": f"ComfyUI's {name}", "source": "ComfyUI a125cd84 of 2025-10-11"}
        made |= {"kind": "ends", "evaluations_per_step": first["nfe"] / (len(first["sigmas"]) - 1)}
        same = "; ".join(
            f"{text} with the noise off" * bool(first["deterministic_setting"]) or text
            for text in equal
        )
        rows.append(made | {"equals": same})
    return rows


def ends_at(known: Known, row: dict) -> bool:
    """Return whether a known sampler, its noise off, ends where a row says."""
    mean = torch.tensor([0.3, -0.2, 0.7], dtype=torch.float64).view(1, 3, 1, 1)
    std = torch.tensor([0.5, 1.5, 0.2], dtype=torch.float64).view(1, 3, 1, 1)
    start, theirs = (
        torch.tensor(row[n], dtype=torch.float64).view(1, 3, 1, 1) for n in ("start", "end")
    )
    entrant = known.subject.over(tuple(row["sigmas"]), "vp", True)
    end, _ = entrant.run(
        start, lambda x, s: mean + std**2 / (std**2 + s**2) * (x - mean), NoDraws(), None
    )
    return float((end - theirs).abs().max()) < 1e-8


def main() -> None:
    """Prints the table."""
    flags = {"--out": {"help": "write the table as CSV"}, "--k-diffusion": {"help": "its folder"}}
    report = Report(__doc__.split("\n")[0], flags)
    torch.set_num_threads(1)
    report.head()
    chosen = names(report.arguments.quick)
    rows, wall = audited(one, chosen)
    same = sum(row["sampler"] in row["equals"].split("; ") for row in rows)
    note = f"{len(rows)} samplers in two processes, imports included"
    report.add("all known samplers audited", wall, goal=f"<= {SECONDS:g}", unit="s", note=note)
    cpu = sum(row["cpu"] for row in rows)
    report.add("CPU time a sampler", cpu / len(rows), unit="s")
    note = f"{same} of {len(rows)}"
    report.add("equal to itself, share", same / len(rows), goal=">= 1", note=note)
    by_name = {row["sampler"]: row for row in rows}
    for name, order in {"euler": 1, "heun": 2, "heunpp2": 1, "ipndm": 2, "dpmpp_2m": 2}.items():
        found = by_name[name]
        each = f"{found['evaluations_per_step']:g} evaluations a step"
        off = abs(found["order"] - order)
        report.add(f"{name}: order - {order}, absolute", off, goal="<= 0.15", note=each)
    kinds = {row["equals"] for row in rows if row["equals"]}
    report.add("different sets of equals", len(kinds), note=f"of {len(rows)} names")
    if report.arguments.out:
        folder, more = report.arguments.k_diffusion, []
        if folder:
            more, _ = audited(
                partial(one_of_k_diffusion, folder=folder), list(k_diffusions(folder))
            )
        table = pd.DataFrame([*rows, *more, *engine_rows()]).drop(columns="cpu")
        table.to_csv(report.arguments.out, index=False, float_format="%.4g")
    report.close()


if __name__ == "__main__":
    main()
