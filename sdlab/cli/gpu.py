"""Why ``torch.cuda.is_available()`` is false here: the causes, each from something looked at.

``look`` reads the machine: torch's build and what it says, ``nvidia-smi``, device files, the PCI
bus, the environment. ``causes`` draws conclusions from that alone, so that it can be tested with
what these tools print elsewhere.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SMI_SECONDS = 20.0
SILENT = "nvidia-smi did not answer"
NVIDIA, AMD = "0x10de", "0x1002"
_DISPLAY = "0x03"
"""Class of PCI devices that draw or compute: displays and 3D controllers."""


class Cause(NamedTuple):
    """A cause, and what to do about it."""

    what: str
    fix: str


@dataclass(frozen=True)
class Facts:
    """What was seen of a machine.

    Attributes:
        torch: torch's version, such as "2.13.0+cpu".
        cuda: The CUDA version that it was built for; None for none.
        hip: The ROCm version that it was built for; None for none.
        archs: The GPU architectures that it was built for, such as "sm_90".
        available: What ``torch.cuda.is_available()`` says.
        error: What ``torch.cuda.init()`` raised; "" if nothing.
        capability: Of the first GPU, (major, minor), if there is one.
        mps: Whether the build has Apple's MPS, and whether it can be used.
        visible: The environment variables that hide GPUs, where they are set.
        smi: What ``nvidia-smi`` printed; None if it is not there.
        system: "Linux", "Windows" or "Darwin".
        kernel: The kernel's release, which tells WSL.
        container: Whether this is a container, as its files tell.
        files: Which of the device files are there: /dev/nvidia0, /dev/kfd, /dev/dxg.
        unreadable: Which of them may not be opened.
        vendors: Vendors of graphics cards on the PCI bus; None if it cannot be read.
    """

    torch: str
    cuda: str | None = None
    hip: str | None = None
    archs: tuple[str, ...] = ()
    available: bool = False
    error: str = ""
    capability: tuple[int, int] | None = None
    mps: tuple[bool, bool] = (False, False)
    visible: tuple[tuple[str, str], ...] = ()
    smi: str | None = None
    system: str = "Linux"
    kernel: str = ""
    container: bool = False
    files: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    vendors: tuple[str, ...] | None = None

    @property
    def wsl(self) -> bool:
        """Whether this is Linux inside Windows."""
        return self.system == "Linux" and "microsoft" in self.kernel.lower()

    @property
    def driver(self) -> tuple[str, str] | None:
        """The NVIDIA driver's version and the newest CUDA that it runs, as nvidia-smi says."""
        found = re.search(r"Driver Version:\s*([\d.]+)\s+CUDA Version:\s*([\d.]+)", self.smi or "")
        return (found[1], found[2]) if found else None

    @property
    def has_card(self) -> bool:
        """Whether an NVIDIA card was seen, by its driver or on the bus."""
        return self.driver is not None or NVIDIA in (self.vendors or ())


def causes(facts: Facts) -> list[Cause]:
    """Return why CUDA cannot be used, or only in part; empty if it can, or there is no card."""
    if facts.available:
        return list(_of_kernels(facts))
    looks: tuple[Callable[[Facts], Iterator[Cause]], ...] = (
        _of_build,
        _of_environment,
        _of_smi,
        _of_driver,
        _of_container,
        _of_wsl,
        _of_rocm,
        _of_mps,
    )
    return [cause for look in looks for cause in look(facts)] or list(_of_error(facts))


def seen(facts: Facts) -> str:
    """Return what was seen, in one line."""
    build = f"CUDA {facts.cuda}" if facts.cuda else f"ROCm {facts.hip}" if facts.hip else "no GPU"
    parts = [f"torch {facts.torch} is built for {build}"]
    if facts.driver:
        parts.append(f"driver {facts.driver[0]} runs up to CUDA {facts.driver[1]}")
    elif facts.smi is None:
        parts.append("no nvidia-smi")
    if facts.vendors is not None and not {NVIDIA, AMD} & set(facts.vendors):
        parts.append("no NVIDIA or AMD card on the PCI bus")
    return ", ".join(parts)


def _of_build(facts: Facts) -> Iterator[Cause]:
    if facts.cuda is None and facts.hip is None and facts.has_card:
        yield Cause(
            f"This torch ({facts.torch}) is a build without CUDA, and there is an NVIDIA card.",
            "Install torch's CUDA build, as pytorch.org/get-started says for your system"
            + (f" and CUDA {facts.driver[1]} or lower." if facts.driver else "."),
        )


