"""Causes of CUDA's absence, told from what the tools print where it is absent."""

import sys

import pytest

from sdlab.cli import checks, gpu
from sdlab.cli.gpu import Facts

TABLE = """\
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI {driver:<22} Driver Version: {driver:<14} CUDA Version: {cuda:<9}|
|-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|=========================================+========================+======================|
|   0  NVIDIA GeForce RTX 3050 ...    Off |   00000000:01:00.0 Off |                  N/A |
| N/A   45C    P8              4W /   60W |       5MiB /   4096MiB |      0%      Default |
+-----------------------------------------+------------------------+----------------------+
"""
OLD = """\
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 470.86       Driver Version: 470.86       CUDA Version: 11.4     |
|-------------------------------+----------------------+----------------------+
|   0  NVIDIA GeForce ...  Off  | 00000000:01:00.0 Off |                  N/A |
+-----------------------------------------------------------------------------+
"""
NEW = TABLE.format(driver="580.65.06", cuda="13.0")
TWELVE = TABLE.format(driver="535.183.01", cuda="12.2")
UNREACHED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n"
)
MISMATCH = (
    "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.124\n"
)
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver by downloading and installing a new version from the URL: "
    "http://www.nvidia.com/Download/index.aspx Alternatively, go to: https://pytorch.org to install"
    " a PyTorch version that has been compiled with your version of the CUDA driver."
)
NO_DRIVER = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed "
    "a driver from http://www.nvidia.com/Download/index.aspx"
)
CARD = ("0x10de",)
CPU, CUDA = {"torch": "2.13.0+cpu"}, {"torch": "2.13.0+cu130", "cuda": "13.0"}
HIDING = "CUDA_VISIBLE_DEVICES"

