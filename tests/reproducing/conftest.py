"""Models in folders, from which scripts load them, and scripts that are executed."""

import ast
import runpy

import pytest

import sdlab
from tests.conftest import make_pipeline


@pytest.fixture(scope="session")
def stored_model(tmp_path_factory):
    """The small model, loaded from a folder."""
    folder = tmp_path_factory.mktemp("model")
    make_pipeline().save_pretrained(folder)
    return sdlab.load(folder, device="cpu")


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """Run a script as a file in a folder of its own; return the picture that it wrote."""
    from PIL import Image

    def execute(text, experiment):
        assert not any(name.split(".")[0] in ("sdlab", "dashboard") for name in imported(text))
        monkeypatch.chdir(tmp_path)
        (tmp_path / "script.py").write_text(text)
        runpy.run_path("script.py", run_name="__main__")
        return Image.open(tmp_path / f"{experiment.id}.png")

    return execute


def imported(text):
    """The modules that a script imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
