"""What ``sdlab doctor`` finds, on a sound machine and on broken ones."""

import shutil

import pytest

from sdlab.cli import checks

NAMES = [
    "python",
    "packages",
    "device",
    "gpu",
    "memory",
    "embedded model",
    "second embedded model",
    "run folder",
    "dashboard",
]


def test_every_thing_is_looked_at_and_none_fails_here(tmp_path):
    found = checks.examine(tmp_path)
    assert [check.name for check in found] == NAMES
    assert {check.status for check in found} <= {"ok", "warn"}
    assert all(check.detail for check in found)
    assert all(check.fix for check in found if check.status != "ok")


def test_a_check_that_breaks_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "FOLDER", None)
    monkeypatch.setattr(checks, "_memory", lambda: 1 / 0)
    found = {check.name: check for check in checks.examine(tmp_path)}
    assert found["memory"].status == "fail"
    assert "ZeroDivisionError" in found["memory"].detail


@pytest.fixture
def weights(tmp_path):
    return shutil.copytree(checks.FOLDER, tmp_path / "embedded")


def test_embedded_weights_are_as_published():
    assert checks.check_weights().status == "ok"


def test_missing_weights_are_named(weights):
    (weights / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    check = checks.check_weights(weights)
    assert check.status == "fail"
    assert check.detail == "unet/diffusion_pytorch_model.safetensors is missing"


def test_damaged_weights_are_named(weights):
    path = weights / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert checks.check_weights(weights).detail == f"{path.relative_to(weights)} is damaged"


def test_missing_checksums(weights):
    (weights / checks.CHECKSUMS).unlink()
    assert "sha256.txt is missing" in checks.check_weights(weights).detail


def test_run_folder_that_cannot_be_written(tmp_path):
    check = checks.check_root("/proc" / tmp_path.relative_to("/"))
    assert check.status == "fail"
    assert "SDLAB_RUNS" in check.fix


def test_run_folder_yet_to_be_made_is_not_made(tmp_path):
    assert checks.check_root(tmp_path / "a" / "b").status in ("ok", "warn")
    assert list(tmp_path.iterdir()) == []