CASES = {
    "cpu build": (Facts(**CPU, smi=NEW), ["is a build without CUDA"]),
    "cpu build, card on the bus": (Facts(**CPU, vendors=CARD, files=("/dev/nvidia0",)), ["build"]),
    "no driver": (Facts(**CUDA, error=NO_DRIVER, vendors=CARD), ["driver is not installed"]),
    "unreached": (Facts(**CUDA, smi=UNREACHED), ["cannot reach the NVIDIA driver"]),
    "mismatch": (Facts(**CUDA, smi=MISMATCH), ["driver/library version mismatch"]),
    "old driver": (Facts(**CUDA, smi=OLD), ["470.86 is too old: it runs CUDA up to 11.4"]),
    "old by torch": (Facts(**CUDA, error=TOO_OLD), ["is too old: it runs CUDA up to 11.4"]),
    "another major": (Facts(**CUDA, smi=TWELVE), ["is built for 13.0"]),
    "hidden": (Facts(**CUDA, smi=NEW, visible=((HIDING, ""),)), [f"{HIDING}='' hides every GPU"]),
    "hidden by -1": (Facts(**CUDA, smi=NEW, visible=((HIDING, "-1"),)), ["hides every GPU"]),
    "no such": (Facts(**CUDA, smi=NEW, visible=((HIDING, "2"),)), ["nvidia-smi lists 1, from 0"]),
    "container": (Facts(**CUDA, container=True, vendors=CARD), ["no GPU was given to it"]),
    "lost": (Facts(**CUDA, smi="Failed to initialize NVML: Unknown Error"), ["lost the GPU"]),
    "none found": (Facts(**CUDA, smi="No devices were found\n"), ["finds no card"]),
    "silent": (Facts(**CUDA, smi=f"{gpu.SILENT}: TimeoutExpired"), ["gave no answer"]),
    "wsl": (
        Facts(**CUDA, kernel="5.15.153.1-microsoft-standard-WSL2"), ["WSL without /dev/dxg"]
    ),
    "rocm without driver": (Facts("2.13.0+rocm7", hip="7.0"), ["no /dev/kfd"]),
    "rocm without rights": (
        Facts("2.13.0+rocm7", hip="7.0", files=("/dev/kfd",), unreadable=("/dev/kfd",)),
        ["may not open /dev/kfd"],
    ),
    "mac": (Facts("2.13.0", system="Darwin", mps=(True, False)), ["macOS or this Mac does not"]),
    "else": (
        Facts(**CUDA, smi=NEW, error="CUDA unknown error - this may be due to\nan environment"),
        ["torch cannot start CUDA: CUDA unknown error - this may be due to an environment"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_cause_is_found_and_no_other(case):
    facts, wanted = CASES[case]
    found = gpu.causes(facts)
    assert len(found) == len(wanted), found
    for cause, words in zip(found, wanted, strict=True):
        assert words in cause.what and cause.fix.endswith((".", ".)"))


NOTHING = {
    "no card": Facts(**CPU, vendors=("0x1234",)),
    "no card, cuda build": Facts(**CUDA, error=NO_DRIVER, vendors=()),
    "nothing is known": Facts(**CUDA, error=NO_DRIVER),
    "all is well": Facts(**CUDA, smi=NEW, available=True, capability=(8, 6), archs=("sm_80",)),
    "hidden from another maker": Facts(**CPU, visible=(("HIP_VISIBLE_DEVICES", ""),)),
    "mps works": Facts("2.13.0", system="Darwin", mps=(True, True)),
    "a container on a CPU": Facts(**CPU, container=True),
}


@pytest.mark.parametrize("case", NOTHING)
def test_nothing_is_claimed_where_nothing_was_seen(case):
    assert gpu.causes(NOTHING[case]) == []
    assert checks.check_gpu(NOTHING[case]).status == "ok"


@pytest.mark.parametrize(
    ("capability", "archs", "runs"),
    [
        ((9, 0), ("sm_75", "sm_90"), True),
        ((8, 9), ("sm_80", "sm_90"), True),
        ((6, 1), ("sm_75", "sm_80"), False),
        ((12, 0), ("sm_80", "sm_90"), False),
        ((12, 0), ("sm_90", "compute_90"), True),
        ((9, 0), ("gfx90a",), True),
    ],
)
def test_code_for_the_gpu_is_looked_for(capability, archs, runs):
    facts = Facts(**CUDA, available=True, capability=capability, archs=archs)
    found = gpu.causes(facts)
    assert (found == []) == runs
    assert runs or "no kernel image is available" in found[0].what


def test_the_check_says_what_was_seen_and_what_to_do():
    check = checks.check_gpu(Facts(**CPU, smi=NEW))
    assert check.status == "warn"
    assert "built for no GPU, driver 580.65.06 runs up to CUDA 13.0" in check.detail
    assert "CUDA 13.0 or lower" in check.fix and "docs/troubleshooting.md" in check.fix


def test_this_machine_is_looked_at():
    facts = gpu.look()
    assert facts.torch and isinstance(facts.available, bool)
    assert facts.available or facts.error
    assert gpu.seen(facts).startswith(f"torch {facts.torch} is built for")


def test_graphics_cards_are_read_from_the_bus(tmp_path):
    for name, kind, vendor in (("a", "0x030000", "0x10de"), ("b", "0x020000", "0x8086")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "class").write_text(f"{kind}\n")
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
    assert gpu.vendors(tmp_path) == CARD
    assert gpu.vendors(tmp_path / "none") is None


@pytest.mark.skipif(sys.platform == "win32", reason="writes a shell script; runs elsewhere")
def test_what_the_tool_prints_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu.smi() is None
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{UNREACHED.strip().replace(chr(39), '’')}'\nexit 9\n")
    tool.chmod(0o755)
    assert "cannot reach the NVIDIA driver" in gpu.causes(Facts(**CUDA, smi=gpu.smi()))[0].what
    tool.write_text("no program")
    assert "gave no answer" in gpu.causes(Facts(**CUDA, smi=gpu.smi()))[0].what
