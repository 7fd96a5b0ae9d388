"""Every ``sdlab.…`` name that a person can read is there after ``import sdlab`` alone."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sdlab.shipped import SHIPPED

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"(?<![\w./-])sdlab(?!\.(?:service|toml)\b)(?:\.[A-Za-z_]\w*)+(?![\w/]*\.\w)")

# One process that has imported what others made, and nothing of sdlab, forks once a room or other
# first part, such as `sdlab.noise`: its names, the deepest first, are looked up in a Python that
# knows of sdlab only what `import sdlab` gives.
LOOK_UP = """
import gc, os, sys
gc.disable()  # of a million objects none is garbage, and a child that looks at one copies it
from importlib import import_module
from itertools import groupby
for other in ("numpy", "pandas", "torch", "diffusers", "transformers", "PIL.Image", "scipy"):
    import_module(other)
from diffusers import DDIMScheduler, StableDiffusionPipeline
from transformers import CLIPTextModel
assert not [name for name in sys.modules if name.partition(".")[0] == "sdlab"]
for first, names in groupby(sys.argv[1:], lambda name: name.split(".")[1]):
    names = sorted(names, key=lambda name: -name.count("."))
    child = os.fork()
    if not child:
        ended = False
        try:
            for name in names:
                try:
                    value = import_module("sdlab")
                    for part in name.split(".")[1:]:
                        value = getattr(value, part)
                except AttributeError as error:
                    print(f"{name}: {error}", flush=True)
            ended = True
        finally:
            os._exit(not ended)
    if os.waitpid(child, 0)[1]:
        print(f"{names[-1]}: it or one below it cannot be looked up", flush=True)
"""


def texts(path):
    """What a person reads in a file: prose, examples, docstrings, messages; no bare identifiers."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield source
    elif path.suffix == ".ipynb":
        yield from ("".join(cell["source"]) for cell in json.loads(source)["cells"])
    else:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if not re.fullmatch(r"sdlab(\.\w+)+", node.value):  # a module's, a component's name
                    yield node.value


def told_names():
    files = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/*.ipynb"),
        *(place / "README.md" for place in SHIPPED.values()),
    ]
    files += [
        path for top in ("sdlab", "dashboard", "pages") for path in ROOT.rglob(f"{top}/**/*.py")
    ]
    found = {}
    for path in files:
        for text in texts(path):
            for name in NAME.findall(text):
                found.setdefault(name, path.relative_to(ROOT).as_posix())
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork; runs on Linux and macOS")
def test_every_name_that_is_told_is_there():
    told = told_names()
    assert {"sdlab.embedded.unknown_words", "sdlab.text", "sdlab.run"} <= set(told)
    done = subprocess.run(
        [sys.executable, "-c", LOOK_UP, *sorted(told)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    missing = [f"{line} ({told[line.partition(':')[0]]})" for line in done.stdout.splitlines()]
    assert not missing, "\n".join(missing)
