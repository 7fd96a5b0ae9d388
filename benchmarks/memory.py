"""Whether the memory estimates hold: measured peaks of the process over what was estimated.

Run: python benchmarks/memory.py [--quick] [--json]     (Linux: it reads /proc)
"""

import ctypes
import gc
from pathlib import Path

import torch
from report import Report

import sdlab
from sdlab.denoisers.network import Sample, evaluate
from sdlab.models import memory


def kib(name):
    """Return an entry of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def peak(function):
    """Return by how many bytes the process's memory rose at most while a function ran."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = kib("VmRSS")
    function()
    return kib("VmHWM") - before


def main():
    """Measure and print."""
    report = Report(__doc__)
    report.head()
    model = sdlab.load(device="cpu")
    cond, uncond = model.encode_prompt("a parrot", "")
    for side in (256, 512) if report.arguments.quick else (256, 512, 1024):
        shape = (4, side // 8, side // 8)
        latents = torch.randn(1, *shape)
        pairs = [Sample(latents, 500.0, cond, uncond, 4.0, 0.0)] * 4
        network = peak(lambda pairs=pairs: evaluate(model, pairs))
        decode = peak(lambda latents=latents: model.decode(latents))
        estimate = memory.BASE_BYTES + 8 * memory.sample_bytes(model, shape)
        report.add(
            f"network, {side}x{side}, 8 samples: measured / estimated",
            network / estimate,
            goal="<= 1.0",
            note=f"{memory.readable(network)} measured",
        )
        report.add(
            f"decoding, {side}x{side}: measured / estimated",
            decode / (memory.BASE_BYTES + memory.decode_bytes(model, shape)),
            goal="<= 1.0",
            note=f"{memory.readable(decode)} measured",
        )
    report.close()


if __name__ == "__main__":
    main()