def _of_environment(facts: Facts) -> Iterator[Cause]:
    for name, value in facts.visible:
        if not (facts.hip or (facts.has_card and name == "CUDA_VISIBLE_DEVICES")):
            continue  # it is another maker's
        if value.strip() in ("", "-1") or value.strip().startswith("-1,"):
            yield Cause(f"{name}={value!r} hides every GPU.", f"Unset {name}, or set it to 0.")
            continue
        count = _cards(facts.smi)
        numbers = [int(part) for part in value.split(",") if part.strip().isdigit()]
        if count and numbers and min(numbers) >= count:
            yield Cause(
                f"{name}={value!r} names no GPU that is there: nvidia-smi lists {count}, from 0.",
                f"Set {name} to a number from 0 to {count - 1}.",
            )


def _cards(smi: str | None) -> int:
    """Return how many GPUs nvidia-smi lists in its table."""
    return len(re.findall(r"^\|\s+\d+\s+\S.*\|\s*[0-9A-F]{8}:", smi or "", re.MULTILINE))


# What nvidia-smi prints in place of its table, with what it means and what to do.
_SMI = (
    (
        "couldn't communicate with the NVIDIA driver",
        "nvidia-smi cannot reach the NVIDIA driver: it is not installed, or its kernel module is "
        "not loaded.",
        "Install the driver, or reboot if a new kernel or driver was installed; with Secure Boot "
        "the module must be signed.",
    ),
    (
        "Driver/library version mismatch",
        "The NVIDIA driver was updated while the old one still runs (driver/library version "
        "mismatch).",
        "Reboot.",
    ),
    (
        "Failed to initialize NVML: Unknown Error",
        "nvidia-smi lost the GPU (NVML: Unknown Error); in a container this happens when the "
        "host's system manager was reloaded.",
        "Start the container again; without one, reboot.",
    ),
    (
        "Insufficient Permissions",
        "This user may not use the GPU's device files.",
        "Ask the administrator for access to /dev/nvidia*.",
    ),
    (
        "No devices were found",
        "The NVIDIA driver runs and finds no card.",
        "Check that the card is plugged in, has power and is not taken by a virtual machine; "
        "`sudo dmesg` has the driver's words.",
    ),
    (
        SILENT,
        f"nvidia-smi is there and gave no answer within {SMI_SECONDS:.0f} s: the driver hangs, or "
        "the program cannot be run.",
        "Reboot; if it comes back, install the driver anew.",
    ),
    (
        "GPU is lost",
        "The NVIDIA driver has lost the card.",
        "Reboot; if it comes back, check power and temperature.",
    ),
)


def _of_smi(facts: Facts) -> Iterator[Cause]:
    text = (facts.smi or "").replace("\u2019", "'").lower()
    for words, what, fix in _SMI:
        if words.lower() in text:
            yield Cause(what, fix)
    seen_on_bus = NVIDIA in (facts.vendors or ()) and not facts.container  # which has the host's
    if facts.smi is None and seen_on_bus and "/dev/nvidia0" not in facts.files:
        yield Cause(
            "There is an NVIDIA card on the PCI bus, but no nvidia-smi and no /dev/nvidia0: the "
            "driver is not installed.",
            "Install NVIDIA's driver, and reboot.",
        )


def _of_driver(facts: Facts) -> Iterator[Cause]:
    told = re.search(r"too old \(found version (\d+)\)", facts.error)
    runs = facts.driver[1] if facts.driver else ""
    if told:
        number = int(told[1])
        runs = f"{number // 1000}.{number % 1000 // 10}"
    if not (facts.cuda and runs):
        return
    # Within one major version of CUDA older drivers run newer builds.
    if told or int(runs.split(".")[0]) < int(facts.cuda.split(".")[0]):
        name = f"The NVIDIA driver{' ' + facts.driver[0] if facts.driver else ''}"
        yield Cause(
            f"{name} is too old: it runs CUDA up to {runs}, and this torch is built for "
            f"{facts.cuda}.",
            f"Update the driver, or install a torch that is built for CUDA {runs} or lower.",
        )


def _of_container(facts: Facts) -> Iterator[Cause]:
    if facts.container and (facts.cuda or facts.hip) and not facts.files:
        yield Cause(
            "This is a container, and no GPU was given to it: it has none of /dev/nvidia0, "
            "/dev/kfd and /dev/dxg.",
            "Start it with `docker run --gpus all ...` (NVIDIA's container toolkit must be on the "
            "host), or for ROCm with --device /dev/kfd --device /dev/dri.",
        )


