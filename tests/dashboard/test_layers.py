"""Imports point one way: pages -> dashboard -> sdlab; pages hold no machinery."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imports(path: Path, top_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.split(".")[0] for name in found}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files("sdlab"), ids=lambda p: str(p.relative_to(ROOT)))
def test_sdlab_knows_nothing_of_the_dashboard(path):
    assert not imports(path) & {"streamlit", "altair", "dashboard", "pages"}


@pytest.mark.parametrize("path", files("dashboard"), ids=lambda p: str(p.relative_to(ROOT)))
def test_dashboard_knows_no_page_and_no_torch_at_import(path):
    assert "pages" not in imports(path)
    assert not imports(path, top_only=True) & {"torch", "diffusers", "transformers"}


@pytest.mark.parametrize("path", files("pages"), ids=lambda p: p.name)
def test_pages_are_thin(path):
    assert imports(path) <= {"streamlit", "dashboard"}
    tree = ast.parse(path.read_text())
    machinery = (ast.For, ast.While, ast.FunctionDef, ast.ClassDef)
    assert not [n for n in ast.walk(tree) if isinstance(n, machinery)]
    assert len(path.read_text().splitlines()) <= 60


@pytest.mark.parametrize("path", files("dashboard/charts"), ids=lambda p: p.name)
def test_charts_are_pure(path):
    assert not imports(path) & {"streamlit", "torch", "sdlab"}


@pytest.mark.parametrize("path", files("dashboard/worker"), ids=lambda p: p.name)
def test_the_worker_never_calls_streamlit(path):
    assert "streamlit" not in imports(path)


def test_pages_and_dashboard_import_without_torch():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files("dashboard")
    ]
    modules.remove("dashboard.shell.main")  # which is a script
    code = (
        f"import sys, importlib; [importlib.import_module(m) for m in {modules}];"
        "sys.exit(any(m in sys.modules for m in ('torch', 'diffusers', 'transformers')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_every_page_is_in_the_menu():
    """A page needs a place, a title and an icon, which only a person can choose."""
    from dashboard.shell.navigation import _MENU

    listed = [name for pages in _MENU.values() for name, _, _ in pages]
    assert sorted(listed) == [path.stem for path in files("pages")]
