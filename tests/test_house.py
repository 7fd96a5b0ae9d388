"""What benchmarks/house.py counts is right, on houses small enough to count by hand."""

import subprocess
import sys

import pytest

from tests.imports import ROOT


@pytest.fixture(scope="module")
def house():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import house

        yield house


@pytest.mark.parametrize(
    ("arrows", "knots", "up"),
    [
        ("ab bc ac", [], 0),
        ("ab ba", [{"a", "b"}], 1),
        ("ab bc ca xa", [{"a", "b", "c"}], 1),
        ("ab ba bc cb ca", [{"a", "b", "c"}], 2),
        ("ab ba xy yx ax", [{"a", "b"}, {"x", "y"}], 2),
    ],
)
def test_arrows_up_are_the_fewest_that_any_order_leaves(house, arrows, knots, up):
    pairs = {(one, other) for one, other in arrows.split()}
    found = house.knots_of(pairs)
    assert sorted(map(sorted, found)) == sorted(map(sorted, knots))
    assert house.up(pairs) == up


CODE = '''"""A module.

Told at length.
"""

import os  # why

LONG = """two
lines"""


class One:
    """One."""

    # a remark
    def method(self, a, *, b=1, **c):
        """Return.

        At length.
        """
        return (
            a,
        )
'''


def test_code_is_counted_without_blanks_comments_and_docstrings(house):
    assert house.code_lines(CODE) == 1 + 2 + 1 + 4


def test_functions_are_measured_without_their_docstring(house, tmp_path):
    (tmp_path / "one.py").write_text(CODE)
    assert list(house.functions_of(tmp_path / "one.py")) == [(4, 3)]


def test_an_import_is_an_arrow_wherever_it_stands(house, tmp_path):
    for name, text in {
        "__init__": "",
        "ground": "",
        "upper/__init__": "",
        "upper/one": "def f():\n    from sdlab.lower import two\n",
        "lower/__init__": "",
        "lower/two": "import sdlab.ground\nif 0:\n    from sdlab.upper.one import f\n",
    }.items():
        path = tmp_path / "sdlab" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    arrows = house.arrows_of("sdlab", tmp_path)
    assert arrows == {("upper", "lower"), ("lower", "ground"), ("lower", "upper")}


@pytest.mark.every  # what it counts is tested above
def test_the_script_prints_its_figures():
    done = subprocess.run(
        [sys.executable, "benchmarks/house.py", "--quick", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "program: lines of code in all" in done.stdout.splitlines()[-1]