def _of_wsl(facts: Facts) -> Iterator[Cause]:
    if facts.wsl and not facts.container and facts.cuda and "/dev/dxg" not in facts.files:
        yield Cause(
            "This is WSL without /dev/dxg: WSL 1, or Windows has no driver that shares the GPU.",
            "Install NVIDIA's driver in Windows (none inside WSL), then in PowerShell "
            "`wsl --update` and `wsl --set-version <name> 2`.",
        )


def _of_rocm(facts: Facts) -> Iterator[Cause]:
    if not facts.hip or facts.container and not facts.files:
        return
    if "/dev/kfd" not in facts.files:
        yield Cause(
            "This torch is built for ROCm, and there is no /dev/kfd: the amdgpu driver is not "
            "loaded.",
            "Install AMD's driver, and reboot.",
        )
    elif "/dev/kfd" in facts.unreadable:
        yield Cause(
            "This user may not open /dev/kfd.",
            "Add the user to the groups render and video, and log in again.",
        )


def _of_mps(facts: Facts) -> Iterator[Cause]:
    built, usable = facts.mps
    if facts.system == "Darwin" and not usable:
        yield Cause(
            "MPS, Apple's GPU, cannot be used: this torch "
            + ("has it, but macOS or this Mac does not." if built else "is built without it."),
            "MPS needs an Apple chip, a macOS that this torch supports, and its build for arm64.",
        )


def _of_error(facts: Facts) -> Iterator[Cause]:
    """Tell what torch itself said, where nothing else explains it."""
    if facts.error and facts.has_card and (facts.cuda or facts.hip):
        said = " ".join(facts.error.split())[:300]
        yield Cause(
            f"torch cannot start CUDA: {said}",
            "See docs/troubleshooting.md; a reboot helps where the driver hangs.",
        )


def _of_kernels(facts: Facts) -> Iterator[Cause]:
    if facts.capability is None or not facts.archs or facts.hip:
        return
    major, minor = facts.capability
    for arch in facts.archs:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", arch)
        if found is None:
            return  # written in a way that is not known: claim nothing
        kind, own = found[1], (int(found[2]), int(found[3]))
        if (kind == "sm" and own[0] == major and own[1] <= minor) or (
            kind == "compute" and own <= (major, minor)
        ):
            return
    yield Cause(
        f"This GPU is sm_{major}{minor}, and this torch has code for {', '.join(facts.archs)} only:"
        " it will stop with 'no kernel image is available'.",
        "Install a torch whose CUDA version still (or already) has this GPU.",
    )


def look() -> Facts:
    """Return what can be seen of this machine; takes a second, and changes nothing."""
    import torch

    available, error = torch.cuda.is_available(), ""
    if not available:
        try:
            torch.cuda.init()
        except Exception as raised:  # what it raises differs by build and version
            error = str(raised)
    mps = torch.backends.mps
    paths = [path for path in ("/dev/nvidia0", "/dev/kfd", "/dev/dxg") if Path(path).exists()]
    return Facts(
        torch=torch.__version__,
        cuda=torch.version.cuda,
        hip=torch.version.hip,
        archs=tuple(torch.cuda.get_arch_list()) if available else (),
        available=available,
        error=error,
        capability=torch.cuda.get_device_capability() if available else None,
        mps=(mps.is_built(), mps.is_available()),
        visible=_hiding(os.environ),
        smi=smi(),
        system=platform.system(),
        kernel=platform.release(),
        container=any(Path(path).exists() for path in ("/.dockerenv", "/run/.containerenv")),
        files=tuple(paths),
        unreadable=tuple(path for path in paths if not os.access(path, os.R_OK | os.W_OK)),
        vendors=vendors(Path("/sys/bus/pci/devices")),
    )


def _hiding(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    names = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
    return tuple((name, environment[name]) for name in names if name in environment)


def smi() -> str | None:
    """Return what nvidia-smi prints, its errors too; None if there is none."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        done = subprocess.run([command], capture_output=True, text=True, timeout=SMI_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{SILENT}: {type(error).__name__}"
    return f"{done.stdout}\n{done.stderr}"


def vendors(devices: Path) -> tuple[str, ...] | None:
    """Return the vendors of the graphics cards on the PCI bus; None if it cannot be read.

    Args:
        devices: A folder of the bus's devices, as Linux shows it.
    """
    try:
        folders = sorted(devices.iterdir())
        found = [
            (folder / "vendor").read_text().strip()
            for folder in folders
            if (folder / "class").read_text().startswith(_DISPLAY)
        ]
    except OSError:
        return None
    return tuple(found)
