"""A small run, stored; a disk and a file that are soon full."""

import json
import shutil
import subprocess
from contextlib import contextmanager

import pytest

import sdlab


@pytest.fixture(scope="session")
def run():
    """A real run of the embedded model, small, with words that need care."""
    spec = sdlab.Experiment(
        prompt='=a "parrot", on: a beach\n@night',
        negative_prompt="-rain, 夜",
        seed=2**64 - 1,
        num_steps=16,
        width=64,
        height=64,
    )
    return sdlab.run(sdlab.load(device="cpu"), spec)


@pytest.fixture
def stored(run, tmp_path):
    return run.save(tmp_path / "runs")


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of 16 KiB, where the tests may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs leave to mount a tmpfs; runs wherever the tests run as root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@contextmanager
def file_limit(size):
    """Let the kernel refuse every write past `size` bytes of a file, as a quota does."""
    resource = pytest.importorskip("resource", reason="no such limit here; runs on POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def copy_of(stored, **changes):
    """Store a copy of a run under the experiment with other fields, or with another model."""
    facts = json.loads((stored / "manifest.json").read_text())
    model = changes.pop("model_name", None)
    created = changes.pop("created", facts["created"])
    facts["experiment"] |= changes
    if model:
        facts["model"]["name"] = model
    facts |= {"created": created, "id": sdlab.Experiment.from_dict(facts["experiment"]).id}
    target = stored.parent / facts["id"]
    shutil.copytree(stored, target)
    (target / "manifest.json").write_text(json.dumps(facts))
    return target
