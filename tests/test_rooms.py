"""Which room may import which: every import counts, also a lazy one and one for types alone."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.imports import ROOT, imports, modules, room_of

GROUND = {
    "bounds",
    "colour_profiles",
    "columns",
    "discovery",
    "errors",
    "extras",
    "image_files",
    "intervals",
    "moved",
    "pauses",
    "plain",
    "sampler_names",
    "shipped",
    "submodules",
    "work",
}
"""Modules beside the rooms that every room of the library may import."""

SDLAB = {
    "experiment": "",
    "noise": "",
    "embedded": "",
    "reference": "",
    "playground": "reference",
    "models": "experiment noise",
    "denoisers": "models noise",
    "text": "embedded experiment models",
    "solvers": "denoisers models noise",
    "attention": "denoisers experiment models text",
    "runs": "attention experiment models noise",
    "tracing": "attention denoisers experiment models noise runs solvers text",
    "sampling": "attention denoisers embedded experiment models noise runs solvers text tracing",
    "metadata": "experiment noise runs text",
    # which sigmas other programs run; their pictures and texts are read by metadata's rules
    "passports": "metadata models noise solvers",
    "reproducing": "comparing experiment models noise runs sampling solvers",
    "latents": "models noise runs solvers",
    "ddim": "denoisers latents models noise sampling solvers text",
    # the code of the reference is shown beside the blocks of the network
    "anatomy": (
        "attention causes denoisers embedded experiment latents models reference runs sampling"
    ),
    "causes": ("attention denoisers embedded experiment models noise runs sampling solvers text"),
    "objective": "denoisers models noise reference sampling",
    # its problems are exact denoisers of known data; one is made of the embedded world's scenes
    "bench": "denoisers embedded noise solvers",
    # a sampler of anybody's, on the bench's problems
    "auditing": "bench denoisers models noise runs solvers",
    # for the type of ``lint(model=...)`` alone: a course is judged by a model's own schedule
    "linting": "models noise solvers",
    "comparing": ("bench denoisers embedded experiment latents models noise runs sampling solvers"),
    # the distances of a comparison, and what a model is changed by
    "pricing": "comparing denoisers experiment models noise runs sampling",
    # what files say of how they were made, and what each difference costs on a model
    "explaining": (
        "comparing experiment latents metadata models noise passports reproducing runs sampling"
        " solvers text"
    ),
    # also what a solver is made of, measured along the courses of an exact denoiser or a model
    "fitting": "comparing ddim experiment models noise runs solvers",
    "reports": "models runs",
    "sending": "experiment runs",
    "sweeping": "comparing embedded experiment models runs sampling",
    "training": "embedded models reference",
    "cli": (
        "auditing"
        " bench comparing denoisers experiment explaining fitting latents linting models noise"
        " passports pricing reproducing runs sampling sending solvers sweeping text training"
    ),
}
"""What each room of the library may import, beside the ground and itself."""

DASHBOARD = {
    "charts": "",
    "components": "",
    "worker": "",
    "serving": "worker",
    "shell": "components serving worker",
    "report": "charts serving shell worker",
    "widgets": "charts components report serving shell worker",
    "views": "charts components report serving shell widgets worker",
}
"""What each room of the dashboard may import; each view is a room, and knows no other."""

FOREIGN = {
    "sdlab": {"altair", "dashboard", "pages", "streamlit"},
    "dashboard": {"pages"},
    "dashboard.charts": {"sdlab", "streamlit", "torch"},
    "dashboard.components": {"altair", "sdlab"},
    "dashboard.worker": {"altair", "streamlit"},
    "dashboard.report": {"streamlit"},
    # it is read alone, so nothing happens elsewhere: PyTorch and Python's own library are all
    "sdlab.reference": {"diffusers", "transformers", "tokenizers", "numpy", "PIL"},
}
"""What must not be imported in a room: charts are pure, and the worker never draws."""


def breaches(top: str, table: dict[str, str], ground: set[str]) -> list[str]:
    """Every import that the table does not allow, with its place."""
    known = modules(top)
    found = []
    for name, path in known.items():
        room = room_of(name)
        if not room:
            continue  # the package's own address book
        allowed = {room, *ground} | set(table.get(room.split(".")[0], "").split())
        for target, line in imports(path, known):
            other = room_of(target)
            if target.split(".")[0] != top or other in allowed:
                continue
            public = other.split(".")[0] not in table.keys() | ground  # ``import sdlab``
            if not (public and room == "cli"):
                found.append(f"{path.relative_to(ROOT)}:{line} imports {target}")
    return found


def test_the_librarys_rooms_import_one_way():
    assert not breaches("sdlab", SDLAB, GROUND)


def test_the_dashboards_rooms_import_one_way():
    assert not breaches("dashboard", DASHBOARD, set())


@pytest.mark.parametrize("table", [SDLAB, DASHBOARD], ids=["sdlab", "dashboard"])
def test_there_is_no_circle_between_rooms(table):
    order = TopologicalSorter({room: names.split() for room, names in table.items()})
    assert set(order.static_order()) == set(table)


@pytest.mark.parametrize(
    ("top", "rooms"), [("sdlab", SDLAB.keys() | GROUND), ("dashboard", DASHBOARD.keys())]
)
def test_every_room_stands_in_the_table(top, rooms):
    assert {name.split(".")[1] for name in modules(top) if "." in name} == rooms


@pytest.mark.parametrize("room", FOREIGN)
def test_a_room_imports_nothing_foreign_to_it(room):
    known = modules(room.split(".")[0])
    of_room = {name: path for name, path in known.items() if f"{name}.".startswith(f"{room}.")}
    found = [
        f"{name}:{line} imports {target}"
        for name, path in of_room.items()
        for target, line in imports(path, known)
        if target.split(".")[0] in FOREIGN[room]
    ]
    assert of_room and not found


def test_the_dashboard_imports_without_torch():
    """Home is drawn before the model is opened, so nothing loads torch at import."""
    names = [name for name in modules("dashboard") if name != "dashboard.shell.main"]  # a script
    code = (
        f"import sys, importlib; [importlib.import_module(m) for m in {names}];"
        "sys.exit(any(m in sys.modules for m in ('torch', 'diffusers', 'transformers')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("path", sorted((ROOT / "pages").glob("*.py")), ids=lambda p: p.stem)
def test_pages_are_thin(path):
    tree = ast.parse(path.read_text())
    assert {target.split(".")[0] for target, _ in imports(path, {})} <= {"streamlit", "dashboard"}
    machinery = (ast.For, ast.While, ast.FunctionDef, ast.ClassDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, machinery)]
    assert len(path.read_text().splitlines()) <= 60
