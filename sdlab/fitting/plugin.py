"""Writes DPM-Solver-v3 with a model's statistics as a solver plug-in: Python and its numbers.

Like any plug-in it is checked before use, is in every menu, and goes where its folder goes.
"""

from pathlib import Path

from sdlab.runs.atomic import write_file
from sdlab.solvers.model_statistics import ModelStatistics
from sdlab.solvers.registry import is_own, solvers

SOURCE = '''"""DPM-Solver-v3 (arXiv 2310.13268) with statistics that `sdlab statistics` measured.

They are in the file beside this one, which says on which model, prompt and guidance. On others it
is a solver of the same order, but need not be better than dpmpp_2m.
"""

from pathlib import Path

import sdlab
from sdlab.solvers.dpm_solver_v3 import dpm_solver_v3
from sdlab.solvers.model_statistics import ModelStatistics

STATISTICS = ModelStatistics.read(Path(__file__).with_suffix(".json"))


@sdlab.solver("{name}", order=2)
def solve(
    x,
    sigmas,
    noise,
    *,
    order: int = 2,
    corrector: bool = True,
    predictor_pseudo: bool = False,
    corrector_pseudo: bool = True,
    lower_order_final: bool = True,
):
    """Correct each point by the prediction made there, then predict the next."""
    return (
        yield from dpm_solver_v3(
            x,
            sigmas,
            noise,
            statistics=STATISTICS,
            order=order,
            corrector=corrector,
            predictor_pseudo=predictor_pseudo,
            corrector_pseudo=corrector_pseudo,
            lower_order_final=lower_order_final,
        )
    )
'''


def check_name(name: str) -> None:
    """Raise ``ValueError`` if a plug-in solver cannot have a name."""
    if not name.isidentifier():
        raise ValueError(f"name must be an identifier such as 'dpm_solver_v3', got {name!r}.")
    if name in solvers() and is_own(name):
        raise ValueError(f"name {name!r} is one of the laboratory's own; choose another.")


def write_plugin(folder: Path, name: str, statistics: ModelStatistics) -> list[Path]:
    """Write the solver made of statistics into a folder of plug-ins; return its two files.

    Args:
        folder: Made, if there is none.
        name: Of the solver and its files.
        statistics: What it knows of the model.

    Raises:
        ValueError: If a solver cannot have that name.
        StoreError: If a file cannot be written.
    """
    check_name(name)
    texts = {".json": statistics.to_json(), ".py": SOURCE.format(name=name)}
    return [_write(folder / f"{name}{suffix}", text) for suffix, text in texts.items()]


def _write(path: Path, text: str) -> Path:
    return write_file(path, lambda stream: stream.write(text.encode()))
