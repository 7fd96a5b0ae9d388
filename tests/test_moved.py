"""What moved is found at the address it had: the same object, once, with a warning."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import sdlab
from sdlab import moved

BEFORE = Path(__file__).parent / "data" / "version_0_2" / "modules.txt"


@pytest.mark.parametrize("old", moved.MOVED)
def test_every_old_address_gives_the_new_module(old):
    with pytest.warns(DeprecationWarning, match="is now"):
        sys.modules.pop(old, None)
        module = importlib.import_module(old)
    new = moved.MOVED[old]
    assert module is importlib.import_module(new)
    assert module.__name__ == module.__spec__.name == new


@pytest.mark.parametrize("name", BEFORE.read_text().split())
def test_every_module_of_the_version_before_is_found(name):
    importlib.import_module(name)


@pytest.mark.every
@pytest.mark.parametrize("name, said", [("sdlab.embedded.train", "--device"), ("sdlab.doctor", "")])
def test_python_m_runs_an_old_address(name, said):
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_submodules_of_a_moved_package_are_the_same_objects():
    from sdlab.store.run_folder import open_run as old

    from sdlab.runs.run_folder import open_run

    assert old is open_run is sdlab.open_run
    assert sdlab.tracing.attention.views is sdlab.attention.views


def test_a_fresh_interpreter_finds_them_without_torch():
    code = (
        "import sys, sdlab.sampling.experiment as old; from sdlab import Experiment;"
        "assert old.Experiment is Experiment; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", code], check=True)


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match="sdlab.storehouse"):
        importlib.import_module("sdlab.storehouse")
