"""``import sdlab`` stays light, and its names lead where they should."""

import subprocess
import sys

import pytest

import sdlab


def loaded_after(code):
    """Modules that a fresh interpreter has loaded after some code."""
    script = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


@pytest.mark.parametrize("code", ["import sdlab", "import sdlab; sdlab.Experiment(prompt='a')"])
def test_import_is_light(code):
    heavy = {"torch", "diffusers", "transformers", "pandas", "numpy", "streamlit"}
    assert not heavy & loaded_after(code)


def test_noise_needs_no_torch():
    assert "torch" not in loaded_after("import sdlab; sdlab.NoiseSchedule; sdlab.curves.karras")


@pytest.mark.parametrize("name", sdlab.__all__)
def test_every_public_name_resolves(name):
    assert getattr(sdlab, name) is not None
    assert name in dir(sdlab)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = sdlab.runn
