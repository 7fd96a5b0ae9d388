"""The checks of ``sdlab doctor``: what works on this machine, what does not, and what to do."""

import hashlib
import importlib.util
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sdlab.cli import gpu
from sdlab.models.memory import readable
from sdlab.shipped import FLOW, FOLDER, SHIPPED

CHECKSUMS = "sha256.txt"
TROUBLE = "docs/troubleshooting.md"
PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "pandas", "pyarrow")
PYTHON = ((3, 11), (3, 13))
MEMORY_BYTES = 2 * 2**30
DISK_BYTES = 2**30


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was looked at.
        status: "ok", "warn" (works, but not as well as it could) or "fail".
        detail: What was found.
        fix: What to do; empty if nothing.
    """

    name: str
    status: str
    detail: str
    fix: str = ""


def examine(root: Path) -> list[Check]:
    """Return the result of every check; none of them raises.

    Args:
        root: The folder of all runs.
    """
    looks: dict[str, Callable[[], Check]] = {
        "python": _python,
        "packages": _packages,
        "device": _device,
        "gpu": lambda: check_gpu(gpu.look()),
        "memory": _memory,
        "embedded model": check_weights,
        "second embedded model": lambda: check_weights(SHIPPED[FLOW], "second embedded model"),
        "run folder": lambda: check_root(root),
        "dashboard": _dashboard,
    }
    found = []
    for name, look in looks.items():
        try:
            found.append(look())
        except Exception as error:  # report, whatever is broken
            fix = "Reinstall with `pip install -r requirements.txt`."
            found.append(Check(name, "fail", f"{type(error).__name__}: {error}", fix))
    return found


def check_weights(folder: Path = FOLDER, name: str = "embedded model") -> Check:
    """Return whether an embedded model's files are there and as published."""
    fix = f"Get the package's files again: git checkout -- sdlab/models/{folder.name}"
    listed = folder / CHECKSUMS
    if not listed.is_file():
        return Check(name, "fail", f"{listed} is missing", fix)
    wrong = []
    for line in listed.read_text(encoding="utf-8").splitlines():
        wanted, _, file = line.partition("  ")
        path = folder / file
        if not path.is_file():
            wrong.append(f"{file} is missing")
        elif path.suffix == ".safetensors" and checksum(path) != wanted:
            wrong.append(f"{file} is damaged")  # text may have other line ends on another system
    if wrong:
        return Check(name, "fail", "; ".join(wrong), fix)
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    return Check(name, "ok", f"{readable(size)} of weights, checksums right")


def check_root(root: Path) -> Check:
    """Return whether runs can be written to a folder, and how much room there is."""
    name = "run folder"
    place = root
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"sdlab")
    except OSError as error:
        fix = "Set the environment variable SDLAB_RUNS to a folder that you may write to."
        return Check(name, "fail", f"{root} cannot be written: {error.strerror}", fix)
    free = shutil.disk_usage(place).free
    detail = f"{root} can be written, {readable(free)} free"
    if free < DISK_BYTES:
        return Check(name, "warn", detail, "Free some room, or set SDLAB_RUNS to another disk.")
    return Check(name, "ok", detail)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _python() -> Check:
    low, high = PYTHON
    detail = f"{platform.python_version()} at {sys.executable} on {platform.platform(terse=True)}"
    if low <= sys.version_info[:2] <= high:
        return Check("python", "ok", detail)
    return Check("python", "warn", detail, "sdlab is tested on Python 3.11 to 3.13.")


def _packages() -> Check:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        fix = "pip install -r requirements.txt"
        return Check("packages", "fail", f"missing: {', '.join(missing)}", fix)
    return Check("packages", "ok", ", ".join(found))


def _device() -> Check:
    import torch

    from sdlab.models.devices import choose_device, choose_dtype

    device = choose_device()
    number = str(choose_dtype(None, device)).removeprefix("torch.")
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        room = readable(card.total_memory)
        return Check("device", "ok", f"{card.name}, {room}, runs in {number}")
    return Check(
        "device", "ok", f"{device.type}, {torch.get_num_threads()} threads, runs in {number}"
    )


def check_gpu(facts: gpu.Facts) -> Check:
    """Return whether CUDA can be used, and every cause that was found why it cannot."""
    found = gpu.causes(facts)
    if not found:
        return Check("gpu", "ok", gpu.seen(facts))
    detail = " ".join([f"{gpu.seen(facts)}.", *(cause.what for cause in found)])
    fixes = [cause.fix for cause in found]
    return Check("gpu", "warn", detail, " ".join([*fixes, f"More: {TROUBLE}."]))


def _memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    detail = f"{readable(memory.available)} of {readable(memory.total)} free"
    if memory.available < MEMORY_BYTES:
        fix = f"Close something; {readable(MEMORY_BYTES)} is safe."
        return Check("memory", "warn", detail, fix)
    return Check("memory", "ok", detail)


def _dashboard() -> Check:
    missing = [name for name in ("streamlit", "altair") if not importlib.util.find_spec(name)]
    if missing:
        fix = "pip install -r requirements.txt"
        return Check("dashboard", "fail", f"missing: {', '.join(missing)}", fix)
    return Check("dashboard", "ok", f"streamlit {version('streamlit')}")
