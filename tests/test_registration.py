"""What CONTRIBUTING says of adding a thing: one new file, nothing else, and it is found and used.

A copy of the project gets one file of each kind, and fresh interpreters look for them there, one
for the library, one for the command and one for the dashboard. No other file of the project names
what is there already.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
LARGE = 2**20


class Kind(NamedTuple):
    """A kind of thing that is added as a file."""

    row: str  # of CONTRIBUTING's table
    folder: str
    file: str  # the text of the one that is added, ``mine.py``
    use: str  # code that says "found" where it is found and works
    marked: str = ""  # what is in each file of the kind, where the folder holds others too
    keepers: tuple[str, ...] = ()  # what looks for them, and must not name them
    known: tuple[str, ...] = ()  # but for these


SOLVER = """
from itertools import pairwise

from sdlab.solvers.registry import solver


@solver("mine", order=1)
def mine(x, sigmas, noise):
    for sigma, sigma_next in pairwise(sigmas):
        x = x + (sigma_next - sigma) * (x - (yield x, sigma)) / sigma
    return x
"""
CURVE = """
import numpy as np

from sdlab.noise.curves.registry import curve


@curve("mine", "Even angles of a cosine.", source="this test")
def mine(num_steps, sigma_max):
    return np.append(sigma_max * np.cos(np.linspace(0, np.pi / 2, num_steps + 1))[:-1], 0.0)
"""
RULE = """
from sdlab.linting.registry import Finding, rule


@rule("mine", "note", explanation="Mine.", details="Mine.", fix="None.", source="this test")
def mine(subject):
    yield Finding("found")
"""
CAUSE = """
from sdlab.explaining.registry import Found, cause


@cause("mine", "Mine", "slight", needs="seed", explanation="Mine.", fix="None.", source="this test")
def mine(a, b):
    yield Found("found")
"""
COMMAND = '''
import typer

from sdlab.cli.registry import command


@command()
def mine(word: str) -> None:
    """Say a word."""
    typer.echo(word)
'''
CHART = """
import altair as alt

from dashboard.charts.base import require


def mine(steps):
    frame = require(steps, ["sigma"], "mine")
    return alt.Chart(frame).mark_point().encode(alt.X("sigma:Q", title="sigma"))
"""
PAGE = """
import pandas as pd
import streamlit as st

from dashboard.charts.mine import mine

MENU = {"section": "Noise", "title": "Mine", "icon": "star", "place": 999}

