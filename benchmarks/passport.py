"""Schedule passports: figures that engines gave, made again; every model and scheduler; how fast.

    python benchmarks/passport.py [--quick] [--json]

The figures are those in tests/passports/engine_sigmas.json. Times are of this process's processor,
without imports; the formulas are ours, of diffusers (and InvokeAI over it) the installed classes
run, of which KDPM2's take a quarter of a second each and are counted apart. --quick leaves those
out.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sdlab.passports.comparing import compare, equal_setting  # noqa: E402
from sdlab.passports.passport import ENGINES, passport, schedulers_of  # noqa: E402
from sdlab.passports.presets import PRESETS  # noqa: E402

SLOW = ("KDPM2", "kdpm", "SDES", "dpmpp_sde")
TOLERANCE = 1e-5


def golden() -> dict[str, tuple[int, int, float]]:
    """Return for each engine the rows that agree, all rows, and the largest relative error."""
    rows = json.loads((ROOT / "tests/passports/engine_sigmas.json").read_text())["rows"]
    found = {}
    for engine, of_engine in rows.items():
        errors = []
        for model, scheduler, steps, denoise, drops, sigmas in of_engine:
            made = passport(engine, model, scheduler, steps, denoise, discard_penultimate=drops)
            same = len(made.sigmas) == len(sigmas)
            apart = np.abs(np.subtract(made.sigmas, sigmas)) / np.maximum(sigmas, 1e-12)
            errors.append(float(apart.max()) if same else np.inf)
        right = sum(error <= TOLERANCE for error in errors)
        found[engine] = (right, len(errors), max(errors))
    return found


def all_of(engine: str, *, slow: bool) -> tuple[int, float]:
    """Return how many passports an engine has for every model and scheduler, and CPU seconds.

    Args:
        engine: Its name.
        slow: Those of the classes that take long alone, else all others.
    """
    asked = [
        (model, scheduler)
        for model in PRESETS
        for scheduler in schedulers_of(engine, model)
        if slow == any(part in scheduler for part in SLOW)
    ]
    began = time.process_time()
    for model, scheduler in asked:
        passport(engine, model, scheduler, 20)
    return len(asked), time.process_time() - began


def examples() -> dict[str, str]:
    """Return sentences of the kind that the tool is for."""
    comfy = passport("comfyui", "sd15", "karras", 20)
    euler = passport("diffusers", "sd15", "EulerDiscreteScheduler karras", 20)
    half = passport("comfyui", "sd15", "normal", 20, 0.5)
    return {
        "ComfyUI karras, diffusers' Euler with use_karras_sigmas": compare(comfy, euler).sentence,
        "ComfyUI normal, denoise 0.5, in diffusers": equal_setting(half, "diffusers").sentence,
        "ComfyUI normal, denoise 0.5, in A1111": equal_setting(half, "a1111").sentence,
        "ComfyUI beta in A1111": equal_setting(
            passport("comfyui", "sd15", "beta", 20), "a1111"
        ).sentence,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without diffusers' slow classes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    passport("diffusers", "sd15", "EulerDiscreteScheduler", 4)  # its imports
    facts = {
        "golden": golden(),
        "all": {engine: all_of(engine, slow=False) for engine in ENGINES},
        "slow": {} if given.quick else {e: all_of(e, slow=True) for e in ("diffusers", "invokeai")},
        "examples": examples(),
    }
    if given.json:
        print(json.dumps(facts, indent=2))
        return
    for engine, (right, count, worst) in facts["golden"].items():
        print(f"{engine}: {right} of {count} rows within {TOLERANCE:g}, the worst {worst:.1e}")
    for kind in ("all", "slow"):
        for engine, (count, seconds) in facts[kind].items():
            word = "slow classes" if kind == "slow" else "models x schedulers"
            print(f"{engine}: {count} {word} in {seconds:.2f} s")
    for question, answer in facts["examples"].items():
        print(f"{question}: {answer}")


if __name__ == "__main__":
    main()