st.title("Mine")
st.altair_chart(mine(pd.DataFrame({"sigma": [1.0]})))
"""
KINDS = {
    "solver": Kind(
        "a solver",
        "sdlab/solvers/builtin",
        SOLVER,
        "import sdlab\n"
        "row = sdlab.schedulers().set_index('name').loc['mine']\n"
        "assert row['compatible'] and row['origin'] == 'sdlab'\n"
        "assert sdlab.check_solver('mine') == [] and sdlab.course('mine', 4).nfe == 4\n"
        "print('found')",
        "@solver(",
        (
            "sdlab/solvers/__init__.py",
            "sdlab/solvers/builtin/__init__.py",
            "sdlab/solvers/registry.py",
        ),
    ),
    "curve": Kind(
        "a sigma curve",
        "sdlab/noise/curves/builtin",
        CURVE,
        "import sdlab\n"
        "assert 'mine' in sdlab.curves.names()\n"
        "assert sdlab.course('euler', 4, curve='mine').nfe == 4\n"
        "print('found')",
        "@curve(",
        (
            "sdlab/noise/curves/__init__.py",
            "sdlab/noise/curves/builtin/__init__.py",
            "sdlab/noise/curves/registry.py",
        ),
    ),
    "lint rule": Kind(
        "a lint rule",
        "sdlab/linting",
        RULE,
        "import sdlab\n"
        "table = sdlab.lint('euler', 10).set_index('rule')\n"
        "print(table.loc['mine', 'message'])",
        "@rule(",
        ("sdlab/linting/__init__.py", "sdlab/linting/registry.py"),
    ),
    "cause": Kind(
        "a cause why pictures differ",
        "sdlab/explaining/causes",
        CAUSE,
        "import sdlab\n"
        "same = sdlab.Experiment()\n"
        "table = sdlab.explain(same, same).table().set_index('cause')\n"
        "print(table.loc['mine', 'message'])",
        "@cause(",
        ("sdlab/explaining/causes/__init__.py",),
    ),
    "command": Kind(
        "a command",
        "sdlab/cli",
        COMMAND,
        "import sys\nfrom sdlab.cli import app\nsys.argv = ['sdlab', 'mine', 'found']\napp()",
        "@command(",
        ("sdlab/cli/__init__.py", "sdlab/cli/registry.py"),
    ),
    "chart": Kind(
        "a chart",
        "dashboard/charts",
        CHART,
        "import pandas as pd\n"
        "from dashboard.charts.mine import mine\n"
        "chart = mine(pd.DataFrame({'sigma': [1.0]})).to_dict()\n"
        "assert chart['encoding']['x']['title'] == 'sigma'\n"
        "print('found')",
        keepers=("dashboard/charts/__init__.py", "dashboard/charts/base.py"),
    ),
    "page": Kind(
        "a page",
        "pages",
        PAGE,
        "from streamlit.testing.v1 import AppTest\n"
        "from dashboard.shell.navigation import entries\n"
        "assert list(entries())[-1] == 'mine'\n"
        "page = AppTest.from_file('dashboard/shell/main.py', default_timeout=240)\n"
        "page = page.switch_page('../../pages/mine.py').run()\n"
        "assert not page.exception and page.title[0].value == 'Mine'\n"
        "assert len(page.get('vega_lite_chart')) == 1\n"
        "print('found')",
        keepers=("dashboard/shell/navigation.py", "dashboard/shell/main.py"),
        known=("home",),  # which lives at /
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project with one more file of each kind; what is large is linked."""

    def place(source, target):
        if Path(source).stat().st_size > LARGE:
            os.symlink(source, target)
        else:
            shutil.copy2(source, target)

    root = tmp_path_factory.mktemp("copy")
    for folder in ("sdlab", "dashboard", "pages", ".streamlit"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, root / folder, copy_function=place, ignore=skipped)
    for kind in KINDS.values():
        (root / kind.folder / "mine.py").write_text(kind.file)
    return root


@pytest.mark.parametrize(
    "kinds",
    [("solver", "curve", "lint rule", "cause"), ("command",), ("chart", "page")],
    ids=" ".join,
)
def test_one_file_is_enough(copy, kinds):
    env = {**os.environ, "PYTHONPATH": str(copy), "SDLAB_RUNS": str(copy / "runs")}
    command = [sys.executable, "-c", "\n".join(KINDS[kind].use for kind in kinds)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=copy, env=env)
    assert done.stdout == "found\n" * len(kinds), done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_contributing_says_so(kind):
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (cell,) = re.findall(rf"^\| {KINDS[kind].row} \| (.*) \|$", text, re.MULTILINE)
    assert f"`{KINDS[kind].folder}/" in cell and re.search("one (thin )?file", cell)


@pytest.mark.parametrize("kind", KINDS)
def test_no_list_names_what_is_there(kind):
    """Neither what looks for them nor a package's ``__init__`` names one, as text or by import."""
    about = KINDS[kind]
    files = [path for path in (ROOT / about.folder).glob("*.py") if path.name != "__init__.py"]
    texts = {path.stem: path.read_text() for path in files}
    theirs = {name for name, text in texts.items() if about.marked in text}
    theirs -= {Path(keeper).stem for keeper in about.keepers} | set(about.known)
    if about.marked:
        registered = re.compile(re.escape(about.marked) + r'\s*"([\w-]+)"')
        theirs |= {name for text in texts.values() for name in registered.findall(text)}
    assert theirs
    for keeper in about.keepers:
        named = names_of(ast.parse((ROOT / keeper).read_text())) & theirs
        assert not named, f"{keeper} names {named}"


def names_of(tree):
    """Every text that is one word, and every name that is imported."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").rpartition(".")[2], *(name.name for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name.rpartition(".")[2] for name in node.names}
    return found
